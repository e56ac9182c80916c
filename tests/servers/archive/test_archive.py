"""Answers as they came: kept, found, had back byte for byte, and replayed into an equal lake."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from scrapy.exceptions import UsageError

from rankspider.archive import keeping, reading
from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.hours import archived_hours
from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.endpoint.failure import soft_ban
from rankspider.errors import ArchiveDamaged
from rankspider.lake.collections import DATED
from rankspider.lake.indexes import ensure_indexes
from rankspider.replay.comparison import compare
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.archived_answers import NOON, Lake, answer, bodies, kept, replayed, shown


async def test_what_is_kept_is_found_by_anchor_hour_and_time(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await ensure_indexes(async_database, has_archive=True)
    hours = [NOON, NOON + dt.timedelta(hours=1)]
    lists = [body for hour in hours for body in bodies(12, rows=4, every=7, start=hour)]
    answers = [answer(body, f"anchor{n % 5}") for n, body in enumerate(lists)]
    wall = AnswerToArchive.of_failure(b"", {"bdturing-verify": "x"}, soft_ban("captcha"), "anchor1")
    for _ in range(2):  # a second worker, with a base of its own, asked the same
        await kept(async_database, *answers, wall)
    reader = ArchiveReader(database)
    assert reader.count(AnswerFilter()) == 25
    assert [each.body for each in reader.answers(AnswerFilter())] == [*lists, b""]
    assert [each.body for each in reader.answers(AnswerFilter(hour=hours[1]))] == lists[12:]
    own = [each.body for each in reader.answers(AnswerFilter(anchor="anchor1"))]
    assert own == [*lists[1::5], b""]
    between = AnswerFilter(start=answers[3].observed_at, end=answers[5].observed_at)
    assert [each.body for each in reader.answers(between)] == lists[3:5]
    newest = reader.newest(AnswerFilter(anchor="anchor1", end=answers[7].observed_at))
    assert newest is not None
    assert (newest.body, newest.observed_at) == (lists[6], answers[6].observed_at)
    assert newest.ranked_list is not None
    assert newest.ranked_list["currency"] == "热度"
    failed = reader.newest(AnswerFilter(anchor="anchor1"))
    assert failed is not None
    assert (failed.failure, failed.headers) == ("soft-ban", {"bdturing-verify": "x"})
    assert failed.begin_time is None
    by_hour = {each.begin_time: each for each in archived_hours(database, AnswerFilter())}
    assert {hour: each.answers for hour, each in by_hour.items()} == {
        **dict.fromkeys(hours, 12),
        None: 1,
    }
    assert by_hour[NOON].bytes == sum(map(len, lists[:12]))
    plan = database.archive.find({"anchor": "anchor1"}).sort("observed_at", -1).explain()
    assert "anchor_time" in json.dumps(plan, default=str)


async def test_the_same_bytes_for_two_anchors_are_two_answers(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    (body,) = bodies(1, rows=30, every=1)
    await kept(async_database, answer(body, "anchor1"), answer(body, "anchor2"), answer(body))
    assert {each.anchor for each in ArchiveReader(database).answers(AnswerFilter())} == {
        *("anchor1", "anchor2"),
        None,
    }
    assert all(document["stored"] < 100 for document in database.archive.find())


async def test_an_answer_too_long_for_a_document_is_kept_in_pieces(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "_PIECE_BYTES", 1000)
    (body,) = bodies(1, rows=20, every=1)
    await kept(async_database, AnswerToArchive(body, "anchor1", NOON))
    only = database.archive.find_one()
    assert len(only["further"]) >= 2
    assert len(only["data"]) == 1000
    assert [each.body for each in ArchiveReader(database).answers(AnswerFilter())] == [body]


async def test_what_is_damaged_is_said_and_not_passed_on(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await kept(async_database, *map(answer, bodies(2, rows=3, every=1)))
    reader, first = ArchiveReader(database), database.archive.find_one(sort=[("observed_at", 1)])
    database.archive.update_one({"_id": first["_id"]}, {"$set": {"data": b"no zstd"}})
    with pytest.raises(ArchiveDamaged, match="decompressed"):
        next(reader.answers(AnswerFilter()))
    other = database.archive.find_one({"_id": {"$ne": first["_id"]}})
    database.archive.update_one({"_id": first["_id"]}, {"$set": {"data": other["data"]}})
    with pytest.raises(ArchiveDamaged, match="has changed"):
        next(reader.answers(AnswerFilter()))
    database.archive_bases.delete_many({})
    with pytest.raises(ArchiveDamaged, match="archive_bases lacks"):
        next(ArchiveReader(database).answers(AnswerFilter()))


async def test_expiry_is_an_index(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await ensure_indexes(async_database, has_archive=True)
    for name in ("archive", "archive_bases"):
        assert database[name].index_information()["expiry"]["expireAfterSeconds"] == 0


async def test_a_replay_that_was_stopped_may_be_run_again(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake, mongo_uri: str
) -> None:
    lists = bodies(30, rows=4, every=3)
    await kept(
        async_database, *(answer(body, synthetic_sec_uid(1, n)) for n, body in enumerate(lists))
    )
    names = [f"{database.name}_{n}" for n in range(2)]
    try:
        part = await replayed(database, mongo_uri, names[0], most=11)
        assert (part.answers, part.is_whole) == (11, False)
        assert database.client[names[0]].ranks.count_documents({}) > 0
        assert (await replayed(database, mongo_uri, names[0])).is_whole
        assert (await replayed(database, mongo_uri, names[1])).answers == 30
        again, once = (database.client[name] for name in names)
        found = compare(again, once, lambda _: None)
        assert all(each.is_none for each in found.values()), found
        assert found["ranks"].same > 20
    finally:
        for name in names:
            database.client.drop_database(name)


async def test_the_archive_command(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    mongo_uri: str,
    capsys: Any,
) -> None:
    lists = bodies(12, rows=30, every=5)
    anchor = synthetic_sec_uid(1, 7)
    await kept(async_database, *(answer(body, anchor) for body in lists))
    where = mongo_uri, database.name, capsys
    code, text, _ = await asyncio.to_thread(shown, "list", *where)
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["hour", "2026-01-01", "all"]
    code, text, _ = await asyncio.to_thread(shown, "list", *where, json=True, anchor=anchor)
    (hour,) = json.loads(text)
    assert (hour["begin_time"], hour["answers"]) == ("2026-01-01T12:00:00Z", 12)
    assert hour["bytes"] == sum(map(len, lists)) > 10 * hour["stored_bytes"]
    at = "2026-01-01T20:00:25"  # +08:00
    code, text, _ = await asyncio.to_thread(shown, "show", *where, json=True, at=at)
    one = json.loads(text)
    assert one["body"].encode() == lists[5]
    assert (one["anchor"], one["observed_at"]) == (anchor, "2026-01-01T12:00:25Z")
    code, text, error = await asyncio.to_thread(shown, "show", *where, end="2026-01-01T20:00")
    assert (code, text) == (1, "")
    assert error.startswith("scrapy archive: no such answer is archived")
    for wrong, message in (
        ({"at": "noon"}, "--at must be like"),
        ({"at": at, "end": at}, "leave out one"),
        ({"anchor": "nobody"}, "--anchor: no sec_id"),
    ):
        with pytest.raises(UsageError, match=message):
            shown("show", *where, **wrong)


async def test_what_retention_removed_is_no_difference(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake, mongo_uri: str
) -> None:
    lists = bodies(6, rows=4, every=3) + bodies(
        6, rows=4, every=3, start=NOON + dt.timedelta(days=9)
    )
    await kept(
        async_database, *(answer(body, synthetic_sec_uid(1, n)) for n, body in enumerate(lists))
    )
    names = [f"{database.name}_{n}" for n in range(2)]
    try:
        lake, again = (database.client[name] for name in names)
        for name in names:
            await replayed(database, mongo_uri, name)
        since = NOON + dt.timedelta(days=5)
        for name, dated in DATED.items():
            if name != "calls":
                lake[name].delete_many({dated: {"$lt": since}})
                keys = [(dated, -1)]
                lake[name].create_index(keys, name="expiry", expireAfterSeconds=9000 * 86_400)
        # One who was forgotten, and seen again.
        back = lake.users.find_one({})
        again.users.update_one({"_id": back["_id"]}, {"$set": {"first_observed_at": NOON}})
        now = since + dt.timedelta(days=9000)  # so that nothing expires meanwhile
        found = compare(lake, again, lambda _: None, now)
        assert all(each.is_none for each in found.values()), found
        assert found["ranks"].outdated > 4
        # What is younger than that must be there.
        lake.ranks.delete_one({"begin_time": {"$gt": since}})
        assert compare(lake, again, lambda _: None, now)["ranks"].only_replayed == 1
        assert not compare(lake, again, lambda _: None, NOON)["ranks"].is_none
    finally:
        for name in names:
            database.client.drop_database(name)


async def test_what_the_archive_no_longer_has_is_no_difference(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake, mongo_uri: str
) -> None:
    """As with RANK_ARCHIVE_DAYS, and a lake that keeps everything."""
    days = [NOON, NOON + dt.timedelta(minutes=20), NOON + dt.timedelta(days=9)]
    lists = [body for day in days for body in bodies(6, rows=4, every=3, start=day)]
    answers = [answer(body, synthetic_sec_uid(1, n % 6)) for n, body in enumerate(lists)]
    await kept(async_database, *answers)
    names = [f"{database.name}_{n}" for n in range(2)]
    try:
        lake, again = (database.client[name] for name in names)
        await replayed(database, mongo_uri, names[0])
        since = answers[6].observed_at
        database.archive.delete_many({"observed_at": {"$lt": since}})
        outcome = await replayed(database, mongo_uri, names[1])
        assert outcome.first_observed_at == since
        assert not compare(lake, again, lambda _: None)["rank_history"].is_none
        found = compare(lake, again, lambda _: None, archived_since=since)
        assert all(each.is_none for each in found.values()), found
        assert found["rank_history"].outdated > 0
        # What the lake saw since then must be there, as it was seen last.
        one = again.ranks.find_one_and_delete({"begin_time": NOON, "observed_at": {"$gte": since}})
        again.ranks.update_one({"begin_time": {"$gt": NOON}}, {"$inc": {"score": 1}})
        found = compare(lake, again, lambda _: None, archived_since=since)
        assert found["ranks"].only_in_lake_ids == [one["_id"]]
        assert found["ranks"].different == 1
    finally:
        for name in names:
            database.client.drop_database(name)


async def test_pages_of_one_moment_lose_nothing(
    async_database: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be cut anywhere, within what came at one moment too."""
    monkeypatch.setattr(reading, "_PAGE", 2)
    monkeypatch.setattr(ArchiveReader, "_archived", lambda _, document: document["_id"])
    moments = [0, 1, 1, 1, 1, 1, 2, 3, 3]
    start = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    for number, second in enumerate(moments):
        observed_at = start + dt.timedelta(seconds=second)
        await async_database.archive.insert_one({"_id": str(number), "observed_at": observed_at})
    read: list[Any] = [*ArchiveReader(database).answers(AnswerFilter())]
    assert sorted(read) == [str(number) for number in range(len(moments))]
    assert [moments[int(id_)] for id_ in read] == moments
    later = AnswerFilter(start=start + dt.timedelta(seconds=1))
    assert len([*ArchiveReader(database).answers(later)]) == len(moments) - 1
