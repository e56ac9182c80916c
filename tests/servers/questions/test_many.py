"""Questions about several sellers and whole periods, on lists made by hand."""

import asyncio
import csv
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import AsyncMongoClient

from rankspider.items import ListItem
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import Period
from rankspider.questions.compare import compare
from rankspider.questions.leaders import leaders, rising
from rankspider.questions.lists import ListName
from rankspider.questions.people import Person
from rankspider.questions.versus import share, versus
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.stored_lists import HOUR, ID, list_of, standing, store, user

LIST = ListName("热度", "全站", "小时榜", "")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ONE = dt.timedelta(hours=1)
# Four hours from 19:00 in Shanghai; of the third nobody saw anything.
PERIOD = Period(HOUR, HOUR + 4 * ONE)
SPAN = ("--from", PERIOD.start.isoformat(), "--to", PERIOD.end.isoformat())
SEEN = {"snapshots.hour_time", "snapshots._id_", "sightings.hour_time", "calls.hour_time"}
Ask = Callable[..., tuple[int, str, str]]


def who(*numbers: int) -> list[str]:
    return [str(ID + number) for number in numbers]


def person(number: int) -> Person:
    return Person(str(ID + number), f"MS4wLjABAAAA{number:043}", 0, "", f"name {number}")


def put(database: Any, hour: int, minute: float, **scores: int) -> None:
    """A list of an hour: ``a=50`` is the seller 1 with 50 points, ``b`` the seller 2."""
    there = list_of(HOUR + hour * ONE)
    numbers = [ord(letter) - ord("a") + 1 for letter in scores]
    at = there.begin_time + dt.timedelta(minutes=minute)
    store(database, ListItem(there, who(*numbers), list(scores.values()), 60, {}, at))
    for place, (number, score) in enumerate(zip(numbers, scores.values(), strict=True), 1):
        row = standing(number, place, score, minute=int(minute), ranked_list=there)
        store(database, row)


@pytest.fixture
def lake(database: Any) -> Any:
    put(database, 0, 30, b=40, a=20)
    put(database, 0, 59, a=100, b=50)
    put(database, 1, 59, b=70, c=30)
    put(database, 3, 40, a=10, c=5)  # its last twenty minutes nobody saw
    store(database, user(1, "=name 1"), user(2, "name 2"))
    return database


@pytest.fixture
def ask(lake: Any, mongo_uri: str, capsys: Any) -> Ask:
    return lambda *words: asked(capsys, mongo_uri, lake.name, *words)


def test_leaders(lake: Any) -> None:
    rows = leaders(lake, LIST, PERIOD)
    assert [
        (each.user_id, each.points, each.hours_listed, each.wins, each.best_place) for each in rows
    ] == [(who(2)[0], 120, 2, 1, 1), (who(1)[0], 110, 2, 2, 1), (who(3)[0], 35, 2, 0, 2)]
    assert [each.hours_in_first_10 for each in rows] == [2, 2, 2]
    assert [each.nickname for each in rows] == ["name 2", "=name 1", ""]
    assert [each.user_id for each in leaders(lake, LIST, PERIOD, by="wins")] == who(1, 2, 3)
    assert [each.user_id for each in leaders(lake, LIST, PERIOD, by="place", most=1)] == who(2)
    assert leaders(lake, LIST, PERIOD, tag="综合") == rows
    assert leaders(lake, LIST, PERIOD, tag="服饰") == []


def test_leaders_by_the_first_ten(database: Any) -> None:
    put(database, 0, 59, **{letter: 100 - place for place, letter in enumerate("abcdefghijk")})
    rows = {each.user_id: each for each in leaders(database, LIST, PERIOD, by="first-10")}
    assert rows[who(10)[0]].hours_in_first_10 == 1
    assert rows[who(11)[0]].hours_in_first_10 == 0
    assert list(rows)[-1] == who(11)[0]


def test_rising(lake: Any) -> None:
    """The hours 1 and 2 lie before, of which the first has a list; the hour 3 alone after."""
    rows = rising(lake, LIST, Period(HOUR + 2 * ONE, HOUR + 4 * ONE))
    assert [
        (each.user_id, each.points_change, each.hours_change, each.is_new) for each in rows
    ] == [
        (who(3)[0], 5 - 30, 0, False),
        (who(1)[0], 10 - 100, 0, False),
        (who(2)[0], 0 - 120, -2, False),
    ]
    assert [(each.points, each.points_before) for each in rows] == [(5, 30), (10, 100), (0, 120)]
    new = rising(lake, LIST, Period(HOUR + ONE, HOUR + 2 * ONE))
    assert [(each.user_id, each.is_new) for each in new] == [
        (who(3)[0], True),
        (who(2)[0], False),
        (who(1)[0], False),
    ]
    assert [each.hours_change for each in new] == [1, 0, -1]


