"""Bring the lake's intervals up to what was seen unchanged: at the hour's end, and at the end."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from itertools import chain

from rankspider.lake.documents import is_history, seen_throughout, steps_of, widenings_of
from rankspider.lake.pending import WriteRefused
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer
from rankspider.memory.local import Known, Record

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_HOUR_MS = 3_600_000
# Superseded records wait for a quiet moment to be widened in, or until they are so many.
_MOST_LEFT = 5000
# Records that are widened at a time: what is new waits behind them, and a server takes hundreds of
# their documents a second.
_PIECE = 200
# Beyond so many that are left, they no longer wait until the server has time.
_MOST_PATIENT = 10_000
# So many take a slow server some seconds.
_WORTH_A_WORD = 1000
_TELL_SECONDS = 10.0


class Leaving:
    """What is seen of ``record`` until its writes leave, which the lake is to hold with them."""

    def __init__(self, known: Known, record: Record) -> None:
        self._known = known
        self._record = record
        self._early, self._seen = record.early, record.seen

    def renewed(self, write: Write) -> Write:
        """``write`` by now, or by when its history left: it must not know of more than that."""
        record = self._record
        if is_history(write):
            self._early, self._seen = record.early, record.seen
        if (self._early, self._seen) == (record.first, record.last):
            return write
        return seen_throughout(write, record, self._early, self._seen)

    def arrived(self) -> None:
        """All of them are durable."""
        self._known.widened(self._record, self._early, self._seen)


class Widening:
    """Widens when an hour ends, when nothing was observed for a while, when it is closed, and when
    much was superseded. A killed worker leaves the rest to lag, by not more than the setting says.
    """

    def __init__(self, known: Known, writer: Writer, tell: Callable[[Record], None]) -> None:
        """``tell`` is told of each record that was widened."""
        self._known = known
        self._tell = tell
        self._writer = writer
        self._task = asyncio.create_task(self._look())
        self._task.add_done_callback(_tell_of_failure)

    async def close(self) -> None:
        """Return when all that was seen is in the lake."""
        self._task.cancel()
        await asyncio.wait([self._task])
        count = self._known.count_lagging()
        if count >= _WORTH_A_WORD:
            logger.info(
                "Writing until when %d unchanged records were seen; all else is stored", count
            )
        telling = asyncio.create_task(self._tell_what_is_left())
        try:
            await self._widen_all()
        finally:
            telling.cancel()

    async def _tell_what_is_left(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            count = self._known.count_lagging()
            logger.info("Writing until when they were seen: %d unchanged records are left", count)

    async def _look(self) -> None:
        newest, since = 0, time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            before, newest = newest, self._known.newest_ms
            if newest != before:
                since = time.monotonic()
            # The endpoint's clock goes on, though nothing may be asked of it.
            now = newest + (time.monotonic() - since) * 1000
            has_turned = 0 < before // _HOUR_MS < now // _HOUR_MS
            if has_turned or newest == before:
                await self._widen_all()
            else:
                await self._widen_left(keep=_MOST_LEFT)

    async def _widen_all(self) -> None:
        await self._widen_left(keep=0)
        lagging = self._known.lagging()
        for start in range(0, len(lagging), _PIECE):
            await self._widen(lagging[start : start + _PIECE], patient=True)

    async def _widen_left(self, keep: int) -> None:
        while (count := len(self._known.left) - keep) > 0:
            excess = count - _MOST_PATIENT
            piece = self._known.take_left(max(excess, min(count, _PIECE)))
            try:
                await self._widen(piece, patient=excess <= 0)
            except Exception:  # nobody foresaw it: they are tried once more at the end
                self._known.left.extend(piece)
                raise

    async def _widen(self, records: Sequence[Record], *, patient: bool) -> None:
        try:
            await widen(self._known, self._writer, records, patient=patient)
        except WriteRefused as error:
            # The others of the piece are written: nothing but a note of that is missing.
            logger.error("An unchanged record's times cannot be stored: %s", error)
            return
        for record in records:
            self._tell(record)


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.critical(
            "Until when unchanged records are seen is not written before the worker ends: %s",
            error,
            exc_info=error,
        )


async def widen(
    known: Known, writer: Writer, records: Sequence[Record], *, patient: bool = False
) -> None:
    """Return when the lake holds ``records`` for all the time they were seen; ``patient``: after
    what is new."""
    seen = [(record.early, record.seen) for record in records]
    newest = [(record, known.is_newest(record)) for record in records]
    writes = (widenings_of(record, is_newest=is_newest) for record, is_newest in newest)
    for step in steps_of(chain.from_iterable(writes)):
        await writer.write(*step, patient=patient)
    for record, (first, last) in zip(records, seen, strict=True):
        known.widened(record, first, last)


async def catch_up(known: Known, writer: Writer, record: Record) -> None:
    """Return when ``record`` can be stored without passing for newer than what was seen later."""
    behind = record.behind
    if behind is None:
        return
    if behind.bringing is not None:
        await asyncio.wait([behind.bringing.done])
    if behind.lags:
        await widen(known, writer, [behind])
