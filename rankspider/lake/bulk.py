"""One batch of writes of one collection, sent once, acknowledged by a majority.

What is likely new is inserted. What is likely there shares one update. Whatever neither did, such
as a document that another worker made in between, or one that MongoDB refuses together with its
company, is upserted by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

import bson
from pymongo import InsertOne, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from rankspider.lake.overlong import ROOM_BYTES, fitted
from rankspider.lake.pending import Pending, WriteRefused
from rankspider.lake.write import shared_update_of, update_of

_Operation = InsertOne[dict[str, Any]] | UpdateOne
# Above this share of new documents an insert is tried first: it costs half of a shared update.
_INSERTS_PAY = 0.3
_LEARNING = 0.02
# One shared update compares each document's id with all of its ids.
MOST_TOGETHER = 100
_MOST_TOGETHER_BYTES = 4 * 1024 * 1024
_DUPLICATE_KEY = 11000
# What a server says that is not able now: unreachable, stepping down, shutting down, out of
# time or disk, writes blocked or not granted (13, an operator's mistake that an operator mends).
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NOT_ABLE_NOW = frozenset(
    (6, 7, 13, 50, 64, 89, 91, 112, 133, 189, 262, 371, 9001)
    + (10107, 11600, 11602, 13435, 13436, 14031)
)


class NotAbleNow(PyMongoError):
    """What a bulk says of a server that must be waited for."""


class Bulk:
    """Sends batches to ``database``, and learns which collections' writes are mostly new."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database
        self._novelty = _Novelty()

    async def send(self, collection: str, batch: list[Pending]) -> None:
        """Send ``batch`` once; what is still open then must be sent again."""
        for pending in batch:
            pending.encode()
            if pending.content is not None and len(pending.content) > ROOM_BYTES:
                assert pending.write.content is not None
                pending.content = bson.encode(await fitted(self._database, pending.write.content))
        batch = [pending for pending in batch if pending.is_open]
        if self._novelty.is_likely(collection):
            await self._insert(collection, batch)
        for group in _groups(batch):
            await self._update_together(collection, group)
        await self._upsert(collection, batch)

    async def _insert(self, collection: str, batch: Iterable[Pending]) -> int:
        """Insert what is not there, as far as is known; return how many were."""
        novel = [each for each in batch if each.is_open and not each.is_there]
        novel = [each for each in novel if each.write.content is not None]
        inserts: list[_Operation] = [InsertOne(each.new_document()) for each in novel]
        await self._bulk(collection, novel, inserts)
        inserted = sum(not each.is_there for each in novel)
        self._novelty.learn(collection, inserted, len(novel) - inserted)
        return inserted

    async def _update_together(self, collection: str, group: list[Pending]) -> None:
        """One update for all; what it may not have reached stays open."""
        writes = [pending.write for pending in group]
        update = shared_update_of(writes, [pending.raw for pending in group])
        ids = {"_id": {"$in": [write.id for write in writes]}}
        try:
            reached = (await self._database[collection].update_many(ids, update)).matched_count
        except OperationFailure as error:
            if is_away(error):
                raise
            return  # told apart one by one
        if writes[0].content is None or reached == len(group):
            _end(group)
        elif not any(pending.is_there for pending in group):
            # If nobody makes or removes documents meanwhile, the others were reached.
            if reached + await self._insert(collection, group) == len(group):
                _end(group)

    async def _upsert(self, collection: str, batch: list[Pending]) -> None:
        rest = [pending for pending in batch if pending.is_open]
        operations: list[_Operation] = [
            UpdateOne(
                {"_id": pending.write.id},
                update_of(pending.write, pending.raw),
                upsert=pending.write.content is not None,
            )
            for pending in rest
        ]
        await self._bulk(collection, rest, operations)

    async def _bulk(
        self, collection: str, batch: list[Pending], operations: list[_Operation]
    ) -> None:
        """Send ``operations``, which are of ``batch``; what is open then was not done."""
        if not operations:
            return
        try:
            await self._database[collection].bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            _sort_out(batch, error)
        else:
            _end(batch)


def _groups(batch: list[Pending]) -> Iterator[list[Pending]]:
    """What can share an update; nothing that would be alone in it."""
    shape = attrgetter("write.shape")
    rest = [pending for pending in batch if pending.is_open]
    for _, alike in groupby(sorted(rest, key=shape), shape):
        group: list[Pending] = []
        room = _MOST_TOGETHER_BYTES
        for pending in alike:
            room -= len(pending.content or b"")
            if group and (room < 0 or len(group) == MOST_TOGETHER):
                if len(group) > 1:
                    yield group
                group, room = [], _MOST_TOGETHER_BYTES - len(pending.content or b"")
            group.append(pending)
        if len(group) > 1:
            yield group


def _end(batch: Iterable[Pending]) -> None:
    for pending in batch:
        pending.end()


def _sort_out(batch: list[Pending], error: BulkWriteError) -> None:
    """Tell apart, write by write, what is stored, refused, or must be sent again.

    Raises `NotAbleNow` if something has to wait.
    """
    details = error.details or {}
    failed = {entry["index"]: entry for entry in details.get("writeErrors", [])}
    # Without its write concern nothing of the bulk is known to be durable.
    doubtful = bool(details.get("writeConcernErrors"))
    for index, pending in enumerate(batch):
        entry = failed.get(index)
        code = entry["code"] if entry else None
        # It was there already, or upserts of one new document raced.
        pending.is_there = pending.is_there or code == _DUPLICATE_KEY
        if entry is None:
            if not doubtful:
                pending.end()
        elif code != _DUPLICATE_KEY and code not in _NOT_ABLE_NOW:
            write = pending.write
            reason = f"MongoDB refused {write.collection} {write.id}: {entry['errmsg']}"
            pending.end(WriteRefused(reason))
    if doubtful or any(entry["code"] in _NOT_ABLE_NOW for entry in failed.values()):
        raise NotAbleNow(str(error))


class _Novelty:
    """How likely a collection's next write makes a new document."""

    def __init__(self) -> None:
        self._share: dict[str, float] = defaultdict(lambda: 1.0)

    def is_likely(self, collection: str) -> bool:
        return self._share[collection] > _INSERTS_PAY

    def learn(self, collection: str, new: int, known: int) -> None:
        tried = new + known
        if tried:
            weight = 1 - (1 - _LEARNING) ** tried
            share = self._share[collection]
            self._share[collection] = share + weight * (new / tried - share)


def is_away(error: Exception) -> bool:
    """Whether the server, rather than the write, is at fault."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError | NotAbleNow):
        return True
    return getattr(error, "code", None) in _NOT_ABLE_NOW
