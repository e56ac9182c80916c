"""The hour's list read back from a real MongoDB wire server, and how it is shown."""

import datetime as dt
import json
import subprocess
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import UpdateOne
from pymongo.database import Database

from rankspider.commands.board import board_text
from rankspider.items import Item, ListItem, RankedList, RankItem, UserItem
from rankspider.lake.documents import writes_of
from rankspider.lake.write import update_of
from rankspider.questions.board import Board, Place, board
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.states import state_at
from rankspider.questions.which import chosen
from rankspider.terminal import columns, harmless, shortened, table
from tests.conftest import ROOT, scrapy

CHINA = ZoneInfo("Asia/Shanghai")
HOUR = dt.datetime(2021, 1, 19, 11, tzinfo=dt.UTC)
ID = 6_000_000_000_000_000_001  # beyond 2⁵³: the next one is another number


def list_of(
    hour: dt.datetime = HOUR, currency: str = "热度", title: str = "全站", city: str = ""
) -> RankedList:
    return RankedList(currency, title, "小时榜", city, "", hour)


def state(*users: int, minute: float = 17, ranked_list: RankedList | None = None) -> ListItem:
    ranked_list = ranked_list or list_of()
    observed_at = ranked_list.begin_time + dt.timedelta(minutes=minute)
    ids = [str(ID + user) for user in users]
    return ListItem(ranked_list, ids, [50 - user for user in users], 60, {}, observed_at)


NAME = ListName("热度", "全站", "小时榜", "")


def standing(
    user: int,
    rank: int,
    score: int,
    *,
    minute: int = 17,
    listed: bool = True,
    ranked_list: RankedList | None = None,
) -> RankItem:
    ranked_list = ranked_list or list_of()
    return RankItem(
        ranked_list=ranked_list,
        user_id=str(ID + user),
        sec_uid=f"MS4wLjABAAAA{user:043}",
        rank=rank,
        score=score,
        delta=7,
        gap_description=f"{score / 10}" if listed else "距上榜还差50热度",
        gap_rich_description="",
        rich_description="",
        city_code="",
        fixed_footer_description="",
        shop_tags=["综合"] if listed else [],
        room_ids=[],
        listed=listed,
        observed_at=ranked_list.begin_time + dt.timedelta(minutes=minute),
    )


def user(number: int, nickname: str) -> UserItem:
    return UserItem(
        user_id=str(ID + number),
        sec_uid=f"MS4wLjABAAAA{number:043}",
        short_id=0,
        display_id="",
        nickname=nickname,
        gender=0,
        signature="",
        avatar_uri="",
        profile={},
        observed_at=HOUR,
    )


def store(database: Database[dict[str, Any]], *items: Item) -> None:
    for item in items:
        for write in writes_of(item):
            update = UpdateOne({"_id": write.id}, update_of(write, write.content), upsert=True)
            database[write.collection].bulk_write([update])


def places(found: Board | None) -> list[tuple[int, int, int]]:
    assert found is not None
    return [(row.place, int(row.user_id) - ID, row.score) for row in found.rows]


def test_an_empty_lake_has_no_board(database: Any) -> None:
    assert board(database) is None
    assert board(database, HOUR) is None


def test_places_in_order_with_names(database: Any) -> None:
    store(
        database,
        standing(2, 2, 29085),
        standing(1, 1, 49232),
        standing(3, 0, 12, listed=False),
        user(1, "陈\n赫"),
    )
    found = board(database)
    assert places(found) == [(1, 1, 49232), (2, 2, 29085)]
    assert found is not None
    assert (found.currency, found.title, found.begin_time) == ("热度", "全站", HOUR)
    assert found.observed_at == HOUR + dt.timedelta(minutes=17)
    assert [row.nickname for row in found.rows] == ["陈\n赫", ""]
    assert found.rows[0].tags == ["综合"]
    assert found.own_count == 1
    assert found.own[0].gap_description == "距上榜还差50热度"
    assert found.other_lists == []


def test_the_newest_hour_unless_one_is_named(database: Any) -> None:
    later = list_of(HOUR + dt.timedelta(hours=1))
    store(database, standing(1, 1, 5), standing(2, 1, 9, minute=0, ranked_list=later))
    assert places(board(database)) == [(1, 2, 9)]
    assert places(board(database, HOUR)) == [(1, 1, 5)]
    assert board(database, HOUR - dt.timedelta(hours=1)) is None


