"""Prepare a lake before a worker writes the first document."""

from collections.abc import Mapping
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.lake.indexes import ensure_indexes
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
    collection. Raises `LakeTooNew` or `RetentionRefused`.
    """
    await refuse_newer(database)
    await ensure_collections(database)
    await ensure_indexes(database, has_archive=has_archive)
    await ensure_retention(database, retention)
    # Last: whoever is interrupted before does it all again.
    await claim(database)