def test_versus(lake: Any) -> None:
    rows = versus(lake, LIST, PERIOD, SHANGHAI, *who(1, 2))
    assert [
        (each.hour_of_day, each.hours, each.first_ahead, each.second_ahead, each.neither_listed)
        for each in rows
    ] == [(19, 1, 1, 0, 0), (20, 1, 0, 1, 0), (22, 1, 1, 0, 0)]
    assert [each.neither_listed for each in versus(lake, LIST, PERIOD, SHANGHAI, "1", "2")] == [
        *(1, 1, 1)
    ]


def test_share(lake: Any) -> None:
    rows = share(lake, LIST, PERIOD, who(1, 3))
    assert [(each.points, each.points_of_all, each.places) for each in rows] == [
        (100, 150, 1),
        (30, 100, 1),
        (15, 15, 2),
    ]
    assert [each.percent for each in rows] == pytest.approx([200 / 3, 30, 100])
    (day,) = share(lake, LIST, PERIOD, who(1), SHANGHAI)
    assert (day.since, day.hours, day.points, day.points_of_all) == (HOUR, 3, 110, 265)
    put(lake, 2, 59)
    assert share(lake, LIST, PERIOD, who(1))[2].percent is None


def test_compare(database: Any) -> None:
    """Seen every five minutes; ``b`` wins 8 a minute and ``a`` 2, and ``d`` is not listed."""
    put(database, 0, 40, a=100, b=10, c=9)
    put(database, 0, 50, a=120, b=90, c=9)
    put(database, 0, 55, a=130, b=130, c=9)
    put(database, 0, 58, a=136, b=112, c=9)  # points are taken back
    for minute, score in ((46, 1), (56, 6)):
        store(database, standing(4, 0, score, minute=minute, listed=False))
    rows = compare(database, LIST, HOUR, [person(number) for number in (4, 2, 1, 5)])
    assert [(each.user_id, each.place, each.score, each.to_next) for each in rows] == [
        (who(1)[0], 1, 136, 0),
        (who(2)[0], 2, 112, 24),
        (who(4)[0], 0, 6, 3),
        (who(5)[0], 0, None, None),
    ]
    first, second, unlisted, nobody = rows
    assert first.points_per_minute == pytest.approx((136 - 120) / 8)
    assert first.minutes_to_pass is None
    assert second.points_per_minute == pytest.approx((112 - 90) / 8)
    assert second.next_per_minute == first.points_per_minute
    assert second.minutes_to_pass == pytest.approx(24 / ((22 - 16) / 8))
    assert unlisted.points_per_minute == pytest.approx(0.5)
    assert unlisted.minutes_to_pass == pytest.approx(6)
    at = [None if each.seen_at is None else (each.seen_at - HOUR).seconds / 60 for each in rows]
    assert at == [58, 58, 56, None]
    assert (nobody.points_per_minute, nobody.minutes_to_pass) == (None, None)
    (slow,) = compare(database, LIST, HOUR, [person(2)], minutes=2)
    assert slow.points_per_minute is None


