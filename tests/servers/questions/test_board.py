"""The hour's list read back from a real MongoDB wire server, and how it is shown."""

import datetime as dt
from typing import Any

from rankspider.commands.board import board_text
from rankspider.questions.board import Board, board
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.states import state_at
from rankspider.questions.which import chosen
from tests.support.stored_lists import CHINA, HOUR, ID, list_of, standing, state, store, user

NAME = ListName("热度", "全站", "小时榜", "")


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
