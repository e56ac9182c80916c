"""Which version of the code a lake was written for: one document in the collection ``meta``.

``{"_id": "schema", "version": 3}``. A lake without it was written by the first release, or is
empty: version 0. No version changes what is stored already; what is written from then on is new:

1. the version itself, the validators, and the field ``flags``.
2. the collection ``calls``, and ``last_observed_at`` of ``sightings``, which are of some seconds
   each and no longer of one moment. A history tells when something was last seen to be news; a
   worker of version 1 would move that on, and knows nothing of calls.
3. the room in the ``_id`` of a standing in `rank_history`, of which a worker of version 2 would
   make another user's; and states of `snapshots` that differ in what stands beside them are one.
"""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from rankspider.errors import RankspiderError
from rankspider.lake.collections import META

VERSION = 3

_ID = "schema"


class LakeTooNew(RankspiderError):
    """The lake was written by a newer release, which this code could harm."""

    def __init__(self, database: str, version: object) -> None:
        super().__init__(
            f"the database {database} is of version {version}, and this release writes version "
            f"{VERSION}: install the release that wrote it, or a newer one, or name another "
            "database in MONGO_DATABASE"
        )


async def refuse_newer(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Raise `LakeTooNew` if a newer release wrote to ``database``, or `RankspiderError` if that
    cannot be told; before any write to it."""
    document = await database[META].find_one({"_id": _ID})
    version = document.get("version") if document else 0
    # The shell makes a float of a number that someone wrote there by hand.
    if not isinstance(version, int | float):
        raise RankspiderError(
            f"the document {_ID} in {META} of the database {database.name} has the version "
            f"{version!r}, which is no number: set it to {VERSION} if no newer release wrote there"
        )
    if version > VERSION:
        raise LakeTooNew(database.name, version)


async def claim(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Note that this version writes to ``database``. However many do so at once, the newest
    stands; raises `LakeTooNew` if that is another's."""
    newest = [{"$set": {"version": {"$max": ["$version", VERSION]}}}]
    try:
        await database[META].update_one({"_id": _ID}, newest, upsert=True)
    except DuplicateKeyError:  # another has just put it there
        await database[META].update_one({"_id": _ID}, newest)
    await refuse_newer(database)
