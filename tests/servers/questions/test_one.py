"""One seller's day and names, and what places cost, on records made by hand."""

import csv
import datetime as dt
import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rankspider.items import ListItem
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import Period
from rankspider.questions.day import day
from rankspider.questions.lists import ListName
from rankspider.questions.names import called, names
from rankspider.questions.thresholds import thresholds
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.stored_lists import HOUR, ID, list_of, standing, store, user

LIST = ListName("热度", "全站", "小时榜", "")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ONE = dt.timedelta(hours=1)
PERIOD = Period(HOUR, HOUR + 3 * ONE)
SPAN = ("--from", PERIOD.start.isoformat(), "--to", PERIOD.end.isoformat())
FIRST_ROOM = str((int(HOUR.timestamp()) + 60) << 32)
SECOND_ROOM = str((int(HOUR.timestamp()) + 2 * 3600) << 32 | 5)


def minutes(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=count)


def stands(database: Any, hour: int, minute: int, score: int, room: str | None) -> None:
    there = list_of(HOUR + hour * ONE)
    at = there.begin_time + minutes(minute)
    listed = score > 10
    ids, scores = ([str(ID + 1)], [score]) if listed else ([str(ID + 2)], [99])
    store(database, ListItem(there, ids, scores, 60, {}, at))
    row = standing(1, int(listed), score, minute=minute, listed=listed, ranked_list=there)
    store(database, replace(row, room_ids=[room] if room else []))


@pytest.fixture
def sessions_of_one(database: Any) -> Any:
    stands(database, 0, 10, 20, FIRST_ROOM)
    stands(database, 0, 59, 70, FIRST_ROOM)
    stands(database, 1, 20, 5, FIRST_ROOM)
    stands(database, 1, 40, 6, None)
    stands(database, 2, 59, 30, SECOND_ROOM)
    store(database, user(1, "one"))
    return database


def test_a_day(sessions_of_one: Any) -> None:
    first, second, whole = day(sessions_of_one, LIST, PERIOD, str(ID + 1))
    assert (first.began_at, first.last_seen_at) == (HOUR + minutes(1), HOUR + minutes(80))
    assert first.gone_by == HOUR + minutes(100)
    assert (first.hours, first.hours_listed, first.best_place, first.points) == (2, 1, 1, 75)
    assert (second.room_id, second.began_at) == (SECOND_ROOM, HOUR + 2 * ONE)
    assert (second.last_seen_at, second.gone_by) == (HOUR + minutes(179), None)
    assert (second.hours, second.hours_listed, second.points) == (1, 1, 30)
    assert (whole.room_id, whole.began_at) == ("", None)
    assert (whole.hours, whole.hours_listed, whole.best_place, whole.points) == (3, 2, 1, 106)
    assert day(sessions_of_one, LIST, PERIOD, str(ID + 3)) == []


def test_what_a_stale_cache_shows_after_the_close_is_of_no_session(sessions_of_one: Any) -> None:
    stands(sessions_of_one, 0, 70, 500, "77")
    rooms = [row.room_id for row in day(sessions_of_one, LIST, PERIOD, str(ID + 1))]
    assert rooms == [FIRST_ROOM, SECOND_ROOM, ""]


@pytest.fixture
def profiles(database: Any) -> Any:
    for hours, who, nickname, avatar in (
        (0, 1, "old", "x"),
        (1, 1, "new", "x"),
        (2, 1, "new", "y"),
        (3, 2, "old", "x"),
    ):
        seen_at = HOUR + hours * ONE
        store(database, replace(user(who, nickname), avatar_uri=avatar, observed_at=seen_at))
    return database


