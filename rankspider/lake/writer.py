"""Bulk writes: what waits for one collection goes out together, acknowledged by a majority.

What is likely new is inserted. What is likely there shares one update. Whatever neither did, such
as a document that another worker made in between, or one that MongoDB refuses together with its
company, is upserted by itself.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import bson
from bson.raw_bson import RawBSONDocument
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

from rankspider.errors import RankspiderError
from rankspider.lake.overlong import ROOM_BYTES, fitted
from rankspider.lake.write import Shape, Write, shared_update_of, update_of
from rankspider.outage import Outage

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Operation = InsertOne[dict[str, Any]] | UpdateOne
# Above this share of new documents an insert is tried first: it costs half of a shared update.
_INSERTS_PAY = 0.3
_LEARNING = 0.02
# A server that is busy does more in larger batches, and joined writes are fewer: the next waits as
# long as the last took, up to this.
_LONGEST_PAUSE_SECONDS = 0.5
# One shared update compares each document's id with all of its ids.
_MOST_TOGETHER = 100
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


class WriteRefused(RankspiderError):
    """MongoDB refused this document for what it is; the others of its batch are stored."""


@dataclass(eq=False, slots=True)
class _Pending:
    write: Write
    content: bytes | None = None
    """``write.content`` as BSON, encoded once, whatever the number of attempts."""
    is_there: bool = False
    """An insert has found it."""
    absorbed: "list[_Pending]" = field(default_factory=list)
    """Older ones of the same document, whose bounds are in ``write``."""
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_open(self) -> bool:
        return not self.done.done()

    @property
    def raw(self) -> RawBSONDocument | None:
        return None if self.content is None else RawBSONDocument(self.content)

    def new_document(self) -> dict[str, Any]:
        return {"_id": self.write.id, **(self.raw or {}), **self.write.bounds}

    def absorb(self, older: "_Pending") -> None:
        self.write = self.write.joined(older.write)
        self.absorbed += [older, *older.absorbed]
        older.absorbed = []

    def end(self, error: Exception | None = None) -> None:
        """It is durable, with all that it absorbed; or it failed, and they are open still."""
        if error is None:
            for older in self.absorbed:
                older.end()
        if self.done.done():
            return  # whoever waited has been cancelled
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class Writer:
    """Gathers writes for a few milliseconds and sends each collection's as one batch.

    The next batch gathers while one is on its way: the slower the server, the larger the batches.
    """

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        *,
        batch_size: int = 1000,
        gather_seconds: float = 0.02,
    ) -> None:
        self._database = database
        self._batch_size = batch_size
        self._gather_seconds = gather_seconds
        self._waiting: dict[str, list[_Pending]] = defaultdict(list)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._novelty = _Novelty()
        self._outage = Outage("MongoDB", logger)

    async def write(self, *writes: Write) -> None:
        """Return when all ``writes`` are durable on a majority.

        Waits out an outage however long it lasts. Raises `WriteRefused`, once all have ended, if
        one of the documents is one that MongoDB cannot hold.
        """
        futures = [self._add(write) for write in writes]
        if futures:
            await asyncio.wait(futures)
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]

    def _add(self, write: Write) -> asyncio.Future[None]:
        pending = _Pending(write)
        try:
            pending.content = None if write.content is None else bson.encode(write.content)
        except (bson.errors.BSONError, OverflowError, UnicodeError) as error:
            refused = WriteRefused(f"no BSON for {write.collection} {write.id}: {error}")
            refused.__cause__ = error
            pending.end(refused)
            return pending.done
        self._waiting[write.collection].append(pending)
        if write.collection not in self._sending:
            self._sending[write.collection] = asyncio.create_task(self._send(write.collection))
        return pending.done

    @property
    def is_away(self) -> bool:
        """Whether MongoDB cannot be reached, and all that is written waits."""
        return self._outage.lasts

    async def patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Wait out an outage; ``call`` must be one that may be repeated."""
        while True:
            try:
                outcome = await call()
            except PyMongoError as error:
                if not _is_away(error):
                    raise
                await asyncio.sleep(self._outage.struck(error))
            else:
                self._outage.over()
                return outcome

    async def close(self) -> None:
        """See through what waits."""
        while self._sending:
            await asyncio.wait(self._sending.values())

    async def _send(self, collection: str) -> None:
        """Send all that waits, and what comes meanwhile, one batch after the other."""
        try:
            pause = self._gather_seconds
            while self._waiting[collection]:
                await asyncio.sleep(pause)
                batch = self._next_batch(collection)
                began = time.monotonic()
                await self._see_through(collection, batch)
                took = time.monotonic() - began
                pause = max(self._gather_seconds, min(took, _LONGEST_PAUSE_SECONDS))
                # What was refused for the newest of them may do without it.
                absorbed = (older for pending in batch for older in pending.absorbed)
                self._waiting[collection] += [older for older in absorbed if older.is_open]
        finally:
            del self._sending[collection]

    def _next_batch(self, collection: str) -> list[_Pending]:
        """The first that wait, each document once: the newest of its writes, if they can join."""
        batch: dict[str, _Pending] = {}
        rest: list[_Pending] = []
        for pending in self._waiting[collection]:
            id_ = pending.write.id
            other = batch.get(id_)
            if other is None and len(batch) < self._batch_size:
                batch[id_] = pending
            elif other is not None and other.write.can_join(pending.write):
                older, newer = sorted((other, pending), key=lambda each: each.write.revision)
                newer.absorb(older)
                batch[id_] = newer
            else:
                rest.append(pending)
        self._waiting[collection] = rest
        return list(batch.values())

    async def _see_through(self, collection: str, batch: list[_Pending]) -> None:
        try:
            while rest := [pending for pending in batch if pending.is_open]:
                await self.patiently(partial(self._attempt, collection, rest))
        except Exception as error:  # noqa: BLE001
            # Handed to whoever waits. Nobody foresaw it, so nothing of this batch counts as stored.
            for pending in batch:
                pending.end(error)

    async def _attempt(self, collection: str, batch: list[_Pending]) -> None:
        """Send ``batch`` once; what is still open then must be sent again."""
        for pending in batch:
            await self._fit(pending)
        if self._novelty.is_likely(collection):
            await self._insert(collection, batch)
        for group in _groups(batch):
            await self._update_together(collection, group)
        await self._upsert(collection, batch)

    async def _fit(self, pending: _Pending) -> None:
        if pending.content is not None and len(pending.content) > ROOM_BYTES:
            assert pending.write.content is not None
            pending.content = bson.encode(await fitted(self._database, pending.write.content))

    async def _insert(self, collection: str, batch: Iterable[_Pending]) -> int:
        """Insert what is not there, as far as is known; return how many were."""
        novel = [each for each in batch if each.is_open and not each.is_there]
        novel = [each for each in novel if each.write.makes is not None]
        inserts: list[_Operation] = [InsertOne(each.new_document()) for each in novel]
        await self._bulk(collection, novel, inserts)
        inserted = sum(not each.is_there for each in novel)
        self._novelty.learn(collection, inserted, len(novel) - inserted)
        return inserted

    async def _update_together(self, collection: str, group: list[_Pending]) -> None:
        """One update for all; what it may not have reached stays open."""
        writes = [pending.write for pending in group]
        update = shared_update_of(writes, [pending.raw for pending in group])
        ids = {"_id": {"$in": [write.id for write in writes]}}
        try:
            reached = (await self._database[collection].update_many(ids, update)).matched_count
        except OperationFailure as error:
            if _is_away(error):
                raise
            return  # told apart one by one
        if writes[0].makes is None or reached == len(group):
            _end(group)
        elif not any(pending.is_there for pending in group):
            # If nobody makes or removes documents meanwhile, the others were reached.
            if reached + await self._insert(collection, group) == len(group):
                _end(group)

    async def _upsert(self, collection: str, batch: list[_Pending]) -> None:
        rest = [pending for pending in batch if pending.is_open]
        operations: list[_Operation] = [
            UpdateOne(
                {"_id": pending.write.id},
                update_of(pending.write, pending.raw),
                upsert=pending.write.makes is not None,
            )
            for pending in rest
        ]
        await self._bulk(collection, rest, operations)

    async def _bulk(
        self, collection: str, batch: list[_Pending], operations: list[_Operation]
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


def _groups(batch: list[_Pending]) -> Iterator[list[_Pending]]:
    """What can share an update; nothing that would be alone in it."""

    def shape(pending: _Pending) -> Shape:
        return pending.write.shape

    rest = [pending for pending in batch if pending.is_open]
    for _, alike in groupby(sorted(rest, key=shape), shape):
        group: list[_Pending] = []
        room = _MOST_TOGETHER_BYTES
        for pending in alike:
            room -= len(pending.content or b"")
            if group and (room < 0 or len(group) == _MOST_TOGETHER):
                if len(group) > 1:
                    yield group
                group, room = [], _MOST_TOGETHER_BYTES - len(pending.content or b"")
            group.append(pending)
        if len(group) > 1:
            yield group


def _end(batch: Iterable[_Pending]) -> None:
    for pending in batch:
        pending.end()


def _sort_out(batch: list[_Pending], error: BulkWriteError) -> None:
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


def _is_away(error: PyMongoError) -> bool:
    """Whether the server, rather than the write, is at fault."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError | NotAbleNow):
        return True
    return getattr(error, "code", None) in _NOT_ABLE_NOW
