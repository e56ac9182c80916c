"""What a worker does to a lake it opens: validators, the version, retention; and older lakes."""

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError
from pymongo.monitoring import CommandListener, CommandStartedEvent
from scrapy.settings import Settings
from scrapy.statscollectors import MemoryStatsCollector
from scrapy.utils.project import get_project_settings
from scrapy.utils.test import get_crawler

from rankspider.lake import retention
from rankspider.lake.call import Call, document_of
from rankspider.lake.collections import DATED
from rankspider.lake.opening import open_lake
from rankspider.lake.retention import RetentionRefused, ensure_retention
from rankspider.lake.store import Store
from rankspider.lake.validators import SCHEMAS, ensure_collections
from rankspider.lake.version import VERSION, LakeTooNew, claim
from rankspider.pipelines.store import StorePipeline
from tests.support.first_release import later_answer, old_lake
from tests.support.lake_records import standing, state, user, written
from tests.support.sample_answer import passed, records, sample

Database = AsyncDatabase[dict[str, Any]]
UNAUTHORIZED = OperationFailure("not authorized on db to execute command", 13)


CALL = Call(
    anchor="MS4wLjABAAAA",
    asked_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    milliseconds=120,
    purpose="queue",
    outcome="network",
    worker="host:1",
)


async def validators(database: Database) -> dict[str, Any]:
    return {
        each["name"]: each["options"]["validator"]["$jsonSchema"]
        async for each in await database.list_collections()
        if "validator" in each["options"]
    }


async def version_of(database: Database) -> Any:
    document = await database.meta.find_one({"_id": "schema"})
    return document and document["version"]


async def test_a_new_lake_has_validators_and_takes_what_a_worker_writes(
    async_database: Database,
) -> None:
    await open_lake(async_database, {})
    assert await validators(async_database) == SCHEMAS
    assert await version_of(async_database) == VERSION
    answer = sample()
    del answer["data"]["ranks"][1]["user"]["own_room"]
    answer["data"]["anchor_info"]["score"] = -1
    await written(async_database, *passed(records(answer))[0])
    await async_database.calls.insert_one(document_of(CALL))
    for name in SCHEMAS.keys() - {"watched"}:  # which people write
        assert await async_database[name].count_documents({}) > 0, name


