"""Spare the lake what it holds already. Looks before the store, marks after it."""

import asyncio
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.items import Item, RejectedItem
from rankspider.known import Known, Place, Record, place_of


class DedupePipeline:
    """Drops an item that says what the lake holds already.

    Unchanged: it is durable. Duplicate: another answer of the same moment is bringing it; this
    one ends when that is durable, since its anchor must not be acknowledged before.
    """

    def __init__(self, crawler: Crawler, stats: StatsCollector) -> None:
        self._crawler = crawler
        self._stats = stats
        self._being_stored: dict[int, tuple[Place, Record]] = {}

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
        place = place_of(item)
        record = self._known.covering(place, item.digest, item.observed_at)
        if record is not None:
            outcome = "unchanged" if record.is_durable else "duplicate"
            await asyncio.shield(record.stored)
            if not isinstance(item, RejectedItem):  # counted as rejected already
                self._stats.inc_value(f"rank/{item.kind}/{outcome}")
            raise DropItem(outcome)
        record = self._known.begin(place, item.digest, item.observed_at)
        self._being_stored[id(item)] = (place, record)
        return item

    def item_stored(self, item: Item) -> None:
        _, record = self._being_stored.pop(id(item), (None, None))
        if record is not None:
            record.stored.set_result(None)

    def item_lost(self, item: Item, failure: Failure) -> None:
        """Forget it, so that the next one is written, and tell those who wait for it."""
        place, record = self._being_stored.pop(id(item), (None, None))
        if place is None or record is None:
            return
        self._known.forget(place, record)
        assert failure.value is not None
        record.stored.set_exception(failure.value)
        record.stored.exception()  # seen, if nobody waits for it
        if not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/lost")
