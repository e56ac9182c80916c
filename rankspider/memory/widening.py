"""Bring the lake's intervals up to what was seen unchanged: at the hour's end, and at the end."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import chain

from rankspider.lake.documents import widenings_of
from rankspider.lake.writer import Writer
from rankspider.memory.local import Known, Record

_LOOK_SECONDS = 5.0
_HOUR_MS = 3_600_000


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

    async def close(self) -> None:
        """Return when all that was seen is in the lake."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._widen(all_of_them=True)

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
            await self._widen(all_of_them=has_turned or newest == before)

    async def _widen(self, *, all_of_them: bool) -> None:
        lagging = self._known.lagging(all_of_them=all_of_them)
        await widen(self._known, self._writer, lagging)
        for record in lagging:
            self._tell(record)


async def widen(known: Known, writer: Writer, records: Sequence[Record]) -> None:
    """Return when the lake holds ``records`` for all the time they were seen."""
    seen = [(record.early, record.seen) for record in records]
    newest = [(record, known.is_newest(record)) for record in records]
    writes = (widenings_of(record, is_newest=is_newest) for record, is_newest in newest)
    await writer.write(*chain.from_iterable(writes))
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