def test_who_fell_off_the_list_unasked_gives_up_the_place(database: Any) -> None:
    store(database, standing(1, 1, 5, minute=10), standing(2, 2, 4, minute=10))
    store(database, standing(1, 1, 8, minute=20), standing(3, 2, 6, minute=20))
    assert places(board(database)) == [(1, 1, 8), (2, 3, 6)]


def test_a_list_is_shown_as_it_was_stored_as_a_whole(database: Any) -> None:
    store(database, *(standing(n, n, 50 - n, minute=10) for n in range(1, 5)))
    store(database, state(1, 2, 3, 4, minute=10))
    store(database, standing(1, 1, 49, minute=20), state(1, 2, minute=20))
    # It got shorter: who held its last places has none.
    assert places(board(database)) == [(1, 1, 49), (2, 2, 48)]
    # Rows of an answer whose list was not stored: a worker was stopped, or one of them was broken.
    store(database, standing(5, 1, 60, minute=30), standing(1, 2, 59, minute=30))
    found = board(database)
    assert places(found) == [(1, 1, 49), (2, 2, 48)]
    assert found is not None
    assert found.is_whole
    assert (found.observed_at - HOUR, found.seconds_before_close) == (
        dt.timedelta(minutes=20),
        2400,
    )
    # What was said of the second row with these points still holds, and not of the first.
    assert [row.gap_description for row in found.rows] == ["", "4.8"]
    assert {row.observed_at for row in found.rows} == {found.observed_at}


def test_an_empty_list_is_one(database: Any) -> None:
    store(database, *(standing(n, n, 9 - n, minute=15) for n in (1, 2, 3)))
    store(database, state(1, 2, 3, minute=15), state(minute=16.5))
    store(database, standing(4, 0, 2, listed=False), standing(1, 0, 3, listed=False))
    found = board(database)
    assert places(found) == []
    assert found is not None
    assert found.observed_at == HOUR + dt.timedelta(minutes=16.5)
    assert [own.score for own in found.own] == [3, 2]


def test_rows_that_stand_alone_are_said_to(database: Any) -> None:
    """As when every answer had a broken row."""
    store(database, standing(1, 1, 9, minute=15), standing(3, 3, 7, minute=16))
    found = board(database)
    assert places(found) == [(1, 1, 9), (3, 3, 7)]
    assert found is not None
    assert not found.is_whole
    assert found.observed_at == HOUR + dt.timedelta(minutes=16)
    assert "No state of the list as a whole is stored" in board_text(found, CHINA)
    # Once there is a list, they are none, in that hour or a later one.
    earlier = list_of(HOUR - dt.timedelta(hours=1))
    store(database, standing(2, 1, 48, ranked_list=earlier), state(2, ranked_list=earlier))
    assert places(board(database)) == [(1, 2, 48)]


def test_who_is_listed_is_not_shown_as_off_the_list(database: Any) -> None:
    store(database, standing(1, 1, 49), standing(2, 2, 48), state(1, 2))
    store(database, standing(2, 0, 1, minute=30, listed=False))
    found = board(database)
    assert places(found) == [(1, 1, 49), (2, 2, 48)]
    assert found is not None
    assert (found.own, found.own_count) == ([], 0)


def test_of_states_side_by_side_the_one_that_was_seen_last(database: Any) -> None:
    store(database, state(1, 2, minute=10), state(1, 2, minute=40))
    store(database, state(2, 1, minute=20), state(2, 1, minute=25))

    def first_at(minute: float) -> int:
        found = state_at(database, NAME, HOUR, HOUR + dt.timedelta(minutes=minute))
        assert found is not None
        return int(found.user_ids[0]) - ID

    # What is seen holds until something else is: nobody saw the first one back before minute 40.
    minutes = (10, 19, 20, 22, 25, 26, 33, 40, 59)
    assert [first_at(minute) for minute in minutes] == [1, 1, 2, 2, 2, 2, 2, 1, 1]
    store(database, state(1, 2, minute=30))
    assert [first_at(minute) for minute in minutes] == [1, 1, 2, 2, 2, 2, 1, 1, 1]
    assert state_at(database, NAME, HOUR, HOUR + dt.timedelta(minutes=9)) is None