async def _indexed(uri: str, name: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        await ensure_indexes(client[name])


def test_each_is_answered_from_an_index(lake: Any, mongo_uri: str) -> None:
    asyncio.run(_indexed(mongo_uri, lake.name))

    def used(ask: Callable[[Any], object]) -> set[str]:
        found = indexes_used(mongo_uri, lake.name, ask)
        return {index.replace("hour_best", "hour_place") for index in found}

    assert used(lambda db: versus(db, LIST, PERIOD, SHANGHAI, *who(1, 2))) <= SEEN
    assert used(lambda db: share(db, LIST, PERIOD, who(1))) <= SEEN
    named = {*SEEN, "users._id_"}
    assert used(lambda db: leaders(db, LIST, PERIOD)) <= named
    assert used(lambda db: rising(db, LIST, PERIOD)) <= named
    assert used(lambda db: leaders(db, LIST, PERIOD, tag="综合")) <= {*named, "ranks.hour_place"}
    assert used(lambda db: compare(db, LIST, HOUR, [person(1)])) <= {
        *SEEN,
        "rank_history.user_hour_time",
        "calls.user_time",
    }


def test_the_commands(ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask("leaders", *SPAN, "--json")
    assert (code, err) == (0, "")
    assert [json.loads(line)["points"] for line in out.splitlines()] == [120, 110, 35]
    code, out, _ = ask("leaders", *SPAN, "--by", "wins", "--limit", "1")
    assert "leaders by wins, 2021-01-19 19:00+08:00" in out
    assert "Hours without this list in the lake: 1\n" in out
    assert "Hours not seen in their last 120 s (--within): 1\n" in out
    assert "(--within)" not in ask("leaders", *SPAN, "--within", "1200")[1]
    assert "(24 hours)" in ask("leaders", "--day")[1]
    assert "(168 hours)" in ask("leaders", "--week")[1]
    code, out, _ = ask("rising", "--from", (HOUR + 2 * ONE).isoformat(), "--hours", "2")
    assert (code, "The period before" in out) == (0, False)
    code, out, _ = ask("versus", "=name 1", "name 2", *SPAN)
    assert "=name 1 (first) versus name 2 (second)" in out
    assert "the first in 2 hours, the second in 1\n" in out
    file = tmp_path / "mine.txt"
    file.write_text("# mine\n\n=name 1\r\n" + who(3)[0] + "\n", encoding="utf-8-sig")
    code, out, _ = ask("share", "--file", str(file), *SPAN, "--by", "day", "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert (row["points"], row["hours"], row["places"]) == ("145", "3", "4")
    code, out, _ = ask("compare", "name 2", "--file", str(file), "--hour", HOUR.isoformat())
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[3:]][-3:] == ["=name", "name", who(3)[0]]


def test_a_group_by_label(ask: Ask, lake: Any) -> None:
    for number, label, queue in (
        (1, "mine", "q"),
        (3, "mine", "q"),
        (9, "mine", "q"),
        (2, "", "q"),
    ):
        key = person(number).sec_uid
        watched = {"queue": queue, "sec_uid": key, "label": label, "number": number}
        lake.watched.insert_one({"_id": f"{queue}/{key}", **watched})
    lake.watched.insert_one(
        {"_id": "other", "queue": "r", "sec_uid": person(2).sec_uid, "label": "mine"}
    )
    mine = ("--label", "mine", "-s", "RANK_QUEUE_KEY=q")
    code, out, err = ask("share", *mine, *SPAN, "--by", "day", "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert (code, row["points"], row["places"]) == (0, "145", "4")
    assert "1 of the watched anchors with the label 'mine' have not been seen" in err
    code, out, _ = ask("compare", "name 2", *mine, "--hour", HOUR.isoformat(), "--json")
    assert {json.loads(line)["user_id"] for line in out.splitlines()} == {*who(1, 2, 3)}
    code, out, err = ask("share", "--label", "yours", "-s", "RANK_QUEUE_KEY=q")
    assert (code, out) == (1, "")
    assert "there are 0 on the watch list of q" in err


def test_a_former_name_in_a_group_is_remarked(ask: Ask, lake: Any) -> None:
    """Else the answer would be about somebody whom nobody recognises."""
    store(lake, replace(user(2, "name after"), observed_at=HOUR + ONE))
    for words in (("share", "name 2", *SPAN), ("versus", "=name 1", "name 2", *SPAN)):
        code, out, _ = ask(*words)
        assert code == 0
        assert f"name 2 is what name after (user_id {who(2)[0]}) was called" in out


def test_what_makes_no_sense(ask: Ask, tmp_path: Path) -> None:
    for words, complaint in (
        (("compare",), "name one anchor or more"),
        (("compare", "a", "--minutes", "0"), "--minutes must be above 0"),
        (("compare", "--file", str(tmp_path / "none")), "cannot be read"),
        (("versus", "name 2"), "name two anchors"),
        (("versus", "name 2", who(2)[0]), "both names are of one anchor"),
        (("leaders", "--within", "nan"), "--within must be 0 or more"),
        (("leaders", "--limit", "0"), "--limit must be 1 or more"),
    ):
        code, out, err = ask(*words)
        assert (code, out) == (2, "")
        assert complaint in err
    assert ask("share", "nobody at all")[0] == 1


def test_spreadsheets(ask: Ask) -> None:
    hour = ("--hour", HOUR.isoformat())
    code, out, err = ask("compare", "=name 1", *hour, "--csv", "--bom", "--lang", "zh", "--defuse")
    assert (code, err) == (0, "")
    assert out.startswith("\ufeff昵称,用户ID,名次,热度,")
    (row,) = csv.DictReader(out.removeprefix("\ufeff").splitlines())
    assert (row["昵称"], row["小时"]) == ("'=name 1", "2021-01-19T19:00:00+08:00")
    assert row["榜单"] == "全站 小时榜 热度"
    (line,) = ask("compare", "name 2", *hour, "--json")[1].splitlines()
    assert json.loads(line)["hour"] == "2021-01-19T11:00:00Z"
    for row in csv.DictReader(ask("board", *hour, "--csv", "--defuse")[1].splitlines()):
        assert row["list"] == "全站 小时榜 热度"
    assert ask("leaders", *SPAN, "--bom")[0] == ask("board", "--json", "--lang", "zh")[0] == 2