def test_names(profiles: Any) -> None:
    one, two = str(ID + 1), str(ID + 2)
    assert called(profiles, "old") == {one, two}
    assert called(profiles, "new") == {one}
    assert called(profiles, "ol") == set()
    rows = names(profiles, {two, one}, "old")
    assert [
        (each.user_id, each.since, each.nickname, each.changed, each.is_called_so) for each in rows
    ] == [
        (one, HOUR, "old", [], True),
        (one, HOUR + ONE, "new", ["nickname"], False),
        (one, HOUR + 2 * ONE, "new", ["avatar_uri"], False),
        (two, HOUR + 3 * ONE, "old", [], True),
    ]


def test_thresholds_by_weekday_and_tag(database: Any) -> None:
    """Tuesday 19:00 and 20:00 and Wednesday 19:00 in Shanghai; the second seller has no tag."""
    for hour, scores in ((0, [90, 80, 10]), (1, [60, 50, 40]), (24, [30, 20, 11])):
        there = list_of(HOUR + hour * ONE)
        ids = [str(ID + number) for number in (1, 2, 3)]
        store(database, ListItem(there, ids, scores, 60, {}, there.begin_time + minutes(59)))
        for place, score in enumerate(scores, 1):
            row = standing(place, place, score, minute=59, ranked_list=there)
            store(database, replace(row, shop_tags=[] if place == 2 else ["综合"]))
    period = Period(HOUR, HOUR + 25 * ONE)

    def found(**how: Any) -> list[tuple[int | None, int | None, str, float]]:
        rows = thresholds(database, LIST, period, SHANGHAI, places=(2,), **how)
        return [(row.weekday, row.hour_of_day, row.place, row.median) for row in rows]

    assert found() == [(None, 19, "2", 50), (None, 19, "last", 10.5)] + [
        (None, 20, "2", 50),
        (None, 20, "last", 40),
    ]
    assert [row for row in found(by="weekday") if row[2] == "2"] == [
        (2, None, "2", 65),
        (3, None, "2", 20),
    ]
    assert [row[:2] for row in found(by="both")][::2] == [(2, 19), (2, 20), (3, 19)]
    assert [row[3] for row in found(by="both", tag="综合")] == [10, 10, 40, 40, 11, 11]
    assert found(tag="服饰") == []


async def test_each_is_answered_from_an_index(
    mongo_uri: str, database: Any, async_database: Any
) -> None:
    await ensure_indexes(async_database)
    who = str(ID + 1)
    assert indexes_used(mongo_uri, database.name, lambda lake: names(lake, [who])) == {
        "user_history.user_time"
    }
    assert indexes_used(mongo_uri, database.name, lambda lake: called(lake, "old")) == {
        "user_history.nickname",
        "user_history.display_id",
    }
    stands(database, 0, 10, 20, FIRST_ROOM)
    used = indexes_used(mongo_uri, database.name, lambda lake: day(lake, LIST, PERIOD, who))
    assert not any("COLLSCAN" in each for each in used)
    assert "rank_history.user_hour_time" in used


def test_the_commands(sessions_of_one: Any, mongo_uri: str, capsys: Any) -> None:
    def ask(*words: str) -> tuple[int, str, str]:
        return asked(capsys, mongo_uri, sessions_of_one.name, *words)

    code, out, err = ask("day", "one", *SPAN, "--json")
    assert (code, err) == (0, "")
    assert [json.loads(line)["points"] for line in out.splitlines()] == [75, 30, 106]
    code, out, _ = ask("day", "one", *SPAN)
    assert "Hours not seen in their last 120 s (--within): 1\n" in out
    code, out, _ = ask("names", "one", "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert (row["nickname"], row["is_called_so"]) == ("one", "true")
    assert ask("names", str(ID + 1), "--json")[1].count("\n") == 1
    assert ask("names", "nobody")[0] == 1
    code, out, _ = ask("thresholds", *SPAN, "--place", "1", "--csv")
    costs = [(row["hour_of_day"], row["minimum"]) for row in csv.DictReader(out.splitlines())]
    assert costs == [("21", "30"), ("19", "70")]
    assert ask("thresholds", "--place", "0")[0] == 2
