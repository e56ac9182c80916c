"""How long each collection keeps its documents: an index by which MongoDB deletes the old ones.

https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from collections.abc import Mapping
from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from rankspider.errors import RankspiderError
from rankspider.lake.collections import DATED, SIGHTINGS, SNAPSHOTS

INDEX = "expiry"

_DAY_SECONDS = 86_400
_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND = 26, 27
_INDEX_DIFFERS = (85, 86)
_UNAUTHORIZED = 13


class RetentionRefused(RankspiderError):
    """The user in MONGO_URI may not change how long a collection is kept."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"RANK_RETENTION cannot be carried out for {collection}: grant the user in MONGO_URI "
            "the role dbAdmin on the database, or leave RANK_RETENTION as the last worker had it"
        )


async def ensure_retention(
    database: AsyncDatabase[dict[str, Any]], days: Mapping[str, int]
) -> None:
    """Make each collection keep its documents for ``days``, and those not named for ever.

    The sightings of a list's states are kept as long as the states. Raises `RetentionRefused`.
    """
    if SNAPSHOTS in days:
        days = {**days, SIGHTINGS: days[SNAPSHOTS]}
    for name, field in {**DATED, SIGHTINGS: DATED[SNAPSHOTS]}.items():
        wanted = days[name] * _DAY_SECONDS if name in days else None
        try:
            await _ensure(database[name], field, wanted)
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise
            raise RetentionRefused(name) from None


async def _ensure(
    collection: AsyncCollection[dict[str, Any]], field: str, seconds: int | None
) -> None:
    there = (await collection.index_information()).get(INDEX)
    if seconds is None:
        if there is not None:
            await _drop(collection)
    elif there is None:
        await _make(collection, field, seconds)
    elif there.get("expireAfterSeconds") != seconds:
        await _change(collection, seconds)


async def _make(collection: AsyncCollection[dict[str, Any]], field: str, seconds: int) -> None:
    # Ascending, some are there for reading, and MongoDB makes no second index of the same key.
    keys = [(field, DESCENDING)]
    try:
        await collection.create_index(keys, name=INDEX, expireAfterSeconds=seconds)
    except OperationFailure as error:
        if error.code not in _INDEX_DIFFERS:
            raise
        await _change(collection, seconds)  # another worker, set otherwise, was faster


async def _change(collection: AsyncCollection[dict[str, Any]], seconds: int) -> None:
    change = {"name": INDEX, "expireAfterSeconds": seconds}
    await collection.database.command({"collMod": collection.name, "index": change})


async def _drop(collection: AsyncCollection[dict[str, Any]]) -> None:
    try:
        await collection.drop_index(INDEX)
    except OperationFailure as error:  # another worker was faster
        if error.code not in (_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND):
            raise
