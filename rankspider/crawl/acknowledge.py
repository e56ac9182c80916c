"""Acknowledge last: an anchor ends when all that left the spider for it has ended."""

from collections.abc import AsyncIterator
from typing import Any, Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from twisted.python.failure import Failure

from rankspider.queue.deliveries import Deliveries, Delivery

META_KEY = "delivery"


class AcknowledgeMiddleware:
    """Counts what leaves the spider for an anchor against what became of it.

    A pipeline that fails loses its item; the anchor then counts as failed. A request the spider
    yields for the same anchor keeps it open.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler)
        connect = crawler.signals.connect
        connect(middleware.item_ended, signals.item_scraped)
        connect(middleware.item_ended, signals.item_dropped)
        connect(middleware.item_failed, signals.item_error)
        return middleware

    async def process_spider_output(
        self, response: Response, result: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        delivery: Delivery | None = response.meta.get(META_KEY)
        if delivery is None:
            async for element in result:
                yield element
            return
        goes_on = False
        try:
            async for element in result:
                if isinstance(element, Request):
                    element.meta[META_KEY] = delivery
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
        self._deliveries.complete(delivery)
        self._release(delivery)

    def item_ended(self, response: Response | None) -> None:
        delivery = _delivery_of(response)
        if delivery is not None:
            delivery.in_pipelines -= 1
            self._deliveries.item_ended(delivery)
            self._release(delivery)

    def _release(self, delivery: Delivery) -> None:
        """What was filtered out, or became something else, on its way to the store: nobody else
        would end what waits for it."""
        if delivery.output_complete and delivery.in_pipelines == 0:
            for record in delivery.records:
                if not record.is_taken:
                    self._crawler.spider.dedupe.lost(record)  # type: ignore[union-attr]

    def item_failed(self, response: Response | None, failure: Failure) -> None:
        delivery = _delivery_of(response)
        if delivery is not None:
            error = f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
            delivery.fail("store-error", error[:500])
            self.item_ended(response)

    @property
    def _deliveries(self) -> Deliveries:
        deliveries: Deliveries = self._crawler.spider.deliveries  # type: ignore[union-attr]
        return deliveries


def _delivery_of(response: Response | None) -> Delivery | None:
    """None for an item that came from no anchor of the queue."""
    if not isinstance(response, Response):
        return None
    delivery: Delivery | None = response.meta.get(META_KEY)
    return delivery
