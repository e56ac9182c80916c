"""What is known to be in the lake: saved work changes nothing of what the lake says in the end."""

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.anchors.keys import Keys
from rankspider.items import Item
from rankspider.lake.client import connect
from rankspider.lake.collections import identity_of
from rankspider.lake.documents import steps_of, writes_of
from rankspider.lake.pending import WriteRefused
from rankspider.lake.writer import Writer
from rankspider.memory.fleet import FleetMemory
from rankspider.memory.local import Bringing, Known, Mark, Record, mark_of
from rankspider.memory.widening import Leaving, Widening, catch_up
from tests.conftest import Simulator, crawl
from tests.test_crawl import endpoint, sec_uids
from tests.test_lake import COLLECTIONS, at, items, lake_after, standing, user

Database = AsyncDatabase[dict[str, Any]]


def milliseconds(item: Item) -> int:
    return round(item.observed_at.timestamp() * 1000)


class Worker:
    """Looks before it writes, as the pipelines do."""

    def __init__(self, database: Database, lag_seconds: float) -> None:
        self.known = Known(lag_seconds)
        self._writer = Writer(database, gather_seconds=0.001)
        self._widening = Widening(self.known, self._writer, lambda record: None)

    async def see(self, item: Item) -> None:
        if self.known.covering(mark_of(item), milliseconds(item)) is not None:
            return
        record = self.known.bring(item, milliseconds(item), Bringing())
        await catch_up(self.known, self._writer, record)
        leaving = Leaving(self.known, record)
        first, then = steps_of(writes_of(item))
        await self._writer.write(*first, then=then, renewed=leaving.renewed)
        leaving.arrived()
        self.known.stored(record)

    async def close(self) -> None:
        await self._widening.close()
        await self._writer.close()


def one_a_moment(observed: list[Item]) -> list[Item]:
    """An endpoint with one clock does not say two things of one place at one moment."""
    said = {(mark_of(item).place, item.observed_at): item for item in observed}
    return list(said.values())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), observed=st.lists(items, min_size=1, max_size=10).map(one_a_moment))
def test_what_a_worker_skips_is_in_the_lake_when_it_ends(
    mongo_uri: str, database_name: str, data: st.DataObject, observed: list[Item]
) -> None:
    seen = data.draw(st.permutations(observed + observed[:3]))
    lag_seconds = data.draw(st.sampled_from([0, 2, 3600]))
    at_once = data.draw(st.integers(1, len(seen)))

    async def compare() -> None:
        client = connect(mongo_uri)
        database = client[database_name]
        every_one_written = await lake_after(database, [observed])
        for name in COLLECTIONS:
            await database[name].delete_many({})
        worker = Worker(database, lag_seconds)
        for start in range(0, len(seen), at_once):
            await asyncio.gather(*map(worker.see, seen[start : start + at_once]))
        await worker.close()
        for name in COLLECTIONS:
            stored = [document async for document in database[name].find().sort("_id")]
            assert without_mirrors(stored) == without_mirrors(every_one_written[name]), name
        await client.close()

    asyncio.run(compare())


def without_mirrors(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "profile": None, "delta_time": None} for each in documents]


async def brought(known: Known, item: Item) -> Record:
    record = known.bring(item, milliseconds(item), Bringing())
    known.stored(record)
    return record


def covers(known: Known, item: Item) -> bool:
    return known.covering(mark_of(item), milliseconds(item)) is not None


async def test_an_older_answer_that_comes_late_is_known_too() -> None:
    known = Known(60)
    record = await brought(known, standing(1, 1, 100, 30))
    assert covers(known, standing(1, 1, 100, 20))
    assert covers(known, standing(1, 1, 100, 50))
    assert (record.early, record.seen) == (milliseconds_at(20), milliseconds_at(50))
    assert known.lagging() == [record]


def milliseconds_at(second: int) -> int:
    return round(at(second).timestamp() * 1000)


