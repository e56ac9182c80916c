"""The crawl's own pipelines, fed without a crawl."""

import asyncio
from typing import Self

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings, Settings
from scrapy.statscollectors import StatsCollector

from rankspider.errors import RankspiderError
from rankspider.items import Item
from rankspider.pipelines.store import StorePipeline
from rankspider.pipelines.validate import ValidatePipeline

# As many writes as fill some bulks; more would only take memory.
_MOST_UNDER_WAY = 2000


class Store:
    """Validates items and writes them to the lake that ``settings`` name.

    A context manager; leaving it sees every write through. Dedupe has no part in it: what it
    knows is of another lake.
    """

    def __init__(self, settings: BaseSettings) -> None:
        crawler = Crawler(Spider, Settings(settings.copy_to_dict()))
        crawler.stats = self._stats = StatsCollector(crawler)
        self._validate = ValidatePipeline.from_crawler(crawler)
        self._store = StorePipeline.from_crawler(crawler)
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._store.open()
        except RankspiderError:
            await self._store.close_spider()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._store.close_spider()

    def stored(self) -> dict[str, int]:
        """Records written, by kind, and the ``rejected`` among them."""
        counts: dict[str, int] = {"rejected": 0}
        for name, count in self._stats.get_stats().items():
            _, kind, outcome = name.split("/")
            if outcome == "stored":
                counts[kind] = count
            elif outcome == "rejected":
                counts["rejected"] += count
        return counts

    def validated(self, item: Item) -> Item:
        """``item``, or the `RejectedItem` in its place."""
        return self._validate.process_item(item)

    async def put(self, item: Item) -> None:
        """Begin to write ``item``, once there is room. Raises what an earlier one ended with."""
        await self._room.acquire()
        self._raise_error()
        task = asyncio.create_task(self._write(item))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def flush(self) -> None:
        """Return when all that was put is durable."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        self._raise_error()

    async def _write(self, item: Item) -> None:
        await self._store.process_item(item)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
