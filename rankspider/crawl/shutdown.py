"""Stopping: give back at once what was not asked yet, finish the rest within bounds."""

import asyncio
import logging
import signal
from typing import Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.utils.defer import deferred_from_coro
from twisted.internet.defer import Deferred

from rankspider.configuration import Configuration
from rankspider.crawl.acknowledge import META_KEY
from rankspider.queue.deliveries import Deliveries, Delivery

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
# To give back what could not be finished, when Redis is there.
_GIVE_BACK_SECONDS = 5.0
# For Scrapy to close as it always does once the calls have ended, unless MongoDB is away.
_CLOSE_SECONDS = 3.0

out_of_time = object()
"""The signal that calls under way are to end now."""


class ShutdownExtension:
    """After the first SIGTERM or SIGINT; the second one ends the process without it. And when
    Scrapy closes the spider by itself, such as for CLOSESPIDER_TIMEOUT, without a time limit.
    """

    def __init__(self, crawler: Crawler, seconds: float) -> None:
        self._crawler = crawler
        self._seconds = seconds
        self._watching: asyncio.Task[None] | None = None
        self._is_late = False
        self._is_held = False
        self._has_ended = False

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not hasattr(crawler.spidercls, "setup_redis"):
            raise NotConfigured("the spider reads no queue")
        extension = cls(crawler, Configuration.read(crawler.settings).shutdown_seconds)
        connect = crawler.signals.connect
        connect(extension.spider_opened, signals.spider_opened)
        connect(extension.request_reached_downloader, signals.request_reached_downloader)
        connect(extension.spider_closed, signals.spider_closed)
        return extension

    def spider_opened(self) -> None:
        from twisted.internet import reactor  # installed by Scrapy by now

        self._watching = asyncio.create_task(self._watch())
        reactor.addSystemEventTrigger("before", "shutdown", self._hold)  # type: ignore[arg-type]

    def request_reached_downloader(self, request: Request) -> None:
        delivery: Delivery | None = request.meta.get(META_KEY)
        if delivery is not None:
            delivery.is_asked = True

    def spider_closed(self) -> None:
        # Others hear of it as well, and may wait for a Redis that is away: not longer, if late.
        if self._watching is not None and not self._is_late:
            self._watching.cancel()

    async def _watch(self) -> None:
        # Scrapy has no signal for the moment in which it is asked to stop, or begins to.
        while self._crawler.crawling and not self._is_closing:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        deliveries: Deliveries = self._crawler.spider.deliveries  # type: ignore[union-attr]
        giving_back = asyncio.create_task(self._give_back_unasked(deliveries))
        try:
            while self._crawler.crawling:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            async with asyncio.timeout(self._seconds):
                await giving_back
                await asyncio.Event().wait()
        except TimeoutError:
            logger.warning(
                "%d anchors not finished %g s after the signal (RANK_SHUTDOWN_SECONDS): given back",
                deliveries.in_hand,
                self._seconds,
            )
        finally:
            giving_back.cancel()
        self._is_late = True
        await deliveries.close(_GIVE_BACK_SECONDS)
        self._crawler.signals.send_catch_log(out_of_time)
        await asyncio.sleep(_CLOSE_SECONDS)
        self._end()

    @property
    def _is_closing(self) -> bool:
        slot = self._crawler.engine._slot  # it says so nowhere else
        return slot is not None and slot.closing is not None

    async def _give_back_unasked(self, deliveries: Deliveries) -> None:
        deliveries.stop()
        await self._crawler.spider.licences.give_up()  # type: ignore[union-attr]
        await deliveries.release_unasked()

    def _hold(self) -> Deferred[None]:
        """Called before the reactor stops. A signal that finds the spider closing already, such as
        when drained, would end the process at once, without its stats."""
        self._is_held = True
        return deferred_from_coro(self._see_through())

    async def _see_through(self) -> None:
        engine = self._crawler.engine
        while engine.spider is not None and not self._crawler.crawling:
            if self._has_ended or _is_forced():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _end(self) -> None:
        """Without what still waits, such as for MongoDB."""
        stats = self._crawler.stats
        assert stats is not None
        stats.set_value("finish_reason", "shutdown")
        stats.close_spider(reason="shutdown")  # which dumps them
        # It would tell of each task that is left. To cancel them all is no way out: Scrapy's own
        # are among them, and Twisted tells of those.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        self._has_ended = True
        if not self._is_held:
            from twisted.internet import reactor  # installed by Scrapy by now

            reactor.stop()  # type: ignore[misc]


def _is_forced() -> bool:
    """Whether a second signal came, after which Scrapy listens for none."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
