"""Indexes beside the operator's own, by the rule of mongod (a proxy's: SecantusDB takes more)."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.connections.mongo import connect
from rankspider.lake import indexes, retention
from rankspider.lake.collections import DATED, SIGHTINGS
from rankspider.lake.indexes import IndexInTheWay
from rankspider.lake.opening import open_lake
from rankspider.lake.store import Store
from rankspider.questions.people import anchors_named
from tests.support.mongo_proxy import INDEX_RULE, Fault, MongoProxy, slow

Database = AsyncDatabase[dict[str, Any]]
PLACE = [("begin_time", -1), ("rank", 1)]
DAY = 86_400


@pytest.fixture
async def proxy(mongo_uri: str) -> AsyncIterator[MongoProxy]:
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(INDEX_RULE())
        yield proxy


@pytest.fixture
async def lake(proxy: MongoProxy, database_name: str) -> AsyncIterator[Database]:
    client = connect(proxy.uri)
    yield client[database_name]
    await client.close()


async def keys(lake: Database, collection: str) -> dict[str, Any]:
    there = await lake[collection].index_information()
    return {name: index["key"] for name, index in there.items()}


async def assert_no_key_twice(lake: Database) -> None:
    for collection in await lake.list_collection_names():
        there = [str(key) for key in (await keys(lake, collection)).values()]
        assert len(set(there)) == len(there), collection


@pytest.mark.parametrize("collection", [*DATED])
async def test_each_collection_can_be_kept_for_some_days(lake: Database, collection: str) -> None:
    for days in (30, 60, None):
        await open_lake(lake, {} if days is None else {collection: days}, has_archive=True)
        await assert_no_key_twice(lake)
        expiry = (await lake[collection].index_information()).get(retention.INDEX)
        assert (expiry and expiry["expireAfterSeconds"]) == (days and days * DAY)


async def test_all_of_them_at_once(lake: Database) -> None:
    await open_lake(lake, dict.fromkeys(DATED, 30))
    await assert_no_key_twice(lake)
    assert retention.INDEX in await keys(lake, SIGHTINGS)


async def test_an_expiry_of_an_older_release_is_made_anew(async_database: Database) -> None:
    """SecantusDB took it beside the index `time`, of the same key."""
    await open_lake(async_database, {})
    await async_database.users.create_index("observed_at", name="expiry", expireAfterSeconds=DAY)
    await open_lake(async_database, {"users": 1})
    assert (await keys(async_database, "users"))["expiry"] == [("observed_at", -1)]
    await assert_no_key_twice(async_database)


@pytest.mark.parametrize(
    ("options", "mind"),
    [({}, ""), ({"unique": True}, "unique: True"), ({"expireAfterSeconds": DAY}, f": {DAY}")],
)
@pytest.mark.parametrize("name", ["begin_time_-1_rank_1", "hour_place"])
async def test_one_of_the_operators_with_our_key_serves(
    lake: Database,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    mind: str,
    name: str,
) -> None:
    await lake.ranks.create_index(PLACE, name=name, **options)
    await open_lake(lake, {})
    assert [key for key in (await keys(lake, "ranks")).values() if key == PLACE] == [PLACE]
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    warned = [each for each in said if "waiting for it" not in each]  # on a busy machine
    if name == "hour_place" and not options:
        assert warned == []
    else:
        (line,) = warned
        assert f"The index {name} of ranks" in line
        assert mind in line


async def test_one_that_leaves_documents_out_stands_beside_ours(
    lake: Database, async_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await async_database.ranks.create_index(PLACE, name="mine", sparse=True)
    await open_lake(async_database, {})
    assert {"mine", "hour_place"} <= (await keys(lake, "ranks")).keys()
    assert "The index mine of ranks is sparse" in caplog.text


@pytest.mark.parametrize(
    ("key", "options", "said"),
    [
        (PLACE, {"name": "mine", "hidden": True}, "mine there has its key, and is hidden"),
        (PLACE, {"name": "hour_place", "sparse": True}, "hour_place there .* is sparse"),
        (PLACE, {"name": "mine", "partialFilterExpression": {"rank": 1}}, r"\(85 IndexOptionsCon"),
        ([("rank", 1)], {"name": "hour_place"}, "hour_place there has the key {'rank': 1}"),
    ],
)
async def test_one_that_cannot_serve_is_named_with_what_mends_it(
    lake: Database, key: Any, options: dict[str, Any], said: str
) -> None:
    await lake.ranks.create_index(key, **options)
    with pytest.raises(IndexInTheWay, match=said) as raised:
        await open_lake(lake, {})
    assert f"db.getCollection('ranks').dropIndex('{options['name']}')" in str(raised.value)


async def test_retention_goes_the_other_way_round_an_index_of_the_operators(
    lake: Database,
) -> None:
    await lake.ranks.create_index([("begin_time", -1)])
    await open_lake(lake, {"ranks": 30})
    assert (await keys(lake, "ranks"))["expiry"] == [("begin_time", 1)]


async def test_where_both_ways_are_taken_it_is_told(lake: Database) -> None:
    for order in (1, -1):
        await lake.ranks.create_index([("begin_time", order)])
    with pytest.raises(IndexInTheWay, match=r"index expiry of ranks .* begin_time_-1 there"):
        await open_lake(lake, {"ranks": 30})


async def test_a_build_asks_a_majority_and_is_said(
    proxy: MongoProxy,
    lake: Database,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexes, "_TELL_SECONDS", 0.01)
    proxy.add(Fault(slow(0.3), ("hello",), times=1), INDEX_RULE())
    await open_lake(lake, {"ranks": 1})
    built = [each.body for each in proxy.commands if each.name == "createIndexes"]
    assert {body.get("commitQuorum") for body in built} == {"majority"}
    assert "MongoDB builds the indexes hour_place, hour_best, user_hour of ranks" in caplog.text


async def test_a_server_that_stands_alone_takes_no_quorum(
    proxy: MongoProxy, lake: Database
) -> None:
    async def alone(command: Any, _: Any, forward: Any) -> Any:
        reply = await forward(command)
        return {name: value for name, value in reply.items() if name != "setName"}

    proxy.add(Fault(alone, ("hello",)))
    await open_lake(lake, {})
    built = [each.body for each in proxy.commands if each.name == "createIndexes"]
    assert built
    assert all("commitQuorum" not in body for body in built)


async def test_a_name_is_sought_by_an_index_of_any_name(
    lake: Database, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await lake.users.create_index("nickname", name="mine")
    await open_lake(lake, {})
    assert "mine of users" in caplog.text
    assert anchors_named(database, "nobody", most=3) == []


async def test_no_time_limit_of_writes_ends_a_build(
    mongo_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect.__kwdefaults__ is not None
    monkeypatch.setitem(connect.__kwdefaults__, "answers_within", 0.3)
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(Fault(slow(0.6), ("createIndexes",), times=2))
        store = Store(proxy.uri, database_name, {})
        await store.open()
        await store.close()
        built = [each.collection for each in proxy.commands if each.name == "createIndexes"]
    assert len(built) == len(set(built)), "one was given up and sent again"