async def test_what_was_seen_later_stands_though_it_was_not_written(
    async_database: Database,
) -> None:
    seen = [user(1, "A", 1), user(1, "A", 5), user(1, "B", 3)]
    every_one_written = await lake_after(async_database, [seen])
    for name in COLLECTIONS:
        await async_database[name].delete_many({})
    worker = Worker(async_database, 3600)
    for item in seen:
        await worker.see(item)
    (before_the_end,) = [each async for each in async_database.users.find()]
    await worker.close()
    (stored,) = [each async for each in async_database.users.find()]
    assert before_the_end == stored
    assert without_mirrors([stored]) == without_mirrors(every_one_written["users"])


async def test_what_another_worker_wrote_is_not_passed_off_as_seen_again(
    async_database: Database,
) -> None:
    one, other = Worker(async_database, 3600), Worker(async_database, 3600)
    await one.see(user(1, "A", 1))
    await other.see(user(1, "B", 3))
    await one.see(user(1, "A", 5))
    await one.close()
    await other.close()
    (stored,) = [each async for each in async_database.users.find()]
    assert (stored["nickname"], stored["observed_at"]) == ("B", at(3))


async def test_what_was_superseded_is_written_when_it_comes_back() -> None:
    known = Known(3600)
    first = await brought(known, user(1, "A", 10))
    assert covers(known, user(1, "A", 20))
    await brought(known, user(1, "B", 30))
    assert not covers(known, user(1, "A", 40))
    assert covers(known, user(1, "A", 25))
    assert known.take_left(10) == [first]


async def test_what_is_seen_until_a_write_leaves_goes_with_it(async_database: Database) -> None:
    worker = Worker(async_database, 3600)
    first = asyncio.create_task(worker.see(user(1, "A", 10)))
    await asyncio.sleep(0)
    await worker.see(user(1, "A", 20))
    await worker.see(user(1, "A", 5))
    await first
    (stored,) = [each async for each in async_database.user_history.find()]
    assert (stored["first_observed_at"], stored["last_observed_at"]) == (at(5), at(20))
    assert worker.known.lagging() == []
    await worker.close()


async def test_what_is_seen_after_the_history_left_is_widened_later() -> None:
    known, item = Known(3600), user(1, "A", 10)
    record = known.bring(item, milliseconds(item), Bringing())
    leaving, (newest, history) = Leaving(known, record), writes_of(item)
    assert covers(known, user(1, "A", 20))
    assert leaving.renewed(history).most["last_observed_at"] == at(20)
    assert covers(known, user(1, "A", 5))
    assert covers(known, user(1, "A", 30))
    write = leaving.renewed(newest)
    assert write.content is not None
    assert (write.content["observed_at"], write.least["first_observed_at"]) == (at(20), at(10))
    leaving.arrived()
    known.stored(record)
    assert (record.first, record.last) == (milliseconds_at(10), milliseconds_at(20))
    assert known.lagging() == [record]


async def test_what_is_superseded_before_it_leaves_does_not_pass_for_the_newest(
    async_database: Database,
) -> None:
    worker = Worker(async_database, 3600)
    seen = [user(1, "A", 10), user(1, "A", 20), user(1, "B", 30)]
    await asyncio.gather(*map(worker.see, seen))
    (newest,) = [each async for each in async_database.users.find()]
    assert (newest["nickname"], newest["observed_at"]) == ("B", at(30))
    histories = [each async for each in async_database.user_history.find()]
    lasts = {each["nickname"]: each["last_observed_at"] for each in histories}
    assert lasts == {"A": at(20), "B": at(30)}
    assert not worker.known.left or not worker.known.take_left(10)
    await worker.close()