def test_at_a_moment_only_what_had_been_seen_by_then_may_be_meant(database: Any) -> None:
    gifts, region = list_of(currency="音浪"), list_of(title="上海", city="310000")
    store(database, state(1, minute=10), state(1, minute=40), standing(1, 1, 49, minute=40))
    store(database, state(2, minute=20, ranked_list=region))
    store(database, standing(2, 1, 48, minute=20, ranked_list=region))
    # Seen last of all, and not before 58 minutes past.
    store(database, standing(3, 1, 9, minute=58, ranked_list=gifts))
    store(database, state(3, minute=58, ranked_list=gifts))

    def at(minute: float, **named: str) -> tuple[str, str, list[str]] | None:
        found = board_at(database, HOUR + dt.timedelta(minutes=minute), **named)
        return None if found is None else (found.currency, found.title, found.other_lists)

    assert at(9) is None
    assert at(15) == ("热度", "全站", [])
    assert at(31) == ("热度", "全站", ["热度 上海"])
    assert at(31, title="上海") == ("热度", "上海", ["热度 全站"])
    assert at(31, currency="音浪") is None
    assert at(58) == ("音浪", "全站", ["热度 上海", "热度 全站"])
    assert at(58, currency="热度") == ("热度", "全站", ["热度 上海", "音浪 全站"])


def test_a_site_wide_list_goes_before_a_regional_one(database: Any) -> None:
    region = list_of(title="上海", city="310000")
    store(database, standing(1, 1, 5, minute=10))
    store(database, standing(2, 1, 9, minute=20, ranked_list=region))
    assert places(board(database)) == [(1, 1, 5)]
    assert places(board(database, title="上海")) == [(1, 2, 9)]
    assert chosen(database, [HOUR]) == (NAME, HOUR)
    assert chosen(database, [HOUR], title="上海") == (
        ListName("热度", "上海", "小时榜", "310000"),
        HOUR,
    )


def test_of_two_lists_the_one_observed_last(database: Any) -> None:
    gifts = list_of(currency="音浪")
    region = list_of(title="上海")
    store(
        database,
        standing(1, 1, 5, minute=20),
        standing(2, 1, 6, minute=30, ranked_list=gifts),
        standing(3, 1, 7, minute=10, ranked_list=region),
        standing(4, 0, 1, listed=False),
        standing(5, 0, 1, listed=False, ranked_list=gifts),
    )
    found = board(database)
    assert places(found) == [(1, 2, 6)]
    assert found is not None
    assert [own.user_id for own in found.own] == [str(ID + 5)]
    assert found.other_lists == ["热度 上海", "热度 全站"]
    assert places(board(database, currency="热度")) == [(1, 1, 5)]
    assert places(board(database, title="上海")) == [(1, 3, 7)]
    assert board(database, currency="积分") is None


def test_an_empty_list_still_shows_who_was_asked(database: Any) -> None:
    store(database, standing(1, 0, 0, listed=False))
    found = board(database)
    assert places(found) == []
    assert found is not None
    assert found.own_count == 1
    assert "No places to show." in board_text(found, CHINA)


def test_own_standings_most_points_first_and_counted(database: Any) -> None:
    store(database, standing(1, 1, 99))
    store(database, *(standing(n, 0, n, listed=False) for n in range(2, 9)))
    store(database, standing(9, 134, 3, listed=False))
    found = board(database, own=3)
    assert found is not None
    assert [(own.place, own.score) for own in found.own] == [(134, 3), (0, 8), (0, 7)]
    assert found.own_count == 8
    assert len(found.rows) == 1
    none_wanted = board(database, own=0)
    assert none_wanted is not None
    assert (none_wanted.own, none_wanted.own_count) == ([], 8)


def example(*rows: Place, own: int = 0) -> Board:
    observed_at = HOUR + dt.timedelta(minutes=59, seconds=29)
    return Board(
        "热度", "全站", "小时榜", "", "", HOUR, observed_at, 31, True, list(rows), [], own, []
    )


def place(number: int, nickname: str, score: int = 49232) -> Place:
    return Place(number, str(ID), "MS4w", nickname, score, 20147, "", ["综合", "女装"], HOUR)


def test_the_table_says_when_in_the_lists_own_zone() -> None:
    head = board_text(example(), CHINA).splitlines()[0]
    assert head == (
        "全站 小时榜 热度, hour of 2021-01-19 19:00+08:00, observed at 19:59:29, "
        "31 s before the close (final)"
    )


@pytest.mark.parametrize(
    ("left", "is_final", "said"),
    [
        (0, True, "0 s before the close (final)"),
        (120, True, "120 s before the close (final)"),
        (121, True, "121 s before the close (over, its end was not seen)"),
        (3035, True, "3,035 s before the close (over, its end was not seen)"),
        (3035, False, "3,035 s before the close (live)"),
    ],
)
def test_only_a_list_that_was_seen_at_the_end_is_final(
    left: int, is_final: bool, said: str
) -> None:
    found = replace(example(), seconds_before_close=left, is_final=is_final)
    assert board_text(found, CHINA).splitlines()[0].endswith(said)


