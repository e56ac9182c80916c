"""One batch of writes of one collection, acknowledged by a majority.

What is likely new is inserted; the rest, and what an insert did not do, is upserted. Each operation
targets one document by its ``_id`` and may be repeated. Nothing is concluded from a count: what
is not reported as failed is done.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import bson
from pymongo import InsertOne, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from rankspider.connections.mongo_errors import (
    NotAbleNow,
    is_race,
    is_refusal,
    may_be_one_document,
    refused_for_good,
    why_refused,
)
from rankspider.lake.collections import NOBODY, WITHOUT_QUARANTINE
from rankspider.lake.overlong import ROOM_BYTES, fitted
from rankspider.lake.pending import Pending, WriteRefused
from rankspider.lake.write import Write, update_of

_Operation = InsertOne[dict[str, Any]] | UpdateOne
_Failed = list[tuple[Pending, dict[str, Any]]]
# Above this share of new documents an insert is tried first: it costs a quarter of an upsert.
_INSERTS_PAY = 0.3
_LEARNING = 0.02
# After each, another try of upserts that raced with those of other workers.
_RACE_PAUSES = (0.01, 0.05, 0.25, 1.0)


class Bulk:
    """Sends batches to ``database``, and learns which collections' writes are mostly new."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database
        self._novelty = _Novelty()

    async def send(self, collection: str, batch: list[Pending]) -> None:
        """Send what is open of ``batch`` until it has ended: stored, or refused.

        Raises `NotAbleNow` or `pymongo.errors.ConnectionFailure` if the server must be waited for;
        what is open then must be sent again.
        """
        for pending in batch:
            await self._prepare(pending)
        if self._novelty.is_likely(collection):
            await self._insert(collection, _open(batch))
        for pause in _RACE_PAUSES:
            raced = await self._upsert(collection, _open(batch))
            if not raced:
                return
            await asyncio.sleep(pause)
        raise NotAbleNow(raced[0][1])

    async def _prepare(self, pending: Pending) -> None:
        """Encode it, and see to it that it fits."""
        pending.encode()
        if pending.content is None or len(pending.content) <= ROOM_BYTES:
            return
        assert pending.write.content is not None
        try:
            pending.content = bson.encode(await fitted(self._database, pending.write.content))
        except OperationFailure as error:
            if not may_be_one_document(error):
                raise
            pending.end(_refused(pending, _details(error)))

    async def _insert(self, collection: str, batch: Iterable[Pending]) -> None:
        """Insert what is not there, as far as is known. What fails is left to the upsert."""
        novel = [each for each in batch if not each.is_there and each.write.content is not None]
        failed = await self._write(
            collection, novel, lambda pending: InsertOne(pending.new_document())
        )
        for pending, entry in failed:
            pending.is_there = is_race(entry)
        _raise_what_waits(failed)

    async def _upsert(self, collection: str, batch: list[Pending]) -> _Failed:
        """Return what raced with another worker's upsert of the same document."""
        failed = await self._write(collection, batch, _upsert_of)
        refused = [each for each in failed if is_refusal(each[1])]
        if refused:
            await self._try_harmless(collection, refused[0][0].write)
            if collection in WITHOUT_QUARANTINE:
                raise refused_for_good(collection, refused[0][1])
        for pending, entry in refused:
            pending.end(_refused(pending, entry))
        _raise_what_waits(failed)
        return [each for each in failed if is_race(each[1])]

    async def _try_harmless(self, collection: str, write: Write) -> None:
        """Do nothing in the manner of ``write``. A server that refuses even this refuses
        everything, and no document is to blame: raises `NotAbleNow`."""
        neutral = replace(
            write,
            content=None if write.content is None else {"revision": ""},
            least=dict.fromkeys(write.least, 0),
            most=dict.fromkeys(write.most, 0),
            best_rank=None if write.best_rank is None else 0,
        )
        nothing = UpdateOne({"_id": NOBODY}, update_of(neutral, neutral.content))
        try:
            await self._database[collection].bulk_write([nothing])
        except OperationFailure as error:
            raise NotAbleNow(_details(error)) from error

    async def _write(
        self, collection: str, batch: list[Pending], operation: Callable[[Pending], _Operation]
    ) -> _Failed:
        """Send an ``operation`` for each of ``batch``, and end what is stored; return the rest,
        with what MongoDB said of it."""
        if not batch:
            return []
        operations = [operation(pending) for pending in batch]
        try:
            result = await self._database[collection].bulk_write(operations, ordered=False)
            details: Mapping[str, Any] = result.bulk_api_result
        except BulkWriteError as error:
            details = error.details
        except (OperationFailure, DocumentTooLarge) as error:
            if not may_be_one_document(error):
                raise NotAbleNow(_details(error)) from error
            if len(batch) == 1:
                return [(batch[0], _details(error))]
            half = len(batch) // 2
            first = await self._write(collection, batch[:half], operation)
            return first + await self._write(collection, batch[half:], operation)
        return self._sort_out(collection, batch, details)

    def _sort_out(
        self, collection: str, batch: list[Pending], details: Mapping[str, Any]
    ) -> _Failed:
        """End what is stored; return the rest."""
        for concern in details["writeConcernErrors"]:
            raise NotAbleNow(concern)  # nothing of the bulk is known to be durable
        failed = {entry["index"]: entry for entry in details["writeErrors"]}
        stored = [pending for index, pending in enumerate(batch) if index not in failed]
        for pending in stored:
            pending.end()
        makers = sum(pending.write.content is not None for pending in stored)
        self._novelty.learn(collection, details["nInserted"] + details["nUpserted"], makers)
        return [(batch[index], entry) for index, entry in failed.items()]


def _open(batch: list[Pending]) -> list[Pending]:
    return [pending for pending in batch if pending.is_open]


def _upsert_of(pending: Pending) -> UpdateOne:
    write = pending.write
    update = update_of(write, pending.raw)
    return UpdateOne({"_id": write.id}, update, upsert=write.content is not None)


def _raise_what_waits(failed: _Failed) -> None:
    for _, entry in failed:
        if not is_race(entry) and not is_refusal(entry):
            raise NotAbleNow(entry)


def _refused(pending: Pending, entry: dict[str, Any]) -> WriteRefused:
    write = pending.write
    return WriteRefused(f"MongoDB refused {write.collection} {write.id}: {why_refused(entry)}")


def _details(error: OperationFailure | DocumentTooLarge) -> dict[str, Any]:
    """Return what the server said of a command, or the first thing it said of one of its writes."""
    if isinstance(error, DocumentTooLarge):
        return {"code": 10334, "errmsg": str(error)}  # as the server would have
    details = dict(error.details or {})
    entries = [*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]
    return dict(entries[0]) if entries else {"code": error.code, "errmsg": str(error), **details}


class _Novelty:
    """Learns how likely a collection's next write makes a new document."""

    def __init__(self) -> None:
        self._share: dict[str, float] = defaultdict(lambda: 1.0)

    def is_likely(self, collection: str) -> bool:
        return self._share[collection] > _INSERTS_PAY

    def learn(self, collection: str, new: int, stored: int) -> None:
        """Note that ``new`` of ``stored`` documents were."""
        if stored:
            weight = 1 - (1 - _LEARNING) ** stored
            share = self._share[collection]
            self._share[collection] = share + weight * (new / stored - share)
