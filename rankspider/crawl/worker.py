"""Own the objects of one worker, and the order in which they open and close."""

import asyncio
import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from redis.asyncio import Redis
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings
from scrapy.statscollectors import StatsCollector

from rankspider.archive.keeping import Archive
from rankspider.configuration import Configuration
from rankspider.connections import mongo
from rankspider.connections.redis import connect, connect_blocking
from rankspider.connections.redis_keys import Keys
from rankspider.crawl.calls import Calls
from rankspider.crawl.disk import DiskWatch
from rankspider.crawl.shutdown import Shutdown
from rankspider.dedupe.arbiter import Arbiter
from rankspider.dedupe.news import Dedupe
from rankspider.errors import ConfigurationError, RankspiderError
from rankspider.lake.store import LOOK_SECONDS, Store
from rankspider.licences.ledger import Change, Rates
from rankspider.licences.pool import LicencePool
from rankspider.licences.watch import TokensFile
from rankspider.queue.anchor_queue import AnchorQueue
from rankspider.queue.deliveries import Deliveries, Delivery
from rankspider.queue.repair import RepairDuty
from rankspider.servers import EMBEDDED_IN, reachable_servers
from rankspider.tasks import end
from rankspider.watch.mending import Mending
from rankspider.watch.reports import WatchReports
from rankspider.watch.turns import Turns
from rankspider.watch.watch_list import WatchList

logger = logging.getLogger(__name__)

# Anchors in hand for each call under way, so that the next is at hand when one ends.
_ROOM = 2
# And those that wait for MongoDB: they must not stop the others, and join in fewer, larger writes.
_STORING_ROOM = 64
# How often to ask anew when the hour ends: by then the endpoint's clock may be known better.
_CLOSINGS_SECONDS = 5.0


