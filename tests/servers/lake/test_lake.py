"""The lake is the same whatever the order, repetition or split of the same observations."""

import asyncio
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from rankspider.items import Item, RejectedItem
from rankspider.lake.documents import writes_of
from rankspider.lake.indexes import ensure_indexes
from rankspider.lake.opening import open_lake
from rankspider.lake.pending import WriteRefused
from rankspider.lake.writer import Writer
from tests.support.lake_records import Database, at, items, lake_after, standing, user, written


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), observed=st.lists(items, min_size=1, max_size=10))
def test_any_order_repetition_or_split_leaves_the_same_lake(
    mongo_uri: str, database_name: str, data: st.DataObject, observed: list[Item]
) -> None:
    shuffled = data.draw(st.permutations(observed + observed[:3]))
    cut = data.draw(st.integers(0, len(shuffled)))

    async def compare() -> None:
        from rankspider.connections.mongo import connect

        client = connect(mongo_uri)
        first = await lake_after(client[database_name], [observed])
        split = [shuffled[:cut], shuffled[cut:]]
        assert await lake_after(client[database_name], split) == first
        assert await lake_after(client[database_name], [shuffled], at_once=True) == first
        await client.close()

    # Two mirrors of one profile at one moment would be two answers of one millisecond, which
    # the endpoint does not give with one clock.
    asyncio.run(compare())


async def test_newest_wins_and_bests_stay(async_database: Database) -> None:
    await written(
        async_database,
        standing(1, 3, 100, 10),
        standing(1, 1, 300, 20),
        standing(1, 0, 50, 30, listed=False),
        standing(1, 2, 200, 15),
    )
    rank = await async_database.ranks.find_one({"user_id": "1"})
    assert rank is not None
    assert (rank["rank"], rank["best_rank"]) == (0, 1)
    assert (rank["score"], rank["peak_score"]) == (50, 300)
    assert (rank["first_observed_at"], rank["observed_at"]) == (at(10), at(30))
    assert await async_database.rank_history.count_documents({}) == 4


async def test_what_did_not_change_only_widens(async_database: Database) -> None:
    await written(async_database, *(standing(1, 1, 100, second) for second in (20, 10, 30)))
    await written(async_database, *(user(1, "A", second) for second in (20, 10, 30)))
    for name in ("rank_history", "user_history"):
        (only,) = [document async for document in async_database[name].find()]
        assert only["first_observed_at"] == at(10)
        assert only["last_observed_at"] == at(30)


async def test_mirrors_are_no_change(async_database: Database) -> None:
    assert user(1, "A", 1).digest == user(1, "A", 2).digest
    assert user(1, "A", 1).digest != user(1, "B", 1).digest


async def test_an_older_lake_of_nothing_listed_has_no_best_place(async_database: Database) -> None:
    await written(async_database, standing(1, 0, 0, 1, listed=False))
    rank = await async_database.ranks.find_one({"user_id": "1"})
    assert rank is not None
    assert rank["best_rank"] == 0


async def test_values_that_look_like_operators_are_text(async_database: Database) -> None:
    await written(async_database, user(1, "$nickname", 1))
    stored = await async_database.users.find_one({"_id": "1"})
    assert stored is not None
    assert stored["nickname"] == "$nickname"


async def test_one_document_that_cannot_be_held_harms_no_other(async_database: Database) -> None:
    writer = Writer(async_database)
    sound = writes_of(standing(1, 1, 100, 1))
    broken = writes_of(standing(2, 1, 1 << 80, 1))
    outcomes = await asyncio.gather(
        *(writer.write(each) for each in (*sound, *broken)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, WriteRefused)]
    assert len(refused) == 2
    assert await async_database.ranks.count_documents({}) == 1


