"""Make the indexes that are missing. One of the operator's own with the same key serves in place of
ours if it can.

MongoDB takes no two indexes of one key that differ only in name, in being hidden, or in their time
to live: https://github.com/mongodb/mongo/blob/master/jstests/core/index_signature.js
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from rankspider.connections.mongo_errors import server_message
from rankspider.errors import RankspiderError
from rankspider.lake.collections import ARCHIVE_INDEXES, INDEXES, Document

logger = logging.getLogger(__name__)

Collection = AsyncCollection[dict[str, Any]]

# An index is in the way: of another name or time to live, or of another key.
_IN_THE_WAY = (85, 86)
# MongoDB keeps one of these beside ours: it leaves documents out, or has another order.
_APART = ("sparse", "partialFilterExpression", "collation")
_TTL = "expireAfterSeconds"
_TELL_SECONDS, _REMIND_SECONDS = 5.0, 300.0


class IndexInTheWay(RankspiderError):
    """An index of somebody else's keeps one of rankspider's from being made."""

    def __init__(self, collection: Collection, ours: str, theirs: str, why: str) -> None:
        name = collection.name
        super().__init__(
            f"the index {ours} of {name} cannot be made: the index {theirs} there {why}. Drop it "
            f"and start again: db.getCollection({name!r}).dropIndex({theirs!r})"
        )


async def ensure_indexes(
    database: AsyncDatabase[dict[str, Any]], *, has_archive: bool = False
) -> None:
    """Make the indexes of the lake, and of the archive, which a lake without one does not need."""
    for name, indexes in (INDEXES | ARCHIVE_INDEXES if has_archive else INDEXES).items():
        await ensure(database[name], *indexes)


async def refuse_those_in_the_way(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Raise `IndexInTheWay` if `ensure_indexes` would for what can be told beforehand."""
    for name, indexes in (INDEXES | ARCHIVE_INDEXES).items():
        there = await listed(database[name])
        for each in indexes:
            _stands_in(database[name], there, each.document)


async def ensure(collection: Collection, *wanted: IndexModel) -> None:
    """Return when all ``wanted`` serve, however long MongoDB takes to build them.

    Making one that is there changes nothing. Raises `IndexInTheWay`.
    """
    there = await listed(collection)
    ours = [each for each in wanted if not _stands_in(collection, there, each.document)]
    if not ours:
        return
    names = ", ".join(each.document["name"] for each in ours)
    try:
        await _log_while(_build(collection, ours), f"{names} of {collection.name}")
    except OperationFailure as error:
        if error.code not in _IN_THE_WAY:
            raise
        # Another worker may have been faster, who is set otherwise.
        if await listed(collection) != there:
            await ensure(collection, *wanted)
            return
        why = f"is in the way ({server_message(error)})"
        raise IndexInTheWay(collection, names, _likeliest(there, ours), why) from None


async def listed(collection: Collection) -> list[Document]:
    """Return the indexes of ``collection``, none if it is not there."""
    return [dict(index) async for index in await collection.list_indexes()]


def key_of(index: Document) -> list[tuple[str, Any]]:
    """Return the fields of an index in order; 1 and 1.0, as a shell writes it, are equal."""
    return [*index["key"].items()]


def _stands_in(collection: Collection, there: list[Document], wanted: Document) -> bool:
    """Return whether another index serves in place of ``wanted``; it is named in the log. Raises
    `IndexInTheWay` if one keeps ``wanted`` from being made, and cannot serve."""
    ours = wanted["name"]
    same_name = [index for index in there if index["name"] == ours]
    for index in same_name or there:
        theirs, about = index["name"], (index["name"], collection.name, ours)
        if key_of(index) != key_of(wanted):
            if same_name:
                raise IndexInTheWay(collection, ours, theirs, f"has the key {dict(index['key'])}")
            continue
        apart = next((option for option in _APART if option in index), None)
        if apart and not same_name:
            logger.warning(
                "The index %s of %s is %s: %s is kept beside it", *about[:2], apart, ours
            )
            continue
        keeps = index.get(_TTL) == wanted[_TTL] if _TTL in wanted else True
        if apart or index.get("hidden") or not keeps:
            why = apart or ("hidden" if keeps else f"with {_TTL}: {index.get(_TTL, 'none')}")
            raise IndexInTheWay(collection, ours, theirs, f"has its key, and is {why}")
        more = [
            f"{each}: {index[each]}"
            for each in ("unique", _TTL)
            if each in index and each not in wanted
        ]
        if same_name and not more:
            return False
        logger.warning(
            "The index %s of %s, not made by rankspider, serves in place of %s%s",
            *about,
            f"; mind that it has {', '.join(more)}" if more else "",
        )
        return True
    return False


def _likeliest(there: list[Document], ours: list[IndexModel]) -> str:
    """Return which of those ``there`` MongoDB complains of, when it does not say so."""
    keys = [key_of(each.document) for each in ours]
    return next((index["name"] for index in there if key_of(index) in keys), "of the same key")


async def _build(collection: Collection, indexes: list[IndexModel]) -> None:
    hello = await collection.database.client.admin.command("hello")
    # By default the build waits for every member with a vote, one that is down as well.
    has_members = "setName" in hello or hello.get("msg") == "isdbgrid"
    options: dict[str, Any] = {"commitQuorum": "majority"} if has_members else {}
    await collection.create_indexes(indexes, **options)


async def _log_while(call: Awaitable[None], what: str) -> None:
    """Wait for ``call``, and say so while it takes long."""
    task = asyncio.ensure_future(call)
    try:
        pause = _TELL_SECONDS
        while not (await asyncio.wait([task], timeout=pause))[0]:
            logger.warning("MongoDB builds the indexes %s: waiting for it to end", what)
            pause = _REMIND_SECONDS
        task.result()
    finally:
        task.cancel()
