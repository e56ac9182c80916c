"""Acknowledge last: an anchor ends when all that left the spider for it has ended."""

from collections.abc import AsyncIterator
from typing import Any, Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from rankspider.crawl.responses import DELIVERY, delivery_of
from rankspider.crawl.worker import Worker
from rankspider.dedupe.record import record_of
from rankspider.queue.deliveries import Delivery
from rankspider.secrecy import discreet


class AcknowledgeMiddleware:
    """Counts what leaves the spider for an anchor against what became of it.

    A pipeline that fails loses its item; the anchor then counts as failed. A request the spider
    yields for the same anchor keeps it open.
    """

    def __init__(self, worker: Worker, stats: StatsCollector) -> None:
        self._worker = worker
        self._stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        middleware = cls(Worker.of(crawler), crawler.stats)
        connect = crawler.signals.connect
        connect(middleware.item_ended, signals.item_scraped)
        connect(middleware.item_ended, signals.item_dropped)
        connect(middleware.item_failed, signals.item_error)
        return middleware

    async def process_spider_output(
        self, response: Response, result: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        delivery = delivery_of(response)
        if delivery is None:
            async for element in result:
                yield element
            return
        goes_on = False
        try:
            async for element in result:
                if isinstance(element, Request):
                    element.meta[DELIVERY] = delivery
                    goes_on = True
                else:
                    delivery.open_items += 1
                    delivery.in_pipelines += 1
                yield element
        except Exception as error:
            delivery.fail("spider-error", f"{type(error).__name__}: {error}"[:500])
            self._complete(delivery)
            raise
        if not goes_on:
            self._complete(delivery)

    def _complete(self, delivery: Delivery) -> None:
        self._worker.deliveries.complete(delivery)
        self._release(delivery)

    def item_ended(self, response: Response | None) -> None:
        delivery = delivery_of(response)
        if delivery is not None:
            delivery.in_pipelines -= 1
            self._worker.deliveries.item_ended(delivery)
            self._release(delivery)

    def item_failed(self, item: Any, response: Response | None, failure: Failure) -> None:
        """Give up what dedupe remembers of the item: the next one that says the same is stored, and
        those who wait for this one fail too."""
        record = record_of(item)
        if record is not None and not record.ended.done():
            self._worker.dedupe.lost(record, failure.value)
            self._stats.inc_value(f"rank/{item.kind}/lost")
        delivery = delivery_of(response)
        if delivery is not None:
            error = f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
            delivery.fail("store-error", discreet(error)[:500])
            self.item_ended(response)

    def _release(self, delivery: Delivery) -> None:
        """Let go of what was dropped, filtered out, or became something else on its way to the
        store: nobody else would end what waits for it."""
        if delivery.output_complete and delivery.in_pipelines == 0:
            for record in delivery.records:
                if not record.is_taken:
                    self._worker.dedupe.lost(record)