@pytest.fixture
def nothing_seems_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is inserted, all is upserted."""
    monkeypatch.setattr("rankspider.lake.bulk._INSERTS_PAY", 2)


@pytest.mark.usefixtures("nothing_seems_new")
async def test_what_is_there_and_what_is_not_in_one_batch(async_database: Database) -> None:
    await written(async_database, *(standing(n, 2, 100, 1) for n in (1, 2)))
    writer = Writer(async_database)
    both = [standing(n, 1, 200, 2) for n in (1, 2, 3)]
    await asyncio.gather(*(writer.write(each) for item in both for each in writes_of(item)))
    ranks = [each async for each in async_database.ranks.find().sort("_id")]
    assert [each["user_id"] for each in ranks] == ["1", "2", "3"]
    assert [(each["rank"], each["best_rank"], each["score"]) for each in ranks] == [(1, 1, 200)] * 3
    assert [each["first_observed_at"] for each in ranks] == [at(1), at(1), at(2)]


@pytest.mark.usefixtures("nothing_seems_new")
async def test_one_that_mongodb_refuses_harms_no_other(async_database: Database) -> None:
    await open_lake(async_database, {})
    await written(async_database, *(standing(n, 2, 100, 1) for n in (1, 2, 3)))
    writer = Writer(async_database)
    items_ = [standing(1, 1, 200, 2), standing(2, -1, 200, 2), standing(3, 1, 200, 2)]
    writes = [next(writes_of(item)) for item in items_]
    outcomes = await asyncio.gather(*map(writer.write, writes), return_exceptions=True)
    assert [isinstance(each, WriteRefused) for each in outcomes] == [False, True, False]
    ranks = [each["rank"] async for each in async_database.ranks.find().sort("_id")]
    assert ranks == [1, 2, 1]


async def test_a_fault_of_ours_is_handed_to_whoever_waits(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(*_: object) -> None:
        raise ZeroDivisionError

    writer = Writer(async_database)
    monkeypatch.setattr(writer._bulk, "send", fault)
    with pytest.raises(ZeroDivisionError):
        await writer.write(*writes_of(standing(1, 2, 100, 1)))
    await writer.close()


async def test_a_fault_while_gathering_is_handed_to_whoever_waits(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> bool:
        raise ZeroDivisionError

    async def send(collection: str, batch: list[Any]) -> None:
        is_sending.set()
        await may_go.wait()
        await bulk_send(collection, batch)

    is_sending, may_go = asyncio.Event(), asyncio.Event()
    writer = Writer(async_database, is_all_there=fault, least_pause=lambda _: 1)
    bulk_send = writer._bulk.send
    monkeypatch.setattr(writer._bulk, "send", send)
    _, history = writes_of(standing(1, 2, 100, 1))
    first = asyncio.create_task(writer.write(history))
    await is_sending.wait()
    both = (writer.write(history), writer.write(history))
    asyncio.get_running_loop().call_later(0.05, may_go.set)
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 2
    await first
    await writer.close()


async def test_what_comes_after_another_does_not_leave_before_that_is_durable(
    async_database: Database, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(async_database, gather_seconds=0.001)
    send, there = writer._bulk.send, []

    async def count(collection: str, batch: list[Any]) -> None:
        if collection == "ranks":
            there.append(blocking.count_documents({}))
        await send(collection, batch)

    monkeypatch.setattr(writer._bulk, "send", count)
    with MongoClient[dict[str, Any]](mongo_uri) as mongo:
        blocking = mongo[async_database.name]["rank_history"]
        for n in range(1, 6):
            rank, history = writes_of(standing(n, 2, 100, 1))
            await writer.write(history, then=[rank])
    assert there == [1, 2, 3, 4, 5]
    await writer.close()


async def test_what_comes_after_a_refused_one_is_not_written(async_database: Database) -> None:
    await open_lake(async_database, {})
    writer = Writer(async_database)
    _, refused = writes_of(standing(1, -1, 100, 1))
    sound, _ = writes_of(standing(1, 1, 100, 1))
    with pytest.raises(WriteRefused):
        await writer.write(refused, then=[sound])
    assert await async_database.ranks.count_documents({}) == 0
    await writer.close()


async def test_what_joined_a_refused_one_is_stored_all_the_same(async_database: Database) -> None:
    await open_lake(async_database, {})
    writer = Writer(async_database)
    items_ = [standing(1, 2, 100, 1), standing(1, -1, 300, 3), standing(1, 3, 200, 2)]
    writes = [next(writes_of(item)) for item in items_]
    outcomes = await asyncio.gather(*map(writer.write, writes), return_exceptions=True)
    assert [isinstance(each, WriteRefused) for each in outcomes] == [False, True, False]
    (rank,) = [each async for each in async_database.ranks.find()]
    assert (rank["rank"], rank["best_rank"], rank["peak_score"]) == (3, 2, 200)


async def test_an_overlong_document_is_whole_again_from_its_file(async_database: Database) -> None:
    await ensure_indexes(async_database)
    long = "长" * (6 << 20)
    await written(async_database, user(1, long, 1))
    stored = await async_database.users.find_one({"_id": "1"})
    assert stored is not None
    assert stored["nickname"] is None
    from bson import json_util
    from gridfs.asynchronous import AsyncGridFSBucket

    bucket = AsyncGridFSBucket(async_database, bucket_name="overlong")
    stream = await bucket.open_download_stream(stored["overlong"]["file"])
    assert json_util.loads(await stream.read()) == {"nickname": long}
    assert len(bson.encode(stored)) < 1000


async def test_rejected_records_are_there_once(async_database: Database) -> None:
    items_ = [
        RejectedItem(
            "rows", "rank is below 0", f'{{"rank":-1,"url_list":["{host}"]}}', "uid", at(n)
        )
        for n, host in enumerate(("p1", "p2"))
    ]
    await written(async_database, *items_)
    (only,) = [document async for document in async_database.rejected.find()]
    assert only["reason"] == "rank is below 0"
    assert only["anchor"] == "uid"
    assert only["payload"] == items_[1].payload
