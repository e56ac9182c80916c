"""Spare the lake what it holds already. Looks before the store, marks after it.

Correctness does not rest on this: every write is idempotent.
"""

import asyncio
import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.configuration import Configuration
from rankspider.items import Item, RejectedItem

# Some 100 bytes each: about two hours of lists of 100, and the profiles behind them.
_MOST_REMEMBERED = 100_000


@dataclass(slots=True)
class _Known:
    """What was written last under one key, and over which observations it holds."""

    digest: str
    first: dt.datetime
    last: dt.datetime
    stored: asyncio.Future[None]
    """Done when the write is durable."""

    def covers(self, digest: str, observed_at: dt.datetime, lag: dt.timedelta) -> bool:
        return self.digest == digest and self.first <= observed_at <= self.last + lag


class DedupePipeline:
    """Drops an item that says what the lake holds already.

    Unchanged: it is durable. Duplicate: another answer of the same moment is bringing it; this
    one ends when that is durable, since its anchor must not be acknowledged before. An item
    more than `RANK_OBSERVED_LAG_SECONDS` newer than what was written passes, to move
    ``observed_at`` on.
    """

    def __init__(self, stats: StatsCollector, lag_seconds: float) -> None:
        self._stats = stats
        self._lag = dt.timedelta(seconds=lag_seconds)
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._being_stored: dict[int, tuple[tuple[str, str], _Known]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        lag_seconds = Configuration.read(crawler.settings).observed_lag_seconds
        pipeline = cls(crawler.stats, lag_seconds)
        crawler.signals.connect(pipeline.item_stored, signals.item_scraped)
        crawler.signals.connect(pipeline.item_lost, signals.item_error)
        return pipeline

    async def process_item(self, item: Item) -> Item:
        place = (type(item).__name__, item.key)
        digest = item.digest()
        known = self._known.get(place)
        if known is not None and known.covers(digest, item.observed_at, self._lag):
            outcome = "unchanged" if known.stored.done() else "duplicate"
            await asyncio.shield(known.stored)
            if not isinstance(item, RejectedItem):
                self._stats.inc_value(f"rank/{item.kind}/{outcome}")
            raise DropItem(outcome)
        self._remember(place, item, digest)
        return item

    def _remember(self, place: tuple[str, str], item: Item, digest: str) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        known = _Known(digest, item.observed_at, item.observed_at, stored)
        self._being_stored[id(item)] = (place, known)
        before = self._known.get(place)
        if before is None or before.last <= item.observed_at:
            if before is not None and before.digest == digest and before.stored.done():
                known.first = before.first
            self._known[place] = known
            self._known.move_to_end(place)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    def item_stored(self, item: Item) -> None:
        place_and_known = self._being_stored.pop(id(item), None)
        if place_and_known is not None:
            place_and_known[1].stored.set_result(None)

    def item_lost(self, item: Item, failure: Failure) -> None:
        """Forget it, so that the next one is written, and tell those who wait for it."""
        place, known = self._being_stored.pop(id(item), (None, None))
        if place is None or known is None:
            return
        if self._known.get(place) is known:
            del self._known[place]
        assert failure.value is not None
        known.stored.set_exception(failure.value)
        known.stored.exception()  # seen, if nobody waits for it
