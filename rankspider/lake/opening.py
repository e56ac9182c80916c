"""Prepare a lake before a worker writes the first document."""

from collections.abc import Mapping
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.lake.collections import NOBODY
from rankspider.lake.indexes import ensure_indexes, refuse_those_in_the_way
from rankspider.lake.kinds import plain_collections
from rankspider.lake.retention import ensure_retention
from rankspider.lake.validators import ensure_collections
from rankspider.lake.version import claim, refuse_newer


async def open_lake(
    database: AsyncDatabase[dict[str, Any]],
    retention: Mapping[str, int],
    *,
    has_archive: bool = False,
) -> None:
    """Bring ``database`` up to this version; nothing changes where that is done already.

    May be repeated, and done by any number of workers at once. ``retention`` is in days by
    collection. Raises `RankspiderError` of a kind that says what is in the way.
    """
    await refuse_newer(database)
    await ensure_collections(database)
    await ensure_indexes(database, has_archive=has_archive)
    await ensure_retention(database, retention)
    # Last: whoever is interrupted before does it all again.
    await claim(database)


async def try_out(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Do what a worker does that starts and writes, in each collection that is there, and change
    nothing. Raises what `open_lake` would for what it would find."""
    await refuse_newer(database)
    there = await plain_collections(database)
    await refuse_those_in_the_way(database)
    for name in sorted(there):
        await database[name].update_one({"_id": NOBODY}, [{"$replaceWith": "$$ROOT"}])
