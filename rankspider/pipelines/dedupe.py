"""Spare the lake what it holds already, and end what comes to nothing."""

from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.dedupe.news import Dedupe
from rankspider.dedupe.record import record_of
from rankspider.items import Item, RejectedItem


class DedupePipeline:
    """Drops an item that says what the lake holds already.

    The spider has asked about its own before it made them: those pass.
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
    def _dedupe(self) -> Dedupe:
        dedupe: Dedupe = self._crawler.spider.dedupe  # type: ignore[union-attr]
        return dedupe

    async def process_item(self, item: Item) -> Item:
        if item.record is not None or await self._dedupe.claim(item):
            return item
        if not isinstance(item, RejectedItem):  # counted as rejected already
            self._stats.inc_value(f"rank/{item.kind}/unchanged")
        raise DropItem("unchanged")

    def item_dropped(self, item: Item) -> None:
        """By another pipeline: nobody wants it, so nobody waits for it."""
        record = record_of(item)
        if record is not None:
            self._dedupe.lost(record)

    def item_lost(self, item: Item, failure: Failure) -> None:
        """The next one is stored, and those who wait for this one fail with it."""
        record = record_of(item)
        if record is None or record.ended.done():
            return
        self._dedupe.lost(record, failure.value)
        if not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/lost")
