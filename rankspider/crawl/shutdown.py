"""Stop a worker: give back at once what was not asked yet, and finish the rest within bounds."""

import asyncio
import logging
import signal
import threading

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.utils.defer import deferred_from_coro
from twisted.internet.defer import Deferred

from rankspider.crawl.responses import DELIVERY
from rankspider.licences.pool import LicencePool
from rankspider.queue.deliveries import Deliveries, Delivery

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
# To give back what could not be finished, when Redis is there.
_GIVE_BACK_SECONDS = 5.0
# For Scrapy to close as it always does once the calls have ended, unless MongoDB is away.
_CLOSE_SECONDS = 3.0

out_of_time = object()
"""The signal that calls under way are to end now."""


class Shutdown:
    """Winds a worker down after the first SIGTERM, SIGINT or SIGHUP; the second one ends the
    process without it. And when Scrapy closes the spider by itself, such as for
    CLOSESPIDER_TIMEOUT, without a time limit."""

    _deliveries: Deliveries
    _licences: LicencePool

    def __init__(self, crawler: Crawler, seconds: float) -> None:
        self._crawler = crawler
        self._seconds = seconds
        self._watching: asyncio.Task[None] | None = None
        self._is_late = False
        self._is_held = False
        self._has_ended = False

    def watch(self, deliveries: Deliveries, licences: LicencePool) -> None:
        """See from now on to ``deliveries`` and to what waits for ``licences``."""
        from twisted.internet import reactor  # installed by Scrapy by now

        self._deliveries, self._licences = deliveries, licences
        reached = signals.request_reached_downloader
        self._crawler.signals.connect(self._note_asked, reached)
        self._watching = asyncio.create_task(self._watch())
        reactor.addSystemEventTrigger("before", "shutdown", self._hold)  # type: ignore[arg-type]
        _take_hangups_for_sigterm()

    def closed(self) -> None:
        """Note that Scrapy has closed the spider, and the worker its objects."""
        if self._watching is not None and not self._is_late:
            self._watching.cancel()

    def _note_asked(self, request: Request) -> None:
        delivery: Delivery | None = request.meta.get(DELIVERY)
        if delivery is not None:
            delivery.is_asked = True

    async def _watch(self) -> None:
        # Scrapy has no signal for the moment in which it is asked to stop, or begins to.
        while self._crawler.crawling and not self._is_closing:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        giving_back = asyncio.create_task(self._give_back_unasked())
        try:
            while self._crawler.crawling:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            async with asyncio.timeout(self._seconds):
                await giving_back
                await asyncio.Event().wait()
        except TimeoutError:
            logger.warning(
                "%d anchors not finished %g s after the signal (RANK_SHUTDOWN_SECONDS): given back",
                self._deliveries.in_hand,
                self._seconds,
            )
        finally:
            giving_back.cancel()
        self._is_late = True
        await self._deliveries.close(_GIVE_BACK_SECONDS)
        self._crawler.signals.send_catch_log(out_of_time)
        await asyncio.sleep(_CLOSE_SECONDS)
        self._end()

    @property
    def _is_closing(self) -> bool:
        slot = self._crawler.engine._slot  # it says so nowhere else
        return slot is not None and slot.closing is not None

    async def _give_back_unasked(self) -> None:
        self._deliveries.stop()
        await self._licences.give_up()
        await self._deliveries.release_unasked()

    def _hold(self) -> Deferred[None]:
        """Hold the reactor until the worker is closed. A signal that finds the spider closing
        already, such as when drained, would end the process at once, without its stats."""
        self._is_held = True
        return deferred_from_coro(self._see_through())

    async def _see_through(self) -> None:
        engine = self._crawler.engine
        while engine.spider is not None and not self._crawler.crawling:
            if self._has_ended or _is_forced():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _end(self) -> None:
        """End without what still waits, such as for MongoDB."""
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
    """Return whether a second signal came, after which Scrapy listens for none."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _take_hangups_for_sigterm() -> None:
    """Take a closed terminal or a lost connection for SIGTERM: it is no reason to drop what is in
    hand.

    Whoever ignores SIGHUP, as nohup does, or handles it, is left alone. The shell and the kernel
    may both send one: the second must not end the process at once, as a second SIGTERM does.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _hang_up)


def _hang_up(*_: object) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.raise_signal(signal.SIGTERM)
