"""What few think of, from answers made by hand."""

import asyncio
import csv
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from pymongo import AsyncMongoClient

from rankspider.items import ListItem
from rankspider.lake.call import OK, Call, document_of
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import HOUR as ONE
from rankspider.moments import Period
from rankspider.questions.board import board
from rankspider.questions.compare import compare
from rankspider.questions.curve import curve
from rankspider.questions.day import day
from rankspider.questions.lists import ListName
from rankspider.questions.people import Person, anchors_named
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from rankspider.questions.versus import versus
from tests.support.commands_in_process import asked
from tests.support.stored_lists import HOUR, ID, list_of, standing, store, user

NAME = ListName("热度", "全站", "小时榜", "")
PERIOD = Period(HOUR, HOUR + ONE)
FIRST, SECOND = str(ID + 1), str(ID + 2)
ROOM, NEXT_ROOM = (str((int(HOUR.timestamp()) + start << 32) + 11 * 256) for start in (0, 1200))


def at(minute: float) -> dt.datetime:
    return HOUR + dt.timedelta(minutes=minute)


def answer(minute: float, *scores: tuple[int, int], room: str | None = None) -> list[Any]:
    """A whole list; ``room``: of its first seller."""
    there = list_of()
    ids, points = [str(ID + who) for who, _ in scores], [score for _, score in scores]
    rows: list[Any] = []
    for place, (who, score) in enumerate(scores, 1):
        delta = points[place - 2] - score if place > 1 else 0
        row = replace(standing(who, place, score), delta=delta, observed_at=at(minute))
        rows.append(replace(row, room_ids=[room]) if room and place == 1 else row)
    return [*rows, ListItem(there, ids, points, 60, {}, at(minute))]


@pytest.mark.parametrize("order", [1, -1])
def test_a_room_that_is_on_twice_within_an_hour(database: Any, order: int) -> None:
    """On the list with the same points all the time: what is on record tells."""
    rooms = {5: ROOM, 10: ROOM, 20: None, 30: ROOM, 40: None, 45: NEXT_ROOM}
    answers = [answer(minute, (1, 90), room=room) for minute, room in rooms.items()]
    for each in answers[::order]:
        store(database, *each)
    first, second, whole = day(database, NAME, PERIOD, FIRST)
    assert (first.room_id, first.last_seen_at, first.gone_by) == (ROOM, at(30), at(40))
    assert (second.room_id, second.last_seen_at, second.gone_by) == (NEXT_ROOM, at(45), None)
    assert (whole.hours, whole.hours_listed, whole.points) == (1, 1, 90)


def test_a_session_is_seen_for_as_long_as_its_list_is(database: Any) -> None:
    """A standing that stays is not written again: the list's sightings tell, and calls of one off
    the list."""
    store(database, *answer(5, (1, 90), room=ROOM))
    store(database, ListItem(list_of(), [FIRST], [90], 60, {}, at(50)))
    (session, _) = day(database, NAME, PERIOD, FIRST)
    assert (session.last_seen_at, session.gone_by) == (at(50), None)
    own = replace(standing(2, 0, 7, listed=False), observed_at=at(10), room_ids=[NEXT_ROOM])
    store(database, own)
    call = Call(
        anchor="a",
        user_id=SECOND,
        asked_at=at(55),
        milliseconds=1,
        observed_at=at(55),
        purpose="queue",
        outcome=OK,
        worker="host:1",
        begin_time=HOUR,
        standing=own.history_key,
    )
    database.calls.insert_one(document_of(call))
    (session, _) = day(database, NAME, PERIOD, SECOND)
    assert (session.last_seen_at, session.gone_by) == (at(55), None)


@pytest.mark.parametrize("order", [1, -1])
def test_a_list_that_is_emptied_and_full_again(database: Any, order: int) -> None:
    answers = [answer(10, (1, 50), (2, 40)), answer(20), answer(30, (1, 50), (2, 40))]
    for each in answers[::order]:
        store(database, *each)
    assert [(each.since, each.until) for each in curve(database, NAME, HOUR, SECOND)] == [
        (at(10), at(10)),
        (at(30), at(30)),
    ]
    found = board(database, HOUR)
    assert found is not None
    assert [row.user_id for row in found.rows] == [FIRST, SECOND]
    (row,) = trend(database, NAME, PERIOD, SECOND)
    assert (row.place, row.observed_at) == (2, at(30))
    (compared,) = compare(database, NAME, HOUR, [Person(SECOND, "", 0, "", "")])
    assert (compared.place, compared.seen_at, compared.to_next) == (2, at(30), 10)


