"""A lake of which a collection is a view, or of another kind that holds no records."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.checkup import mongo
from rankspider.lake.kinds import CollectionInTheWay
from rankspider.lake.opening import open_lake
from rankspider.lake.store import Store
from tests.support.findings import NO_SECRETS, bad, by_name
from tests.support.mongo_proxy import Fault, MongoProxy, write_errors

Database = AsyncDatabase[dict[str, Any]]
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "view": ({"viewOn": "others", "pipeline": []}, "users is a view"),
    "time series": ({"timeseries": {"timeField": "at"}}, "users is a time-series collection"),
    "capped": ({"capped": True, "size": 100_000}, "users is capped"),
    "collation": ({"collation": {"locale": "en", "strength": 2}}, "users compares ids by"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_told_by_worker_and_doctor(
    mongo_uri: str, database_name: str, async_database: Database, kind: str
) -> None:
    options, why = KINDS[kind]
    await async_database.command({"create": "users", **options})
    store = Store(mongo_uri, database_name, {})
    with pytest.raises(CollectionInTheWay, match=f"{why}.* Drop or rename it and start again"):
        await store.open()
    await store.close()
    assert await async_database.list_collection_names() in (["users"], ["users", "system.views"])
    findings = await asyncio.to_thread(
        lambda: [*mongo.look_at(mongo_uri, database_name, None, NO_SECRETS)]
    )
    assert bad(findings)["MongoDB lake"] == "FAILED 1"
    assert why in by_name(findings)["MongoDB lake"].what


async def test_doctor_tries_each_collection_and_changes_nothing(
    mongo_uri: str, database_name: str, async_database: Database
) -> None:
    await open_lake(async_database, {})
    before = await async_database.command("dbStats")
    async with MongoProxy(mongo_uri) as proxy:
        fault = proxy.add(Fault(write_errors(13), ("update",), collection="calls"))

        def lake() -> Any:
            findings = [*mongo.look_at(proxy.uri, database_name, None, NO_SECRETS)]
            return by_name(findings)["MongoDB lake"]

        refused = await asyncio.to_thread(lake)
        proxy.remove(fault)
        sound = await asyncio.to_thread(lake)
    assert refused.exit_code == 3
    assert "role readWrite" in refused.remedy
    assert sound.exit_code == 0
    after = await async_database.command("dbStats")
    assert (after["objects"], after["indexes"]) == (before["objects"], before["indexes"])