def test_own_standings_that_nobody_wants_to_see_are_counted_alone() -> None:
    found = replace(example(own=3), own=[place(0, "a"), place(0, "b")])
    assert "Asked for and not on the list: 3, the 2 with the most points\n" in board_text(
        found, CHINA
    )
    assert board_text(example(own=1), CHINA).endswith("\nAsked for and not on the list: 1\n")


def test_columns_stand_under_each_other_whatever_the_names() -> None:
    names = ["陈赫", "ab", "👩‍👧 好物", "❤️x", "👍🏽", "ñandú", "e\u0301", "x" * 99, "陈" * 99, ""]
    lines = board_text(
        example(*(place(n, name) for n, name in enumerate(names, 1))), CHINA
    ).splitlines()
    assert {columns(line[: line.index("20,147")]) for line in lines[3:]} == {
        columns(lines[3][: lines[3].index("20,147")])
    }
    assert str(ID) in lines[-1]
    assert lines[2].split() == ["place", "nickname", "points", "behind", "next", "tags"]
    assert lines[3].endswith("综合, 女装")


def test_no_nickname_steers_the_terminal() -> None:
    text = board_text(example(place(1, "a\nb\x1b[2J\u202e\u2028\ud800")), CHINA)
    assert "a\\nb\\x1b[2J\\u202e\\u2028\\ud800" in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("", 0),
        ("abc", 3),
        ("陈赫", 4),
        ("👩‍👧", 2),
        ("❤️", 2),
        ("👍🏽", 2),
        ("e\u0301", 1),
        ("ｱ", 1),
    ],
)
def test_columns(text: str, wide: int) -> None:
    assert columns(text) == wide


def test_shortened_to_the_column() -> None:
    assert shortened("陈赫朱梓骁", 10) == "陈赫朱梓骁"
    assert shortened("陈赫朱梓骁", 9) == "陈赫朱梓…"
    assert shortened("陈赫朱梓骁", 8) == "陈赫朱…"
    assert shortened("ab👩‍👧x", 4) == "ab…"


def test_harmless_text_is_left_alone() -> None:
    assert harmless("陈赫 ✨ 👩‍👧 שלום") == "陈赫 ✨ 👩‍👧 שלום"


def test_an_empty_table_is_its_head() -> None:
    assert table(("a", " b"), []) == ["a  b"]


def show(environment: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        scrapy("board", *options),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_on_an_empty_lake(environment: dict[str, str], database_name: str) -> None:
    ended = show(environment)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert database_name in ended.stderr
    assert "make demo" in ended.stderr


def test_the_command(environment: dict[str, str], database: Any) -> None:
    store(
        database,
        *(standing(n, n, 100 - n) for n in range(1, 6)),
        standing(7, 0, 2, listed=False),
        user(1, "陈赫"),
    )
    shown = show(environment, "--limit", "2")
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert "    1  陈赫" in shown.stdout
    assert f"    2  {ID + 2}" in shown.stdout
    assert "    3  " not in shown.stdout
    assert "Asked for and not on the list: 1\n" in shown.stdout
    found = json.loads(show(environment, "--json", "--hour", "2021-01-19T19:30").stdout)
    assert found["begin_time"] == "2021-01-19T11:00:00Z"
    assert [row["user_id"] for row in found["rows"]] == [str(ID + n) for n in range(1, 6)]
    assert found["rows"][0]["nickname"] == "陈赫"
    assert found["own"][0]["score"] == 2


@pytest.mark.parametrize("option", ["--title", "--currency"])
def test_no_list_of_an_empty_name(environment: dict[str, str], database: Any, option: str) -> None:
    store(database, standing(1, 1, 99))
    ended = show(environment, option, "")
    assert ended.returncode == 1
    assert "leave out --at, --hour, --currency and --title" in ended.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--hour", "noon"], "--hour must be like"),
        (["--limit", "-1"], "must be 0 or more"),
        (["colour"], "not understood: colour"),
    ],
)
def test_options_that_make_no_sense(
    environment: dict[str, str], options: list[str], complaint: str
) -> None:
    ended = show(environment, *options)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_is_not_there(environment: dict[str, str]) -> None:
    ended = show({**environment, "MONGO_URI": "mongodb://127.0.0.1:1"})
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert "MongoDB cannot be reached" in ended.stderr
