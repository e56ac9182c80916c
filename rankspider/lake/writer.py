"""Bulk writes: everything that waits goes out together, acknowledged by a majority."""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)

from rankspider.errors import RankspiderError
from rankspider.lake.documents import Widening, Write
from rankspider.lake.overlong import ROOM_BYTES, fitted
from rankspider.outage import Outage

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Operation = InsertOne[dict[str, Any]] | UpdateOne
# The embedded server takes four inserts in the time of an upsert.
_INSERTS_PAY = 0.3
_TRIALS = 0.02
_LEARNING = 0.02
_DUPLICATE_KEY = 11000
# What a server says that is not able now: unreachable, stepping down, shutting down, out of
# time or disk, writes blocked or not granted (13, an operator's mistake that an operator mends).
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NOT_ABLE_NOW = frozenset(
    (6, 7, 13, 50, 64, 89, 91, 112, 133, 189, 262, 371, 9001)
    + (10107, 11600, 11602, 13435, 13436, 14031)
)


class WriteRefused(RankspiderError):
    """MongoDB refused this document for what it is; the others of its batch are stored."""


@dataclass(eq=False, slots=True)
class _Pending:
    write: Write | Widening
    content: bytes
    """``write.content`` as BSON, encoded once, whatever the number of attempts."""
    is_there: bool = False
    """An insert has found it."""
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, error: Exception | None = None) -> None:
        if self.done.done():
            return  # whoever waited has been cancelled
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class Writer:
    """Gathers writes for a few milliseconds and sends each collection's as one bulk.

    A batch also goes out when it is full, and a new one gathers while others are on their way.
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
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._novelty = _Novelty()
        self._sending: set[asyncio.Task[None]] = set()
        self._outage = Outage("MongoDB", logger)

    async def write(self, write: Write | Widening) -> None:
        """Return when ``write`` is durable on a majority.

        Waits out an outage however long it lasts. Raises `WriteRefused` if the document is one
        that MongoDB cannot hold.
        """
        try:
            content = write.content if isinstance(write, Write) else {}
            pending = _Pending(write, bson.encode(content))
        except (bson.errors.BSONError, OverflowError, UnicodeError) as error:
            raise WriteRefused(f"no BSON for {write.collection} {write.id}: {error}") from error
        collection = write.collection
        waiting = self._waiting[collection]
        waiting.append(pending)
        if len(waiting) >= self._batch_size:
            self._send(collection)
        elif collection not in self._timers:
            self._timers[collection] = asyncio.get_running_loop().call_later(
                self._gather_seconds, self._send, collection
            )
        await pending.done

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
        """Send what waits and see it through."""
        for collection in list(self._waiting):
            self._send(collection)
        while self._sending:
            await asyncio.wait(self._sending)

    def _send(self, collection: str) -> None:
        timer = self._timers.pop(collection, None)
        if timer:
            timer.cancel()
        batch = self._waiting.pop(collection, [])
        if batch:
            task = asyncio.create_task(self._see_through(collection, batch))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _see_through(self, collection: str, batch: list[_Pending]) -> None:
        try:
            while batch:
                batch = await self._attempt(collection, batch)
        except Exception as error:  # noqa: BLE001
            # Handed to whoever waits. Nobody foresaw it, so nothing of this batch counts as stored.
            for pending in batch:
                pending.end(error)

    async def _attempt(self, collection: str, batch: list[_Pending]) -> list[_Pending]:
        """Send ``batch`` once; return what must be sent again."""
        try:
            novel = self._novelty.is_likely(collection)
            operations = [await self._operation(pending, novel) for pending in batch]
            result = await self._database[collection].bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            return await self._sort_out(collection, batch, error)
        except PyMongoError as error:
            if not _is_away(error):
                raise
            return await self._wait_out(error, batch)
        self._outage.over()
        self._novelty.learn(collection, result.inserted_count, 0)
        for pending in batch:
            pending.end()
        return []

    async def _operation(self, pending: _Pending, is_likely_new: bool) -> _Operation:
        """An insert if that is likely to do; an upsert does always."""
        write = pending.write
        if isinstance(write, Widening):
            return UpdateOne({"_id": write.id}, write.update())
        if len(pending.content) > ROOM_BYTES:
            pending.content = bson.encode(await fitted(self._database, write.content))
        content = RawBSONDocument(pending.content)
        if write.fresh is not None and is_likely_new and not pending.is_there:
            return InsertOne({"_id": write.id, **content, **write.fresh})
        return UpdateOne({"_id": write.id}, write.pipeline(content), upsert=True)

    async def _wait_out(self, error: Exception, batch: list[_Pending]) -> list[_Pending]:
        await asyncio.sleep(self._outage.struck(error))
        return batch

    async def _sort_out(
        self, collection: str, batch: list[_Pending], error: BulkWriteError
    ) -> list[_Pending]:
        """Tell apart, write by write, what is stored, refused, or must be sent again."""
        details = error.details or {}
        failed = {entry["index"]: entry for entry in details.get("writeErrors", [])}
        # Without its write concern nothing of the bulk is known to be durable.
        doubtful = bool(details.get("writeConcernErrors"))
        again = []
        for index, pending in enumerate(batch):
            entry = failed.get(index)
            code = entry["code"] if entry else None
            # It was there already, or upserts of one new document raced: the second try finds it.
            pending.is_there = pending.is_there or code == _DUPLICATE_KEY
            if code == _DUPLICATE_KEY or code in _NOT_ABLE_NOW or (doubtful and not entry):
                again.append(pending)
            elif entry is None:
                pending.end()
            else:
                write = pending.write
                reason = f"MongoDB refused {write.collection} {write.id}: {entry['errmsg']}"
                pending.end(WriteRefused(reason))
        refused = sum(entry["code"] == _DUPLICATE_KEY for entry in failed.values())
        self._novelty.learn(collection, details.get("nInserted", 0), refused)
        if doubtful or any(entry["code"] in _NOT_ABLE_NOW for entry in failed.values()):
            return await self._wait_out(error, again)
        return again


class _Novelty:
    """How likely a collection's next write makes a new document.

    An insert costs a fraction of an upsert, and a failed one the same once more.
    """

    def __init__(self) -> None:
        self._share: dict[str, float] = defaultdict(lambda: 1.0)

    def is_likely(self, collection: str) -> bool:
        """True now and then for the others too, to see whether they have changed."""
        return self._share[collection] > _INSERTS_PAY or random.random() < _TRIALS

    def learn(self, collection: str, inserted: int, refused: int) -> None:
        tried = inserted + refused
        if tried:
            weight = 1 - (1 - _LEARNING) ** tried
            share = self._share[collection]
            self._share[collection] = share + weight * (inserted / tried - share)


def _is_away(error: PyMongoError) -> bool:
    """Whether the server, rather than the write, is at fault."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
        return True
    return getattr(error, "code", None) in _NOT_ABLE_NOW