class Worker:
    """The extension that owns a worker's objects: whoever needs one gets it by `Worker.of`.

    It opens when the spider starts. A command that asks a spider without starting it, such as
    ``scrapy parse``, needs no server: then it stays closed, and nothing is stored.
    """

    deliveries: Deliveries
    licences: LicencePool
    store: Store
    dedupe: Dedupe
    repair: RepairDuty
    calls: Calls
    archive: Archive | None = None
    queue_key: str

    def __init__(self, crawler: Crawler, stats: StatsCollector) -> None:
        self.configuration = Configuration.read(crawler.settings)
        self.is_open = False
        self.is_stopping = False
        self._crawler = crawler
        self._stats = stats
        self._concurrency = crawler.settings.getint("CONCURRENT_REQUESTS")
        self._name = f"{platform.node()}:{os.getpid()}"
        self._shutdown = Shutdown(crawler, self.configuration.shutdown_seconds)
        self._opened = AsyncExitStack()
        self._ending: asyncio.Future[None] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        worker = cls(crawler, crawler.stats)
        crawler.signals.connect(worker.close, signals.spider_closed)
        return worker

    @staticmethod
    def of(crawler: Crawler) -> "Worker":
        """Return the worker of ``crawler``. Raises `ConfigurationError` if it has none."""
        worker = crawler.get_extension(Worker)
        if worker is None:
            raise ConfigurationError(f"EXTENSIONS: {Worker.__module__}.Worker is missing or off")
        return worker

    async def open(self, queue_key: str, *, serves_watch_list: bool = False) -> None:
        """Reach the servers, or bring up embedded ones, and begin to keep leases alive.

        Raises `RankspiderError` for a server that cannot be used.
        """
        for path in self.configuration.open_files:
            logger.warning("%s may be read by other users of this machine: chmod 600 it", path)
        self.queue_key = queue_key
        opened, keys, settings = self._opened, Keys.of(queue_key), BaseSettings()
        opened.callback(self._shutdown.closed)  # last of all: the others may wait for a server
        settings.update(self._crawler.settings)  # those of a crawl are frozen
        # In a thread, as it may wait; what a command has brought up is only looked at again.
        await asyncio.to_thread(
            opened.enter_context, reachable_servers(settings, self.configuration)
        )
        redis = connect(settings)
        opened.push_async_callback(redis.aclose)
        await self._open_store(settings["MONGO_URI"])
        self._redis, self._keys = redis, keys
        self._begin_to_remember()
        opened.push_async_callback(lambda: self.dedupe.close())
        self._open_licences(redis, keys)
        queue = AnchorQueue(
            redis,
            keys,
            owner=self._name,
            lease_seconds=self.configuration.lease_seconds,
            max_deliveries=self.configuration.max_deliveries,
            list_every=self.configuration.list_every if serves_watch_list else None,
        )
        self._open_deliveries(queue)
        self.repair = RepairDuty(queue, self._repair_lake)
        endpoint = self.configuration.api_url or ""
        objects = (self._stats, self.deliveries, self.licences, self.store)
        watch_reports = WatchReports(queue, lambda: self.deliveries.next_turn_in is not None)
        opened.push_async_callback(watch_reports.close)
        self.calls = Calls(self._name, endpoint, *objects, watch_reports)
        opened.push_async_callback(self.calls.settled)
        opened.push_async_callback(self.repair.close)
        watching = [self._watch_tokens(), self._log_deliveries(), self._watch_lake()]
        if serves_watch_list:
            watching.append(Mending(partial(self._watch_list, settings)).run())
        if folder := settings.get(EMBEDDED_IN):
            watching.append(DiskWatch(Path(folder)).watch())
        for each in watching:
            opened.push_async_callback(end, asyncio.create_task(each))
        self._shutdown.watch(self.deliveries, self.licences)
        self.is_open = True

    def serve_closings(self, ask: Callable[[Delivery], None]) -> None:
        """Have ``ask`` make the call of each look at the end of the endpoint's hour, at once."""
        self._opened.push_async_callback(end, asyncio.create_task(self._look_at_closings(ask)))

    async def _look_at_closings(self, ask: Callable[[Delivery], None]) -> None:
        margin = self.configuration.close_margin
        while margin and not self.is_stopping:
            deliveries, wait = await self.deliveries.take_closing(margin)
            for delivery in deliveries:
                ask(delivery)
            wait = _CLOSINGS_SECONDS if wait is None else wait
            await asyncio.sleep(min(wait, _CLOSINGS_SECONDS))

    @contextmanager
    def _watch_list(self, settings: BaseSettings) -> Iterator[WatchList]:
        """Yield the queue's watch list, by connections of its own: it is for another thread."""
        uri = settings["MONGO_URI"]
        with connect_blocking(settings) as redis, mongo.connect_blocking(uri) as client:
            database = client[self.configuration.mongo_database]
            yield WatchList(database, Turns(redis, self._keys), self.queue_key)

    async def _open_store(self, uri: str) -> None:
        self.store = Store(
            uri,
            self.configuration.mongo_database,
            self.configuration.retention,
            is_all_there=lambda: self.deliveries.are_only_storing,
            on_replaced=self._begin_to_remember,
        )
        await self.store.open(has_archive=self.configuration.archive)
        self._opened.push_async_callback(self.store.close)

    def _begin_to_remember(self) -> None:
        """Begin with what the fleet knows of the lake as it is now, and of no other before it."""
        stem = f"{self._keys.dedupe}:{self.store.identity}"
        self.dedupe = Dedupe(
            Arbiter(self._redis, stem, self.store.newest_observation),
            self.store.seen_later,
            keep_private=self.configuration.keep_private_fields,
            at_once=self._concurrency,
        )
        if self.configuration.archive:
            self.archive = Archive(self.store.write, self.configuration.archive_days)

    def _open_licences(self, redis: "Redis", keys: Keys) -> None:
        self.licences = LicencePool(
            redis,
            keys,
            self.configuration.api_tokens,
            rates=Rates(
                each=self.configuration.requests_per_second_per_token,
                total=self.configuration.requests_per_second,
            ),
            on_change=self._count_change,
            on_wait=lambda why, _: self._stats.inc_value(f"rank/licences/waits/{why}"),
        )
        self._opened.push_async_callback(self.licences.close)

    def _open_deliveries(self, queue: AnchorQueue) -> None:
        self.deliveries = Deliveries(
            queue,
            self._stats,
            room=_ROOM * self._concurrency,
            storing_room=self._storing_room,
            lease_seconds=self.configuration.lease_seconds,
            backoff_seconds=self.configuration.backoff_seconds,
            on_crash=lambda: self.stop("error"),
        )
        self.deliveries.start()
        seconds = self.configuration.shutdown_seconds
        self._opened.push_async_callback(self.deliveries.close, seconds)

    async def close(self) -> None:
        """Close in the reverse order what was opened, after Scrapy has closed the pipelines."""
        self.is_open = False
        await self._opened.aclose()

    def stop(self, reason: str) -> None:
        """End the crawl for ``reason``, as `CloseSpider` does from within the spider."""
        assert self._crawler.engine is not None
        if self.is_stopping:
            return
        self.is_stopping = True
        self.deliveries.stop()
        closing = self._crawler.engine.close_spider_async(reason=reason)
        self._ending = asyncio.ensure_future(closing)

    def _storing_room(self) -> int:
        # A kill would waste the calls that wait: none is added to them during an outage.
        return 0 if self.store.is_away else _STORING_ROOM * self._concurrency

    def _count_change(self, change: Change) -> None:
        self._stats.inc_value(f"rank/licences/{change.state}")

    async def _repair_lake(self) -> None:
        count = await self.store.repair_lake()
        self._stats.inc_value("rank/lake/made_whole", count)
        logger.info("After a worker was cut off: %d documents brought up to their history", count)

    async def _log_deliveries(self) -> None:
        """Log how much is in hand, as often as Scrapy tells how much it crawled, and why that may
        be nothing."""
        seconds = self._crawler.settings.getfloat("LOGSTATS_INTERVAL")
        while seconds:
            await asyncio.sleep(seconds)
            waiting = self.deliveries.answered
            asked = self.deliveries.in_hand - waiting
            if waiting:
                logger.info(
                    "Waiting for MongoDB: %d answered anchors in hand, beside %d to be answered",
                    waiting,
                    asked,
                )
            elif asked:
                logger.info("Waiting for the endpoint: %d anchors in hand", asked)
            else:
                logger.info("Waiting for anchors: none is ready in %s", self.queue_key)

    async def _watch_lake(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.store.look()
            except RankspiderError as error:
                logger.error("%s", error)
                return self.stop("error")

    async def _watch_tokens(self) -> None:
        path = self.configuration.tokens_file
        if path is not None:
            tokens = TokensFile(path, self.configuration.api_tokens)
            await tokens.watch(self.licences.set_tokens)
