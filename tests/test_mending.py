"""What a worker that was cut off leaves half stored, and how the next makes it whole."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis

from rankspider.connections.mongo import connect
from rankspider.items import Item
from rankspider.lake.documents import steps_of, writes_of
from rankspider.lake.repair import make_whole
from rankspider.lake.writer import Writer
from tests.conftest import Simulator, crawl
from tests.test_crawl import endpoint, left_over, sec_uids
from tests.test_lake import COLLECTIONS, at, items, lake_after, standing, state, user
from tests.test_stopping import start_worker, wait_until

Database = AsyncDatabase[dict[str, Any]]


async def store(database: Database, item: Item, *, is_cut_off: bool = False) -> None:
    writer = Writer(database, gather_seconds=0)
    first, then = steps_of(writes_of(item))
    await writer.write(*first)
    if not is_cut_off:
        await writer.write(*then)
    await writer.close()


async def mend(database: Database) -> int:
    writer = Writer(database, gather_seconds=0)
    count = await make_whole(database, writer)
    await writer.close()
    return count


async def content_of(database: Database) -> dict[str, list[Any]]:
    return {
        name: [document async for document in database[name].find().sort("_id")]
        for name in COLLECTIONS
    }


observations = st.lists(st.tuples(items, st.booleans()), min_size=1, max_size=10)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(observed=observations)
def test_what_was_cut_off_is_as_if_it_had_not_been(
    mongo_uri: str, database_name: str, observed: list[tuple[Item, bool]]
) -> None:
    # The hours are told by the standings' history.
    observed = [(standing(3, 1, 10, 0), True), *observed]

    async def compare() -> None:
        client = connect(mongo_uri)
        database = client[database_name]
        whole = await lake_after(database, [[item for item, _ in observed]])
        for name in COLLECTIONS:
            await database[name].delete_many({})
        for item, is_cut_off in observed:
            await store(database, item, is_cut_off=is_cut_off)
        await mend(database)
        assert await content_of(database) == whole
        assert await mend(database) == 0
        await client.close()

    asyncio.run(compare())


async def test_a_state_of_the_list_is_never_there_unseen(async_database: Database) -> None:
    await store(async_database, standing(1, 1, 10, 0))
    await store(async_database, state([1, 2], 0))
    await store(async_database, state([2, 1], 5), is_cut_off=True)
    assert await mend(async_database) == 0
    moments = [each["observed_at"] async for each in async_database.sightings.find()]
    assert sorted(moments) == [at(0), at(5)]


async def test_an_empty_lake_is_whole(async_database: Database) -> None:
    await store(async_database, user(1, "A", 0), is_cut_off=True)  # of no hour that is known
    assert await mend(async_database) == 0


def test_a_worker_killed_between_history_and_the_rest(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "40", "--start", "2026-01-05T10:10:00Z")
    environment = {**endpoint(environment, simulator), "RANK_LEASE_SECONDS": "1"}
    redis_client.rpush(queue_key, *sec_uids(40))
    worker = start_worker(environment)

    def is_half_stored() -> bool:
        history, now = database.rank_history, database.ranks
        return bool(history.count_documents({}) > now.count_documents({}))

    wait_until(is_half_stored)
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert left_over(redis_client, queue_key) == []
    assert "documents brought up to their history" in ended.log
    assert_follows_from_history(database)


def assert_follows_from_history(database: Any) -> None:
    for now, history, keys in (
        (database.ranks, database.rank_history, ("begin_time", "list", "user_id")),
        (database.users, database.user_history, ("user_id",)),
    ):
        said: dict[str, list[Any]] = {}
        for document in history.find():
            said.setdefault(str([document[key] for key in keys]), []).append(document)
        stored = {
            str([document.get(key, document["_id"]) for key in keys]): document
            for document in now.find()
        }
        assert stored.keys() == said.keys()
        for key, document in stored.items():
            first = min(each["first_observed_at"] for each in said[key])
            assert document["first_observed_at"] == first, key
            assert document["revision"] >= max(each["revision"] for each in said[key])
            if "peak_score" in document:
                assert document["peak_score"] == max(each["score"] for each in said[key])
                ranks = [each["rank"] for each in said[key] if each["rank"]]
                assert document["best_rank"] == min(ranks, default=0)
