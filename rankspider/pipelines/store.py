"""Bring each record to the lake; an item leaves this pipeline when it is durable there."""

import asyncio
import logging
from typing import Self

from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.statscollectors import StatsCollector

from rankspider.dedupe.news import Dedupe
from rankspider.dedupe.record import Record, record_of
from rankspider.errors import RankspiderError
from rankspider.items import Item, RejectedItem
from rankspider.lake.store import Store
from rankspider.pipelines.rejections import Rejections, tell_counts

logger = logging.getLogger(__name__)

# Some bulks' worth; more would only take memory.
_MOST_UNDER_WAY = 4000


class StorePipeline:
    """Writes what MongoDB can hold, and quarantines what it refuses."""

    def __init__(self, crawler: Crawler, stats: StatsCollector) -> None:
        self._crawler = crawler
        self._stats = stats
        self._rejections = Rejections()
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        return cls(crawler, crawler.stats)

    @property
    def _store(self) -> Store:
        store: Store = self._crawler.spider.store  # type: ignore[union-attr]
        return store

    @property
    def _dedupe(self) -> Dedupe:
        dedupe: Dedupe = self._crawler.spider.dedupe  # type: ignore[union-attr]
        return dedupe

    async def open_spider(self) -> None:
        try:
            await self._store.open()
        except RankspiderError as error:
            logger.error("%s", error)
            raise CloseSpider("error") from None

    async def process_item(self, item: Item) -> Item:
        """Return when ``item`` is durable, or, if somebody waits for its record, when there is room
        for it among those on their way."""
        record = record_of(item)
        if record is None or record.ended.done():
            await self._put(item, None)
            return item
        record.is_taken = True
        await self._room.acquire()
        task = asyncio.create_task(self._bring(item, record))
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return item

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.release()
        if not task.cancelled():
            task.exception()  # whoever waits for the record has it

    async def _bring(self, item: Item, record: Record) -> None:
        try:
            # A list is not shown as one before it is there as a whole.
            if record.after:
                await asyncio.gather(*record.after)
            if record.behind is not None:
                await asyncio.wait([record.behind])
            await self._put(item, record)
        except BaseException as error:
            self._dedupe.lost(record, error)
            if not isinstance(item, RejectedItem):
                self._stats.inc_value(f"rank/{item.kind}/lost")
            raise
        self._dedupe.stored(record)

    async def _put(self, item: Item, record: Record | None) -> None:
        if record is None:
            rejected = await self._store.put(item)
        else:
            rejected = await self._store.put(item, is_late=record.is_late, stay=record.seen_until)
        if rejected is not None:
            self._stats.inc_value(f"rank/{item.kind}/rejected")
            self._rejections.note(rejected)
        elif not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/stored")

    async def close_spider(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._crawler.spider.settled()  # type: ignore[union-attr]
        tell_counts(self._stats)
        await self._store.close()
