"""Bring what is derived up to its history, after a worker was cut off between the two.

A worker writes an item's history first. One that is killed before the rest is durable leaves a
standing or a profile that nothing but its history tells of; the anchor comes
back, but what it brings then may be newer.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.lake import collections
from rankspider.lake.bulk import MOST_TOGETHER
from rankspider.lake.documents import standing_now
from rankspider.lake.write import Document, Write
from rankspider.lake.writer import Writer

Database = AsyncDatabase[dict[str, Any]]

# What was cut off is of the hour, or of the one before if that turned in the meantime.
_HOURS = 2


@dataclass(frozen=True, slots=True)
class _Derived:
    """A collection that follows from a history."""

    history: str
    now: str
    id_parts: int
    """Parts of an id in the history that come after the id in ``now``."""
    fold: Callable[[str, Iterable[Document]], Write]
    """The bounds of some documents of one key."""


async def make_whole(database: Database, writer: Writer) -> int:
    """Bring `ranks` and `users` of the lake's two latest hours up to the histories.

    Return how many of their documents were behind; some may have been on their way there by
    another worker. Raises `pymongo.errors.PyMongoError` where the lake cannot be read; may be
    called again then.
    """
    hours = await _latest_hours(database)
    if not hours:
        return 0
    count = 0
    for hour in hours:
        begin = int(hour.timestamp())
        ids = {"_id": {"$gte": f"{begin}/", "$lt": f"{begin}0"}}  # 0 comes after /
        fields = ["rank", "score", "first_observed_at", "revision"]
        standings = database[_STANDINGS.history].find(ids, fields)
        count += await _bring_up(database, writer, _STANDINGS, standings)
    recent = {"first_observed_at": {"$gte": min(hours)}}
    users = database[_USERS.history].find(recent, ["first_observed_at", "revision"])
    count += await _bring_up(database, writer, _USERS, users)
    return count


async def _latest_hours(database: Database) -> list[dt.datetime]:
    hours: list[dt.datetime] = []
    earlier: Document = {}
    while len(hours) < _HOURS:
        found = await database[collections.RANK_HISTORY].find_one(
            earlier, ["begin_time"], sort=[("begin_time", -1)]
        )
        if found is None:
            break
        hours.append(found["begin_time"])
        earlier = {"begin_time": {"$lt": hours[-1]}}
    return hours


async def _bring_up(
    database: Database, writer: Writer, derived: _Derived, history: AsyncCursor[Document]
) -> int:
    count = 0
    async for documents in _in_pieces(history):
        newest: dict[str, Document] = {}
        bounds: dict[str, Write] = {}
        for key, same in _by_key(documents, derived.id_parts):
            newest[key] = max(same, key=lambda document: document["revision"])
            bounds[key] = derived.fold(key, same)
        fields = ["revision", *next(iter(bounds.values())).bounds]
        found = database[derived.now].find({"_id": {"$in": [*newest]}}, fields)
        stored = {document["_id"]: document async for document in found}
        behind = {
            newest[key]["_id"]: key
            for key in newest
            if _is_behind(stored.get(key), bounds[key], newest[key]["revision"])
        }
        whole = database[derived.history].find({"_id": {"$in": [*behind]}})
        writes = [standing_now(each, bounds[behind[each["_id"]]]) async for each in whole]
        await writer.write(*writes)
        count += len(writes)
    return count


def _is_behind(stored: Document | None, bounds: Write, revision: str) -> bool:
    if stored is None or stored["revision"] < revision:
        return True
    falls = any(value < stored[name] for name, value in bounds.least.items())
    rises = any(value > stored[name] for name, value in bounds.most.items())
    best = bounds.best_rank or 0
    return falls or rises or (best > 0 and not 0 < stored["best_rank"] <= best)


def _fold_standings(key: str, documents: Iterable[Document]) -> Write:
    ranks = [document["rank"] for document in documents if document["rank"]]
    return Write(
        collections.RANKS,
        key,
        None,
        least={"first_observed_at": min(each["first_observed_at"] for each in documents)},
        most={"peak_score": max(each["score"] for each in documents)},
        best_rank=min(ranks, default=0),
    )


def _fold_users(key: str, documents: Iterable[Document]) -> Write:
    first = min(each["first_observed_at"] for each in documents)
    return Write(collections.USERS, key, None, {"first_observed_at": first})


_STANDINGS = _Derived(collections.RANK_HISTORY, collections.RANKS, 3, _fold_standings)
_USERS = _Derived(collections.USER_HISTORY, collections.USERS, 1, _fold_users)


async def _in_pieces(cursor: AsyncCursor[Document]) -> AsyncIterator[list[Document]]:
    piece: list[Document] = []
    async for document in cursor:
        piece.append(document)
        if len(piece) == MOST_TOGETHER:  # looked up by their ids at once
            yield piece
            piece = []
    if piece:
        yield piece


def _by_key(documents: Iterable[Document], id_parts: int) -> Iterator[tuple[str, list[Document]]]:
    groups: dict[str, list[Document]] = {}
    for document in documents:
        key = document["_id"].rsplit("/", id_parts)[0]
        groups.setdefault(key, []).append(document)
    yield from groups.items()
