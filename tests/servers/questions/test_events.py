"""What happened on a list, on records made by hand."""

import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from rankspider.items import ListItem
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import HOUR as ONE
from rankspider.moments import hour_of
from rankspider.questions.events import events
from rankspider.questions.lists import ListName
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.stored_lists import HOUR, ID, list_of, standing, store, user

LIST = ListName("热度", "全站", "小时榜", "")


def put(database: Any, hour: dt.datetime, minute: int, **scores: int) -> None:
    """A list of an hour: ``a=50`` is the seller 1 with 50 points, ``b`` the seller 2."""
    there = list_of(hour)
    numbers = [ord(letter) - ord("a") + 1 for letter in scores]
    ids = [str(ID + number) for number in numbers]
    at = hour + dt.timedelta(minutes=minute)
    store(database, ListItem(there, ids, list(scores.values()), 60, {}, at))
    for place, (number, score) in enumerate(zip(numbers, scores.values(), strict=True), 1):
        store(database, standing(number, place, score, minute=minute, ranked_list=there))


def told(database: Any, since: float, until: float, first: int = 2) -> list[tuple[Any, ...]]:
    start, end = (HOUR + dt.timedelta(minutes=each) for each in (since, until))
    return [
        (
            round((each.seen_at - HOUR) / dt.timedelta(minutes=1)),
            each.event,
            int(each.user_id) - ID,
            each.place,
            each.other_user_id and int(each.other_user_id) - ID,
        )
        for each in events(database, LIST, start, end, first=first)
    ]


def test_events(database: Any) -> None:
    put(database, HOUR - ONE, 59, b=80, a=60, c=9)
    put(database, HOUR, 10, b=50, a=40, c=30)
    put(database, HOUR, 20, a=70, b=51, c=30)
    put(database, HOUR, 30, a=71, c=60, b=52)
    put(database, HOUR, 40, a=75)
    all_of_them = [
        (20, "best place", 1, 1, None),
        (20, "most points", 1, 1, None),
        (20, "passed", 2, 2, 1),
        (30, "best place", 3, 2, None),
        (30, "entered", 3, 2, None),
        (30, "left", 2, 3, None),
        (30, "most points", 1, 1, None),
        (30, "most points", 3, 2, None),
        (30, "passed", 2, 3, 3),
        (40, "left", 3, 0, None),
        (40, "most points", 1, 1, None),
    ]
    assert told(database, 0, 60) == all_of_them
    assert told(database, 30, 40) == [each for each in all_of_them if each[0] == 30]


def test_who_went_on_air(database: Any) -> None:
    """A session that began shortly before an hour is seen in it first, or was seen already."""
    old, late, known, new = (
        str(int((HOUR + dt.timedelta(minutes=minute)).timestamp()) << 32)
        for minute in (-62, -2, -9, 5)
    )
    before = standing(3, 0, 7, minute=55, listed=False, ranked_list=list_of(HOUR - ONE))
    store(database, replace(before, room_ids=[known]))
    for number, room, minute in ((1, old, 10), (2, new, 12), (2, new, 20), (3, known, 8)):
        row = standing(number, 0, minute, minute=minute, listed=False)
        store(database, replace(row, room_ids=[room]))
    store(database, replace(standing(4, 0, 1, minute=3, listed=False), room_ids=[late]))
    assert told(database, 0, 60) == [(3, "on air", 4, 0, None), (12, "on air", 2, 0, None)]
    # When it began does not matter, but when it was first seen.
    assert told(database, 12, 60) == [(12, "on air", 2, 0, None)]
    assert told(database, 13, 60) == []


def test_a_stale_cache_breaks_no_record_and_sets_none(database: Any) -> None:
    put(database, HOUR - ONE, 59, b=80, a=60)
    put(database, HOUR - ONE, 61, a=200, b=90)
    put(database, HOUR, 10, b=5, a=4)
    put(database, HOUR, 20, a=150, b=6)
    kinds = [(event, who) for _, event, who, *_ in told(database, 0, 60) if who == 1]
    assert kinds == [("best place", 1), ("most points", 1)]


async def test_answered_from_an_index(mongo_uri: str, database: Any, async_database: Any) -> None:
    await ensure_indexes(async_database)
    put(database, HOUR - ONE, 59, a=60)
    put(database, HOUR, 10, b=50, a=40)
    used = indexes_used(mongo_uri, database.name, lambda lake: events(lake, LIST, HOUR, HOUR + ONE))
    assert not any("COLLSCAN" in each for each in used)
    assert {"ranks.user_hour", "snapshots._id_", "rank_history.hour_time"} <= used


def test_the_command(database: Any, mongo_uri: str, capsys: Any, monkeypatch: Any) -> None:
    hour = hour_of(dt.datetime.now(dt.UTC)) - ONE
    put(database, hour, 10, b=50, a=40)
    put(database, hour, 20, a=70, b=51)
    store(database, user(2, "name 2"))
    code, out, err = asked(capsys, mongo_uri, database.name, "events", "--since", "3h")
    assert (code, err) == (0, "")
    assert out.splitlines()[3].split()[2:5] == ["passed", str(ID + 2), "name"]
    looks = iter(
        (
            lambda: put(database, hour, 30, b=90, a=80),
            lambda: put(database, hour, 15, b=60, a=41),  # was late
            lambda: None,
        )
    )

    def look(_: float) -> None:
        happens = next(looks, None)
        if happens is None:
            raise KeyboardInterrupt
        happens()

    monkeypatch.setattr("rankspider.commands.events.time", SimpleNamespace(sleep=look))
    words = ("events", "--since", "3h", "--follow")
    code, out, err = asked(capsys, mongo_uri, database.name, *words)
    assert (code, err) == (130, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["event"], int(row["user_id"]) - ID) for row in rows] == [
        ("passed", 2),
        ("passed", 1),
    ]
    assert {row["list"] for row in rows} == {"全站 小时榜 热度"}
    assert asked(capsys, mongo_uri, database.name, "events", "--follow", "--csv")[0] == 2
    assert asked(capsys, mongo_uri, database.name, "events", "--since", "2999-01-01")[0] == 2