async def test_an_overlong_document_satisfies_them(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankspider.lake.bulk.ROOM_BYTES", 1000)
    monkeypatch.setattr("rankspider.lake.overlong.ROOM_BYTES", 1000)
    await open_lake(async_database, {})
    long = "长" * 1000
    profile, row, listed = user(1, long, 1), standing(1, 1, 1, 1), state([*range(1000)], 1)
    profile.signature = profile.avatar_uri = profile.display_id = long
    profile.profile = {"a": long}
    row.gap_description, row.shop_tags, row.room_ids = long, [long], [long]
    row.flags = ["delta"] * 1000
    listed.flags = ["delta-time"] * 1000
    await written(async_database, profile, row, listed)
    for name in ("ranks", "rank_history", "users", "user_history", "snapshots"):
        stored = await async_database[name].find_one({"overlong": {"$exists": True}})
        assert stored is not None, name


@pytest.mark.parametrize(
    ("collection", "change"),
    [
        ("ranks", {"score": "49232"}),
        ("ranks", {"rank": -1}),
        ("ranks", {"list": {"title": "全站"}}),
        ("rank_history", {"first_observed_at": 1}),
        ("users", {"sec_uid": None}),
        ("snapshots", {"scores": ["1"]}),
        ("rejected", {"kind": "other"}),
        ("ranks", {"flags": "delta"}),
        ("sightings", {"last_observed_at": None}),
        ("calls", {"asked_at": None}),
        ("calls", {"milliseconds": -1}),
        ("calls", {"outcome": None}),
    ],
)
async def test_what_others_rely_on_is_insisted_on(
    async_database: Database, collection: str, change: dict[str, Any]
) -> None:
    await open_lake(async_database, {})
    answer = sample()
    answer["data"]["anchor_info"]["score"] = -1
    await written(async_database, *passed(records(answer))[0])
    await async_database.calls.insert_one(document_of(CALL))
    with pytest.raises(WriteError) as caught:
        await async_database[collection].update_one({}, {"$set": change})
    assert caught.value.code == 121
    await async_database[collection].update_one({}, {"$set": {"a_field_of_mine": 1}})


def settings_for(mongo_uri: str, database_name: str, **more: str) -> Settings:
    settings = get_project_settings()
    for name, value in {"MONGO_URI": mongo_uri, "MONGO_DATABASE": database_name, **more}.items():
        settings.set(name, value)
    return settings


async def test_what_a_validator_refuses_is_quarantined(
    async_database: Database,
    mongo_uri: str,
    database_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stats = MemoryStatsCollector(get_crawler())
    worker: Any = SimpleNamespace(is_open=True, store=Store(mongo_uri, database_name, {}))
    pipeline = StorePipeline(worker, stats)
    await worker.store.open()
    # Past the checks, by some bug.
    items = [standing(1, 1, 5, 1), standing(2, -2, 4, 1), standing(3, -3, 3, 1)]
    await asyncio.gather(*(pipeline.process_item(item) for item in items))
    await pipeline.close_spider()
    await worker.store.close()
    assert await async_database.ranks.distinct("user_id") == ["1"]
    refused, _ = await async_database.rejected.find().sort("payload").to_list()
    assert (refused["kind"], refused["reason"]) == ("rows", "MongoDB refused it")
    assert refused["detail"].startswith("MongoDB refused rank")  # ranks or rank_history
    assert json.loads(refused["payload"])["user_id"] == "2"
    assert (stats.get_value("rank/rows/stored"), stats.get_value("rank/rows/rejected")) == (1, 2)
    (line,) = [record for record in caplog.records if "rejected" in record.getMessage()]
    assert line.levelname == "WARNING"
    said = "A row was rejected: MongoDB refused it (MongoDB refused rank"
    assert line.getMessage().startswith(said)


async def test_collections_that_are_there_get_validators(async_database: Database) -> None:
    await async_database.ranks.insert_one({"_id": "1", "score": "of an older time"})
    await open_lake(async_database, {})
    assert await validators(async_database) == SCHEMAS
    # What was there before may stay and be written to; nothing of its kind is added.
    await async_database.ranks.update_one({"_id": "1"}, {"$set": {"seen": True}})
    with pytest.raises(WriteError):
        await async_database.ranks.insert_one({"_id": "2", "score": "of an older time"})


async def test_collections_that_another_worker_has_just_made_get_validators(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await async_database.create_collection("ranks")  # by one of the first release

    async def seen_before(self: Any) -> Any:
        return self["no_collection"].find()

    with monkeypatch.context() as late:
        late.setattr(AsyncDatabase, "list_collections", seen_before)
        await ensure_collections(async_database)
    assert await validators(async_database) == SCHEMAS


class Heard(CommandListener):
    """The names of the commands that were sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


async def test_what_is_as_it_should_be_is_left_alone(mongo_uri: str, database_name: str) -> None:
    heard = Heard()
    client = AsyncMongoClient[dict[str, Any]](mongo_uri, event_listeners=[heard])
    await open_lake(client[database_name], {"snapshots": 30})
    heard.names.clear()
    await open_lake(client[database_name], {"snapshots": 30})
    await client.close()
    assert {"listCollections", "listIndexes"} <= set(heard.names)
    assert not {"create", "collMod", "dropIndexes"} & set(heard.names)


async def test_forty_workers_open_a_new_lake_at_once(async_database: Database) -> None:
    opened = (open_lake(async_database, {"rank_history": 90}) for _ in range(40))
    await asyncio.gather(*opened)
    assert await validators(async_database) == SCHEMAS
    assert await version_of(async_database) == VERSION
    assert await async_database.meta.count_documents({}) == 1
    assert (await expiry(async_database))["rank_history"] == 90 * 86400


async def test_a_newer_lake_is_refused_untouched(async_database: Database) -> None:
    await async_database.meta.insert_one({"_id": "schema", "version": VERSION + 1})
    with pytest.raises(LakeTooNew, match=f"of version {VERSION + 1}.*MONGO_DATABASE"):
        await open_lake(async_database, {"ranks": 1})
    assert await async_database.list_collection_names() == ["meta"]


async def test_two_that_claim_a_new_lake_at_once(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = AsyncCollection.update_one
    failures = [DuplicateKeyError("E11000 duplicate key error")]

    async def raced(self: Any, *args: Any, **kwargs: Any) -> Any:
        await original(self, *args, **kwargs)  # the other's
        if failures:
            raise failures.pop()

    monkeypatch.setattr(AsyncCollection, "update_one", raced)
    await claim(async_database)
    assert await version_of(async_database) == VERSION


async def test_a_version_never_goes_back(async_database: Database) -> None:
    """A newer worker may have opened the lake since it was looked at."""
    await async_database.meta.insert_one({"_id": "schema", "version": VERSION + 1})
    with pytest.raises(LakeTooNew):
        await claim(async_database)
    assert await version_of(async_database) == VERSION + 1


def refusing(command: str) -> Callable[..., Any]:
    """`AsyncDatabase.command` for a user who may not send ``command``."""
    original = AsyncDatabase.command

    async def sent(self: Any, said: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(said, dict) and command in said:
            raise UNAUTHORIZED
        return await original(self, said, *args, **kwargs)

    return sent


async def test_who_may_not_change_validators_goes_on_without(
    async_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await async_database.ranks.insert_one({"_id": "1"})
    monkeypatch.setattr(AsyncDatabase, "command", refusing("collMod"))
    await ensure_collections(async_database)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "The validator of ranks cannot be set: grant" in caplog.text
    assert set(await validators(async_database)) == set(SCHEMAS) - {"ranks"}


async def expiry(database: Database) -> dict[str, int]:
    """Seconds that documents are kept, by collection."""
    found = {}
    for name, field in DATED.items():
        index = (await database[name].index_information()).get(retention.INDEX)
        if index is not None:
            assert index["key"] == [(field, -1)]
            found[name] = index["expireAfterSeconds"]
    return found


async def test_retention_is_made_changed_and_removed(async_database: Database) -> None:
    day = 86400
    await open_lake(async_database, {})
    assert await expiry(async_database) == {}
    first = {"rank_history": 90, "users": 365, "calls": 30}
    for days in (first, {"rank_history": 30, "rejected": 1}, {}):
        await ensure_retention(async_database, days)
        seconds = {name: number * day for name, number in days.items()}
        assert await expiry(async_database) == seconds
        for name in DATED:
            indexes = (await async_database[name].index_information()).values()
            keys = [str(index["key"]) for index in indexes]
            assert len(set(keys)) == len(keys)  # MongoDB makes no second index of the same key


async def test_workers_that_are_set_otherwise_leave_one_of_both(async_database: Database) -> None:
    """The index may appear between a worker's look and its own."""
    both = (ensure_retention(async_database, {"ranks": 1 + n % 2}) for n in range(10))
    await asyncio.gather(*both)
    assert (await expiry(async_database))["ranks"] in (86400, 2 * 86400)


async def test_who_may_not_change_retention_is_told(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ensure_retention(async_database, {"ranks": 1})
    monkeypatch.setattr(AsyncDatabase, "command", refusing("collMod"))
    with pytest.raises(RetentionRefused, match="RANK_RETENTION cannot be carried out for ranks"):
        await ensure_retention(async_database, {"ranks": 2})


MINUTE_11 = dt.datetime(2030, 1, 1, 0, 11, tzinfo=dt.UTC)


async def test_an_older_lake_is_continued_in_place(async_database: Database) -> None:
    lake = old_lake()
    for name, documents in lake.items():
        await async_database[name].insert_many(documents)
    await open_lake(async_database, {})
    for name, documents in lake.items():
        assert await async_database[name].find().sort("_id").to_list() == documents
    answer = later_answer(30)
    items, _ = passed(records(answer))
    await written(async_database, *items)
    # Standings in a room, and states, are named otherwise than they were.
    anew = {"rank_history": 3, "snapshots": 1}
    for name, documents in lake.items():
        ids = {each["_id"] async for each in async_database[name].find(None, ["_id"])}
        old = {document["_id"] for document in documents}
        assert ids >= old, name
        assert len(ids - old) == anew.get(name, 0), name
    observed = MINUTE_11 + dt.timedelta(seconds=30)
    async for rank in async_database.ranks.find():
        assert rank["observed_at"] == observed
        assert rank["first_observed_at"] == MINUTE_11 - dt.timedelta(minutes=1)
        assert rank["flags"] == []
    assert await async_database.user_history.count_documents({"last_observed_at": observed}) == 4


async def test_a_lake_of_version_1_is_continued_in_place(async_database: Database) -> None:
    """Its sightings are of one moment each."""
    await ensure_collections(async_database)
    for name in ("calls", "sightings"):
        await async_database.drop_collection(name)
    hour = {name: old_lake()["ranks"][0][name] for name in ("list", "begin_time")}
    sighting = {"_id": "a/001893456660000-b", "state": "a/b", "observed_at": MINUTE_11, **hour}
    await async_database.sightings.insert_one({**sighting, "revision": "001893456660000-b"})
    await async_database.meta.insert_one({"_id": "schema", "version": 1})
    await open_lake(async_database, {})
    assert await async_database.sightings.find({}, {"revision": 0}).to_list() == [sighting]
    assert await version_of(async_database) == VERSION
    assert await validators(async_database) == SCHEMAS
    until = {"last_observed_at": MINUTE_11 + dt.timedelta(seconds=3)}
    await async_database.sightings.update_one({}, {"$set": until})
    await async_database.sightings.insert_one({**sighting, "_id": "c", "revision": "d"})