def test_hours_that_a_clock_change_repeats(database: Any) -> None:
    """In Berlin, 2026-10-25 has two hours that begin at 2."""
    zone, first = ZoneInfo("Europe/Berlin"), dt.datetime(2026, 10, 25, 0, tzinfo=dt.UTC)
    for number in range(3):
        there = list_of(first + number * ONE)
        closing = there.begin_time + dt.timedelta(minutes=59)
        store(database, ListItem(there, [FIRST], [10 + number], 60, {}, closing))
    period = Period(first, first + 3 * ONE)
    rows = versus(database, NAME, period, zone, FIRST, SECOND)
    assert [(each.hour_of_day, each.hours, each.first_ahead) for each in rows] == [
        (2, 2, 2),
        (3, 1, 1),
    ]
    found = thresholds(database, NAME, period, zone, places=[1])
    assert [(each.hour_of_day, each.place, each.hours) for each in found] == [
        *((2, "1", 2), (2, "last", 2)),
        *((3, "1", 1), (3, "last", 1)),
    ]


def test_names_and_numbers_that_are_others_as_well(
    database: Any, mongo_uri: str, capsys: Any
) -> None:
    """One was called what another is called now, and its number is another's short one."""
    later = {"observed_at": HOUR + ONE}
    store(database, user(1, "old"), replace(user(1, "new"), **later))
    store(database, user(2, "old"))
    assert {person.user_id for person in anchors_named(database, "old", most=9)} == {FIRST, SECOND}
    assert asked(capsys, mongo_uri, database.name, "names", "old", "--json")[0] == 0
    (person,) = anchors_named(database, "nickname:old", most=9)
    assert person.user_id == SECOND
    numbered = replace(user(3, "three"), short_id=int(FIRST))
    store(database, numbered)
    found = anchors_named(database, FIRST, most=9)
    assert {person.user_id for person in found} == {FIRST, str(ID + 3)}
    assert [each.user_id for each in anchors_named(database, f"user_id:{FIRST}", most=9)] == [FIRST]
    (short,) = anchors_named(database, f"short_id:{FIRST}", most=9)
    assert short.user_id == str(ID + 3)


def test_a_list_that_is_renamed_twice(database: Any, mongo_uri: str, capsys: Any) -> None:
    for number, currency in enumerate(("热度", "人气", "热度", "热力")):
        there = list_of(HOUR + number * ONE, currency=currency)
        closing = there.begin_time + dt.timedelta(minutes=59)
        store(database, ListItem(there, [FIRST, SECOND], [50, 40], 60, {}, closing))
        store(database, replace(standing(1, 1, 50, ranked_list=there), observed_at=closing))
    store(database, user(1, "one"), user(2, "two"))
    span = ("--from", HOUR.isoformat(), "--hours", "4")
    for words in (("leaders",), ("share", "one"), ("versus", "one", "two"), ("day", "one")):
        code, out, err = asked(capsys, mongo_uri, database.name, *words, *span, "--json")
        assert code == 0
        assert "In 2 of the hours without this list there is 全站 小时榜 热度." in err, words
        assert "In 1 of the hours without this list there is 全站 小时榜 人气." in err, words
    code, out, err = asked(
        capsys, mongo_uri, database.name, "leaders", *span, "--currency", "热度", "--csv"
    )
    rows = list(csv.DictReader(out.splitlines()))
    assert [(row["points"], row["hours_listed"]) for row in rows] == [("100", "2"), ("80", "2")]


async def _indexed(uri: str, name: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        await ensure_indexes(client[name])


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_duckdb_reads_every_collection_that_was_exported_twice(
    database: Any, mongo_uri: str, capsys: Any, tmp_path: Path, form: str
) -> None:
    store(database, *answer(5, (1, 90), (2, 80), room=ROOM), user(1, "one"), user(2, "=1+1"))
    out = str(tmp_path / "lake")
    words = ("export", "--out", out, "--format", form)
    asyncio.run(_indexed(mongo_uri, database.name))
    assert asked(capsys, mongo_uri, database.name, *words)[::2] == (0, "")
    store(database, *answer(15, (2, 95), (1, 91), room=ROOM))
    assert asked(capsys, mongo_uri, database.name, *words)[0] == 0
    read = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}[form]
    for name in ("ranks", "rank_history", "users", "user_history", "snapshots", "sightings"):
        files = f"{read}('{out}/{name}/**/*.{form}', hive_partitioning = true)"
        hours = "hour BETWEEN 0 AND 23 AND day >= DATE '2021-01-01'"
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT count(*) FROM {files} WHERE {hours}").fetchone()
        assert found is not None
        assert found[0] == database[name].count_documents({}), name


def test_equal_points_that_swap_are_no_passing(database: Any, mongo_uri: str, capsys: Any) -> None:
    store(database, *answer(10, (1, 50), (2, 40)), *answer(20, (1, 50), (2, 50)))
    store(database, *answer(30, (2, 50), (1, 50)), *answer(40, (1, 50), (2, 50)))
    store(database, *answer(50, (2, 60), (1, 50)))
    hour = ("--hour", HOUR.isoformat(), "--minutes", "60", "--json")
    code, out, _ = asked(capsys, mongo_uri, database.name, "overtakes", *hour)
    assert code == 0
    (passing,) = [json.loads(line) for line in out.splitlines()]
    assert (passing["user_id"], passing["seen_at"]) == (SECOND, "2021-01-19T11:50:00Z")
    (one,) = compare(database, NAME, HOUR, [Person(FIRST, "", 0, "", "")])
    assert (one.place, one.to_next) == (2, 10)