async def test_what_is_new_does_not_wait_behind_what_is_widened(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankspider.lake.writer.MOST_TOGETHER", 5)
    writer = Writer(async_database)
    old = [user(number, "A", 10) for number in range(50)]
    await asyncio.gather(*(writer.write(*writes_of(item)) for item in old))
    ended: list[str] = []

    async def note(what: str, writing: Awaitable[None]) -> None:
        await writing
        ended.append(what)

    again = [write for item in old for write in writes_of(item)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(note("widened", writer.write(*again, patient=True)))
        await asyncio.sleep(0.03)
        tasks.create_task(note("new", writer.write(*writes_of(user(99, "A", 10)))))
    assert ended == ["new", "widened"]


async def test_what_is_widened_does_not_wait_for_ever_behind_what_is_new(
    async_database: Database,
) -> None:
    writer = Writer(async_database, gather_seconds=0.5)  # longer than any batch takes
    await writer.write(*writes_of(user(1, "A", 10)))
    widened = asyncio.create_task(writer.write(*writes_of(user(1, "A", 20)), patient=True))
    for number in range(2, 200):
        if widened.done():
            break
        news = asyncio.create_task(writer.write(*writes_of(user(number, "A", 10))))
        await asyncio.sleep(0.05)
    assert widened.done()
    await news
    await writer.close()


async def test_one_record_that_cannot_be_widened_does_not_end_the_widening(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankspider.memory.widening._LOOK_SECONDS", 0.05)
    calls = 0

    async def refuse_first(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise WriteRefused("not this one")

    worker = Worker(async_database, 3600)
    await worker.see(user(1, "A", 10))
    await worker.see(user(1, "A", 20))
    monkeypatch.setattr(worker._writer, "write", refuse_first)
    await asyncio.sleep(0.5)
    assert calls > 1
    assert worker.known.lagging() == []
    await worker.close()


async def test_a_failure_of_the_widening_is_said_and_the_end_writes_all_the_same(
    async_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rankspider.memory.widening._LOOK_SECONDS", 0.05)

    monkeypatch.setattr("rankspider.memory.local._MOST_RECORDS", 1)
    worker = Worker(async_database, 3600)
    write = worker._writer.write

    async def fail(*writes: Any, patient: bool = False, **options: Any) -> None:
        if patient:
            raise RuntimeError("nobody foresaw this")
        await write(*writes, **options)

    with monkeypatch.context() as failing:
        failing.setattr(worker._writer, "write", fail)
        for nickname, second in [("A", 10), ("A", 20), ("B", 30)]:
            await worker.see(user(1, nickname, second))
        await asyncio.sleep(0.5)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert "nobody foresaw this" in caplog.text
    await worker.close()
    former = await async_database.user_history.find_one({"nickname": "A"})
    assert former is not None
    assert former["last_observed_at"] == at(20)


async def test_beyond_the_lag_it_is_written_again() -> None:
    known = Known(60)
    await brought(known, user(1, "A", 0))
    assert covers(known, user(1, "A", 60))
    assert not covers(known, user(1, "A", 61))


async def test_a_failed_write_is_forgotten_and_said() -> None:
    known, bringing = Known(60), Bringing()
    record = known.bring(user(1, "A", 0), milliseconds_at(0), bringing)
    known.forget(record, OSError("away"))
    assert not covers(known, user(1, "A", 1))
    with pytest.raises(OSError, match="away"):
        await bringing.done


async def test_memory_is_bounded_and_loses_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankspider.memory.local._MOST_RECORDS", 10)
    known = Known(60)
    first = await brought(known, user(1, "A", 0))
    assert covers(known, user(1, "A", 5))
    for number in range(2, 30):
        await brought(known, user(number, "A", 6))
    assert not covers(known, user(1, "A", 7))
    assert first in known.take_left(100)


async def test_one_answer_at_a_time_brings_a_new_list() -> None:
    known = Known(60)
    first, second = (known.turn_of("list", "frame", b"[]") for _ in range(2))
    assert await known.turn_of("list", "frame", b"[{}]").is_first()
    assert await first.is_first()
    waiting = asyncio.create_task(second.is_first())
    await asyncio.sleep(0)
    assert not waiting.done()
    first.over()
    assert not await waiting
    assert await known.turn_of("list", "frame", b"[]").is_first()


FINGERPRINT = bytes(range(16))
OTHER = bytes(16)
DIGEST = "0f" * 16


def mark(name: str, fingerprint: bytes = FINGERPRINT) -> Mark:
    return Mark(("UserItem", name), fingerprint)


async def test_the_fleet_tells_what_any_worker_stored(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    keys = Keys.of(queue_key)
    one = FleetMemory(async_redis, keys, "lake")
    now = milliseconds_at(0)
    one.tell(mark("1"), DIGEST, now - 5, now)
    await one.close()
    other = FleetMemory(async_redis, keys, "lake")
    same, changed, unknown = await other.look_up([mark("1"), mark("1", OTHER), mark("2")], now)
    assert same is not None
    assert changed is not None
    assert (same.says_the_same, same.digest, same.first, same.last) == (True, DIGEST, now - 5, now)
    assert (changed.says_the_same, unknown) == (False, None)
    assert await other.look_up([mark("1")], now + 3_600_000) == [None]
    elsewhere = FleetMemory(async_redis, keys, "another lake")
    assert await elsewhere.look_up([mark("1")], now) == [None]
    names = await async_redis.keys(f"{keys.memory}:*")
    assert len(names) == 1
    # Forgotten with the hour.
    assert 0 < await async_redis.ttl(names[0]) <= 7200


async def test_many_questions_are_one_round_trip(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    fleet, now = FleetMemory(async_redis, Keys.of(queue_key), "lake"), milliseconds_at(0)
    before = (await async_redis.info("commandstats")).get("cmdstat_hmget", {"calls": 0})["calls"]
    await asyncio.gather(*(fleet.look_up([mark(str(n)), mark("x")], now) for n in range(50)))
    after = (await async_redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    assert after - before == 1


async def test_a_lake_has_one_identity_until_it_is_dropped(async_database: Database) -> None:
    identities = await asyncio.gather(*(identity_of(async_database) for _ in range(5)))
    assert len(set(identities)) == 1
    await async_database.client.drop_database(async_database.name)
    assert await identity_of(async_database) != identities[0]


def test_a_fresh_worker_writes_nothing_that_the_lake_holds_and_ends_exact(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
) -> None:
    record = tmp_path / "record.jsonl"
    simulator = simulate(
        *("--rows", "5", "--anchors", "100", "--change-every", "1000"),
        *("--start", "2026-03-01T10:05:00", "--record", str(record)),
    )
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(60))
    assert crawl(environment).returncode == 0
    counts = {name: database[name].count_documents({}) for name in COLLECTIONS}
    redis_client.rpush(queue_key, *sec_uids(60))
    again = crawl(environment)
    assert again.returncode == 0, again.log
    for kind in ("rows", "users", "lists"):
        assert f"rank/{kind}/stored" not in again.stats, kind
        # Anchors that stand in the list say so twice.
        repeated = again.stats.get(f"rank/{kind}/duplicate", 0)
        assert repeated == (5 if kind == "rows" else 0)
        unchanged = again.stats[f"rank/{kind}/unchanged"]
        assert unchanged == again.stats[f"rank/{kind}/read"] - repeated, kind
    assert {name: database[name].count_documents({}) for name in COLLECTIONS} == counts

    served = [json.loads(line) for line in record.read_text().splitlines()]
    newest = max(line["now"] for line in served)
    oldest = min(line["now"] for line in served)
    (state,) = database.snapshots.find()
    assert (state["first_observed_at"], state["last_observed_at"]) == (
        moment(oldest),
        moment(newest),
    )
    for name in ("rank_history", "user_history"):
        listed = list(database[name].find({"user_id": {"$in": state["user_ids"]}}))
        assert len(listed) == 5
        assert {each["last_observed_at"] for each in listed} == {moment(newest)}
    own = [line for line in served if line.get("anchor_info") and line["asked"]]
    asked: dict[str, int] = {}
    for line in own:
        user_id = line["anchor_info"][0]
        asked[user_id] = max(asked.get(user_id, 0), line["now"])
    for user_id, now in asked.items():
        if user_id not in state["user_ids"]:
            (only,) = database.rank_history.find({"user_id": user_id})
            assert only["last_observed_at"] == moment(now)
            assert database.ranks.find_one({"user_id": user_id})["observed_at"] == moment(now)


def moment(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def test_a_standing_may_be_copied_with_another_time() -> None:
    one = standing(1, 1, 100, 1)
    assert replace(one, observed_at=at(2)).digest == one.digest
