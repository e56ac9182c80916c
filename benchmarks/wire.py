"""What the MongoDB server takes with no crawler beside it: the same documents, in bulks, again."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient, ReplaceOne, WriteConcern
from pymongo.asynchronous.mongo_client import AsyncMongoClient

from benchmarks.stage import Stage
from rankspider.lake import collections
from rankspider.lake.indexes import ensure_indexes

_BULK = 500
Writes = list["ReplaceOne[dict[str, Any]]"]


@dataclass(frozen=True)
class WireRate:
    """Majority, journal; one thread a collection, as the crawler has one bulk a collection."""

    writes: int
    seconds: float
    answers: int
    """That brought these writes."""

    @property
    def answers_per_second(self) -> float:
        return self.answers / self.seconds

    @property
    def writes_per_answer(self) -> float:
        return self.writes / self.answers

    def __str__(self) -> str:
        return (
            f"the MongoDB server alone: {self.writes / self.seconds:.0f} writes/s, "
            f"enough for {self.answers_per_second:.0f} answers/s"
        )


def wire_rate(stage: Stage, place: str, answers: int) -> WireRate:
    """Write all that the lake ``place`` holds once more, into a fresh lake with its indexes.

    Each state of history goes with the document of the present it belonged to, as it did when
    it was crawled.
    """
    with stage.mongo() as client:
        writes = {name: group for name, group in _writes_of(client, place) if group}
        fresh = f"{place}-wire"
        _make_indexes(stage, fresh)
        began = time.monotonic()
        with ThreadPoolExecutor(len(writes)) as pool:
            list(pool.map(lambda name: _write(client, fresh, name, writes[name]), writes))
        seconds = time.monotonic() - began
        client.drop_database(fresh)
    return WireRate(sum(map(len, writes.values())), seconds, answers)


def _writes_of(client: "MongoClient[dict[str, Any]]", place: str) -> Iterator[tuple[str, Writes]]:
    lake = client[place]
    for history, present, parts in (
        (collections.RANK_HISTORY, collections.RANKS, 3),
        (collections.USER_HISTORY, collections.USERS, 1),
    ):
        past = list(lake[history].find().sort("first_observed_at"))
        yield history, [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in past]
        keys = [each["_id"].rsplit("/", parts)[0] for each in past]
        now = [{**each, "_id": key} for each, key in zip(past, keys, strict=True)]
        yield present, [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in now]
    states = list(lake[collections.SNAPSHOTS].find())
    name = collections.SNAPSHOTS
    yield name, [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in states]


def _make_indexes(stage: Stage, place: str) -> None:
    import asyncio

    async def make() -> None:
        async with AsyncMongoClient[dict[str, Any]](stage.mongo_uri) as client:
            await ensure_indexes(client[place])

    asyncio.run(make())


def _write(client: "MongoClient[dict[str, Any]]", place: str, name: str, writes: Writes) -> None:
    concern = WriteConcern(w="majority", j=True)
    collection = client[place].get_collection(name, write_concern=concern)
    for start in range(0, len(writes), _BULK):
        collection.bulk_write(writes[start : start + _BULK], ordered=False)
