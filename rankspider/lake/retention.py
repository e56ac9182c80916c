"""Set how long each collection keeps its documents: an index by which MongoDB deletes the old ones.

https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from rankspider.errors import RankspiderError
from rankspider.lake.collections import DATED, SIGHTINGS, SNAPSHOTS
from rankspider.lake.indexes import IndexInTheWay, ensure, key_of, listed

INDEX = "expiry"

_DAY_SECONDS = 86_400
_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND = 26, 27
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

    The sightings of a list's states are kept as long as the states. Raises `RetentionRefused`, or
    `IndexInTheWay`.
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
    indexes = {index["name"]: index for index in await listed(collection)}
    there = indexes.pop(INDEX, None)
    taken = [key_of(index) for index in indexes.values()]
    # MongoDB makes no second index of the same key. Ascending, some are there for reading.
    keys = [[(field, order)] for order in (DESCENDING, ASCENDING)]
    free = [key for key in keys if key not in taken]
    serves = there is not None and "expireAfterSeconds" in there and key_of(there) in free
    if there is not None and (seconds is None or not serves):
        await _drop(collection)
        there = None
    if seconds is None:
        return
    if there is None:
        key = (free or keys)[0]
        try:
            await ensure(collection, IndexModel(key, name=INDEX, expireAfterSeconds=seconds))
        except IndexInTheWay:
            if INDEX not in {index["name"] for index in await listed(collection)}:
                raise
            await _change(collection, seconds)  # another worker, set otherwise, was faster
    elif there.get("expireAfterSeconds") != seconds:
        await _change(collection, seconds)


async def _change(collection: AsyncCollection[dict[str, Any]], seconds: int) -> None:
    change = {"name": INDEX, "expireAfterSeconds": seconds}
    await collection.database.command({"collMod": collection.name, "index": change})


async def _drop(collection: AsyncCollection[dict[str, Any]]) -> None:
    try:
        await collection.drop_index(INDEX)
    except OperationFailure as error:  # another worker was faster
        if error.code not in (_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND):
            raise
