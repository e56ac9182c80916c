"""Deliveries that were cut off: nobody knows how much of what they brought is stored."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from rankspider.connections.redis import REDIS_ERRORS
from rankspider.queue.anchor_queue import AnchorQueue
from rankspider.tasks import end

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 30.0


class RepairDuty:
    """Has the lake made whole after workers were cut off: now and then, and before a worker ends
    as drained. One worker of the fleet does it; if that is killed as well, another."""

    def __init__(self, queue: AnchorQueue, repair_lake: Callable[[], Awaitable[None]]) -> None:
        self._queue = queue
        self._make_whole = repair_lake
        self._turn = asyncio.Lock()
        self._task = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Leave what is under way to the next worker."""
        await end(self._task)

    async def is_mended(self) -> bool:
        """Return whether nothing is left to do, after this worker has done it if no other does."""
        async with self._turn:
            try:
                times = await self._queue.claim_cut_off()
                if times > 0:
                    await self._make_whole()
                    await self._queue.repair_done(times)
            except REDIS_ERRORS as error:
                logger.debug("The lake's gaps cannot be looked up: %s", type(error).__name__)
                return False
            except Exception:
                # Whatever it is, it must end neither the looks nor the crawl, whose own anchors are
                # stored. What was cut off is noted still, for the next worker.
                logger.exception("What a dead worker left half written could not be completed")
                return True
            return times >= 0

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.is_mended()
