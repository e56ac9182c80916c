"""Bulk writes: everything that waits goes out together, acknowledged by a majority."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)

from rankspider.errors import RankspiderError
from rankspider.lake.documents import Write
from rankspider.lake.overlong import ROOM_BYTES, fitted
from rankspider.outage import Outage

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
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
    write: Write
    content: bytes
    """``write.content`` as BSON, encoded once, whatever the number of attempts."""
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
        self._sending: set[asyncio.Task[None]] = set()
        self._outage = Outage("MongoDB", logger)

    async def write(self, write: Write) -> None:
        """Return when ``write`` is durable on a majority.

        Waits out an outage however long it lasts. Raises `WriteRefused` if the document is one
        that MongoDB cannot hold.
        """
        try:
            pending = _Pending(write, bson.encode(write.content))
        except (bson.errors.BSONError, OverflowError, UnicodeError) as error:
            raise WriteRefused(f"no BSON for {write.collection} {write.id}: {error}") from error
        waiting = self._waiting[write.collection]
        waiting.append(pending)
        if len(waiting) >= self._batch_size:
            self._send(write.collection)
        elif write.collection not in self._timers:
            self._timers[write.collection] = asyncio.get_running_loop().call_later(
                self._gather_seconds, self._send, write.collection
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
            updates = [await self._update(pending) for pending in batch]
            await self._database[collection].bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            return await self._sort_out(batch, error)
        except PyMongoError as error:
            if not _is_away(error):
                raise
            return await self._wait_out(error, batch)
        self._outage.over()
        for pending in batch:
            pending.end()
        return []

    async def _update(self, pending: _Pending) -> UpdateOne:
        write = pending.write
        if len(pending.content) > ROOM_BYTES:
            pending.content = bson.encode(await fitted(self._database, write.content))
        pipeline = write.pipeline(RawBSONDocument(pending.content))
        return UpdateOne({"_id": write.id}, pipeline, upsert=write.only_if_said is None)

    async def _wait_out(self, error: Exception, batch: list[_Pending]) -> list[_Pending]:
        await asyncio.sleep(self._outage.struck(error))
        return batch

    async def _sort_out(self, batch: list[_Pending], error: BulkWriteError) -> list[_Pending]:
        """Tell apart, write by write, what is stored, refused, or must be sent again."""
        details = error.details or {}
        failed = {entry["index"]: entry for entry in details.get("writeErrors", [])}
        # Without its write concern nothing of the bulk is known to be durable.
        doubtful = bool(details.get("writeConcernErrors"))
        again = []
        for index, pending in enumerate(batch):
            entry = failed.get(index)
            code = entry["code"] if entry else None
            # Upserts of one new document that race are told so: the second try finds it.
            if code == _DUPLICATE_KEY or code in _NOT_ABLE_NOW or (doubtful and not entry):
                again.append(pending)
            elif entry is None:
                pending.end()
            else:
                write = pending.write
                reason = f"MongoDB refused {write.collection} {write.id}: {entry['errmsg']}"
                pending.end(WriteRefused(reason))
        if doubtful or any(entry["code"] in _NOT_ABLE_NOW for entry in failed.values()):
            return await self._wait_out(error, again)
        return again


def _is_away(error: PyMongoError) -> bool:
    """Whether the server, rather than the write, is at fault."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
        return True
    return getattr(error, "code", None) in _NOT_ABLE_NOW
