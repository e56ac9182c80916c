"""Decide when writes go to the lake: what waits for one collection goes out together.

A server that is busy does more in larger batches, and joined writes are fewer: so the next batch
gathers for as long as the last one took.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.connections import mongo_errors
from rankspider.connections.outage import Outage
from rankspider.lake.bulk import Bulk
from rankspider.lake.pending import Pending
from rankspider.lake.survival import Survival
from rankspider.lake.write import Write
from rankspider.tasks import Turnstile, linger

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_BATCH_SIZE = 1000
_LONGEST_PAUSE_SECONDS = 0.5


class Writer:
    """Gathers writes for a few milliseconds and sends each collection's as one batch.

    The next batch gathers while one is on its way: the slower the server, the larger the batches.
    """

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        *,
        gather_seconds: float = 0.02,
        is_all_there: Callable[[], bool] = lambda: False,
        least_pause: Callable[[str], float] = lambda _: 0,
        looks_apart: float = 0,
    ) -> None:
        """Write to ``database``, after gathering for ``gather_seconds``.

        ``is_all_there``: whether nothing more will come before what waits is durable, so that
        gathering any longer were in vain. ``least_pause``: how many seconds the next batch of a
        collection gathers at least, however quick the server. ``looks_apart``: how many seconds
        lie between two looks of `rankspider.lake.survival`.
        """
        self._bulk = Bulk(database)
        self._survival = Survival(database, Turnstile(looks_apart, is_all_there))
        self._gather_seconds = gather_seconds
        self._is_all_there = is_all_there
        self._least_pause = least_pause
        self._waiting: dict[str, list[Pending]] = defaultdict(list)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._outage = Outage("MongoDB", logger, mongo_errors.server_message)

    async def write(self, *writes: Write, then: Sequence[Write] = ()) -> None:
        """Return when all ``writes`` are durable on a majority, and ``then`` those that do not
        leave before that.

        Waits out an outage however long it lasts. Raises `WriteRefused`, once all have ended, if
        one of the documents is one that MongoDB cannot hold.
        """
        errors: list[BaseException] = []
        lasts = False
        while not lasts:
            breaks = await self.patiently(self._survival.breaks)
            errors = await self._send_all(writes, then)
            lasts = await self.patiently(partial(self._survival.lasts, breaks))
        if errors:
            raise errors[0]

    async def _send_all(
        self, writes: Iterable[Write], then: Iterable[Write]
    ) -> list[BaseException]:
        """Return what was refused, when all have ended."""
        first = [Pending(write) for write in writes]
        every = [*first, *(Pending(write, after=first) for write in then)]
        for pending in every:
            self._add(pending)
        if every:
            await asyncio.wait([pending.done for pending in every])
        return [error for each in every if (error := each.done.exception()) is not None]

    def _add(self, pending: Pending) -> None:
        collection = pending.write.collection
        self._waiting[collection].append(pending)
        if collection not in self._sending:
            self._sending[collection] = asyncio.create_task(self._send(collection))

    @property
    def is_away(self) -> bool:
        """Return whether MongoDB cannot be reached or takes no writes of some collection, which
        wait."""
        return self._outage.lasts

    async def patiently(
        self,
        call: Callable[[], Awaitable[_T]],
        waits_for: Callable[[Exception], bool] = mongo_errors.is_away,
    ) -> _T:
        """Wait out an outage; ``call`` must be one that may be repeated."""
        return await self._outage.wait_out(call, waits_for)

    async def close(self) -> None:
        """See through what waits."""
        while self._sending:
            await asyncio.wait(self._sending.values())

    async def _send(self, collection: str) -> None:
        """Send all that waits, and what comes meanwhile, one batch after the other."""
        waiting = self._waiting[collection]
        least = max(self._gather_seconds, self._least_pause(collection))
        try:
            pause = self._gather_seconds
            while waiting:
                await asyncio.sleep(self._gather_seconds)  # for what comes at the same moment
                await linger(pause - self._gather_seconds, self._is_all_there)
                began = time.monotonic()
                await self._send_some(collection, waiting)
                took = time.monotonic() - began
                pause = max(least, min(took, _LONGEST_PAUSE_SECONDS))
        except Exception as error:  # noqa: BLE001
            # Handed to all who wait: nobody else would end their waiting.
            for pending in waiting:
                pending.end(error)
            waiting.clear()
        finally:
            del self._sending[collection]

    async def _send_some(self, collection: str, waiting: list[Pending]) -> None:
        """See through the first of those ``waiting``, and take them out."""
        batch = list(waiting)
        try:
            batch = _next_batch(waiting)
            if not batch:  # all that wait come after others, which are on their way
                await asyncio.sleep(self._gather_seconds)
            while rest := [pending for pending in batch if pending.is_open]:
                await self.patiently(partial(self._bulk.send, collection, rest))
        except Exception as error:  # noqa: BLE001
            # Handed to whoever waits. Nobody foresaw it, so nothing of this batch counts as stored.
            for pending in batch:
                pending.end(error)
            waiting[:] = [pending for pending in waiting if pending.is_open]
        # What was refused for the newest of them may do without it.
        absorbed = (older for pending in batch for older in pending.absorbed)
        waiting += [older for older in absorbed if older.is_open]


def _next_batch(waiting: list[Pending]) -> list[Pending]:
    """Take out the first, each document once: the newest of its writes, if they can join."""
    batch: dict[str, Pending] = {}
    rest: list[Pending] = []
    for pending in waiting:
        id_, may_be_sent = pending.write.id, pending.may_be_sent
        other = batch.get(id_)
        if may_be_sent and other is None and len(batch) < _BATCH_SIZE:
            batch[id_] = pending
        elif may_be_sent and other is not None and other.write.can_join(pending.write):
            older, newer = sorted((other, pending), key=lambda each: each.write.revision)
            newer.absorb(older)
            batch[id_] = newer
        elif pending.is_open:
            rest.append(pending)
    waiting[:] = rest
    return list(batch.values())
