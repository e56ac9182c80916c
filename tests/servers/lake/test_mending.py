"""What a worker that was cut off leaves half stored, and how the next makes it whole."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.connections.mongo import connect
from rankspider.items import Item
from rankspider.lake.documents import steps_of, writes_of
from rankspider.lake.repair import repair_lake
from rankspider.lake.writer import Writer
from tests.support.lake_records import COLLECTIONS, at, items, lake_after, standing, state, user

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
    count = await repair_lake(database, writer)
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


async def test_no_sighting_is_of_a_state_that_was_cut_off(async_database: Database) -> None:
    """The state itself says when it was seen."""
    await store(async_database, standing(1, 1, 10, 0))
    await store(async_database, state([1, 2], 0))
    await store(async_database, state([2, 1], 5), is_cut_off=True)
    assert await mend(async_database) == 0
    moments = [each["observed_at"] async for each in async_database.sightings.find()]
    assert moments == [at(0)]
    firsts = [each["first_observed_at"] async for each in async_database.snapshots.find()]
    assert sorted(firsts) == [at(0), at(5)]


async def test_an_empty_lake_is_whole(async_database: Database) -> None:
    await store(async_database, user(1, "A", 0), is_cut_off=True)  # of no hour that is known
    assert await mend(async_database) == 0
