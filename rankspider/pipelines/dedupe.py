"""Spare the lake what it holds already. Looks before the store, marks after it."""

import asyncio
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.items import Item, RejectedItem
from rankspider.memory.local import Bringing, Known, mark_of

_MILLISECONDS = 1000


class DedupePipeline:
    """Drops an item that says what the lake holds already.

    Unchanged: it is durable. Duplicate: another answer of the same moment is bringing it; this
    one ends when that is durable, since its anchor must not be acknowledged before. The spider
    has looked at most items before it made them: those pass.
    """

    def __init__(self, crawler: Crawler, stats: StatsCollector) -> None:
        self._crawler = crawler
        self._stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        pipeline = cls(crawler, crawler.stats)
        crawler.signals.connect(pipeline.item_dropped, signals.item_dropped)
        crawler.signals.connect(pipeline.item_lost, signals.item_error)
        return pipeline

    @property
    def _known(self) -> Known:
        known: Known = self._crawler.spider.known  # type: ignore[union-attr]
        return known

    async def process_item(self, item: Item) -> Item:
        if self._known.is_brought(item):
            return item
        mark, observed = mark_of(item), round(item.observed_at.timestamp() * _MILLISECONDS)
        record = self._known.covering(mark, observed)
        if record is None:
            self._known.bring(item, observed, Bringing())
            return item
        outcome = "unchanged"
        if record.bringing is not None:
            outcome = "duplicate"
            await asyncio.shield(record.bringing.done)
        if not isinstance(item, RejectedItem):  # counted as rejected already
            self._stats.inc_value(f"rank/{item.kind}/{outcome}")
        raise DropItem(outcome)

    def item_dropped(self, item: Item) -> None:
        """By another pipeline: nobody waits for it any longer."""
        record = self._known.record_of(item)
        if record is not None:
            self._known.forget(record)

    def item_lost(self, item: Item, failure: Failure) -> None:
        """Forget it, so that the next one is written, and tell those who wait for it."""
        record = self._known.record_of(item)
        if record is None:
            return
        assert failure.value is not None
        self._known.forget(record, failure.value)
        if not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/lost")
