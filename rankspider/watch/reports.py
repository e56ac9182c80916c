"""Pass on what answers tell the watch list: who is on the list, and whether an anchor is on the
air."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from rankspider.connections.redis import REDIS_ERRORS, server_message
from rankspider.dedupe.reading import ReadAnswer
from rankspider.endpoint.answer import Row
from rankspider.moments import unix_ms
from rankspider.queue.anchor_queue import AnchorQueue
from rankspider.watch.clock import EndpointClock

logger = logging.getLogger(__name__)

# A list that stays as it is, is told so often.
_REPORT_SECONDS = 5.0


class WatchReports:
    """Belongs to one worker; ``is_watching`` says whether there is a watch list."""

    def __init__(self, queue: AnchorQueue, is_watching: Callable[[], bool]) -> None:
        self._queue = queue
        self._is_watching = is_watching
        self._clock = EndpointClock()
        self._last_list: bytes = b""
        self._reported_at = 0.0
        self._calls: set[asyncio.Task[None]] = set()

    def note(self, read: ReadAnswer, anchor: str | None) -> str:
        """Tell the fleet of the list in an answer, unless it was told a moment ago. Return what the
        answer says of ``anchor``, for the acknowledgement: see turns.lua."""
        if not self._is_watching():
            return ""
        self._note_list(read)
        return _observation_of(read, anchor)

    def note_clock(self, now: float, sent: float, received: float) -> None:
        """Take in what an answer says of the endpoint's clock: see `EndpointClock.note`."""
        self._clock.note(now, sent, received)

    def _note_list(self, read: ReadAnswer) -> None:
        state, now = read.whole.version.digest, time.monotonic()
        is_news = state != self._last_list or now - self._reported_at >= _REPORT_SECONDS
        if read.ranked_list is None or not is_news:
            return
        self._last_list, self._reported_at = state, now
        observed = unix_ms(read.extraction.observed_at)
        hour = unix_ms(read.ranked_list.begin_time)
        task = asyncio.create_task(self._report(observed, hour, list(read.whole.rows.anchors)))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _report(self, observed: int, hour: int, sec_uids: Sequence[str]) -> None:
        try:
            if (offset := self._clock.offset) is not None:
                await self._queue.report_clock(offset.low, offset.high)
            await self._queue.report_list(observed, hour, sec_uids)
        except REDIS_ERRORS as error:
            logger.debug(
                "The list was not reported: %s", server_message(error)
            )  # the next one will be

    async def close(self) -> None:
        """Return when nothing is on its way any more."""
        await asyncio.gather(*self._calls)


def _observation_of(read: ReadAnswer, anchor: str | None) -> str:
    own = read.extraction.answer.anchor_info
    if anchor is None or not isinstance(own, Row) or own.user.sec_uid != anchor:
        return ""
    is_live = own.user.own_room is not None
    return f"{is_live:d} {read.extraction.answer.begin_time} {own.shape.score}"
