"""Spare the lake what it holds already. Looks before the store, marks after it."""

import asyncio
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.items import Item, RejectedItem
from rankspider.memory.local import Known, Record, mark_of, trace_of

_MILLISECONDS = 1000


class DedupePipeline:
    """Drops an item that says what the lake holds already.

    Unchanged: it is durable. Duplicate: another answer of the same moment is bringing it; this
    one ends when that is durable, since its anchor must not be acknowledged before.
    """

    def __init__(self, crawler: Crawler, stats: StatsCollector) -> None:
        self._crawler = crawler
        self._stats = stats
        self._being_stored: dict[int, Record] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        pipeline = cls(crawler, crawler.stats)
        crawler.signals.connect(pipeline.item_stored, signals.item_scraped)
        crawler.signals.connect(pipeline.item_lost, signals.item_error)
        return pipeline

    @property
    def _known(self) -> Known:
        known: Known = self._crawler.spider.known  # type: ignore[union-attr]
        return known

    async def process_item(self, item: Item) -> Item:
        mark, observed = mark_of(item), round(item.observed_at.timestamp() * _MILLISECONDS)
        record = self._known.covering(mark, observed)
        if record is not None:
            outcome = "unchanged" if record.stored is None else "duplicate"
            if record.stored is not None:
                await asyncio.shield(record.stored)
            if not isinstance(item, RejectedItem):  # counted as rejected already
                self._stats.inc_value(f"rank/{item.kind}/{outcome}")
            raise DropItem(outcome)
        self._being_stored[id(item)] = self._known.begin(mark, trace_of(item), observed)
        return item

    def item_stored(self, item: Item) -> None:
        record = self._being_stored.pop(id(item), None)
        if record is None:
            return
        self._known.stored(record)
        self._crawler.spider.tell_fleet(record)  # type: ignore[union-attr]

    def item_lost(self, item: Item, failure: Failure) -> None:
        """Forget it, so that the next one is written, and tell those who wait for it."""
        record = self._being_stored.pop(id(item), None)
        if record is None:
            return
        assert failure.value is not None
        self._known.forget(record, failure.value)
        if not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/lost")
