"""Bring each record to the lake; an item leaves this pipeline when it is on its way there."""

import asyncio
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.statscollectors import StatsCollector

from rankspider.crawl.worker import Worker
from rankspider.dedupe.record import Record, record_of
from rankspider.items import Item, RejectedItem, item_of
from rankspider.pipelines.rejections import Rejections, log_counts

# Some bulks' worth; more would only take memory.
_MOST_UNDER_WAY = 4000


class StorePipeline:
    """Writes what MongoDB can hold, and quarantines what it refuses."""

    def __init__(self, worker: Worker, stats: StatsCollector) -> None:
        self._worker = worker
        self._stats = stats
        self._rejections = Rejections()
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        return cls(Worker.of(crawler), crawler.stats)

    async def process_item(self, given: Any) -> Any:
        """Return when ``given`` is durable, or, if somebody waits for its record, when there is
        room for it among those on their way."""
        if not self._worker.is_open:
            raise DropItem("no lake is open: only 'scrapy crawl' stores")
        item = item_of(given)
        record = record_of(item)
        if item is None:
            return given  # a user's own, of another kind
        if record is None or record.ended.done():
            await self._put(item, None)
            return given
        record.is_taken = True
        await self._room.acquire()
        task = asyncio.create_task(self._store(item, record))
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return given

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.release()
        if not task.cancelled():
            task.exception()  # whoever waits for the record has it

    async def _store(self, item: Item, record: Record) -> None:
        dedupe = self._worker.dedupe
        try:
            # A list is not shown as one before it is there as a whole.
            if record.after:
                await asyncio.gather(*record.after)
            if record.behind is not None:
                await asyncio.wait([record.behind])
            await self._put(item, record)
        except BaseException as error:
            dedupe.lost(record, error)
            if not isinstance(item, RejectedItem):
                self._stats.inc_value(f"rank/{item.kind}/lost")
            raise
        dedupe.stored(record)

    async def _put(self, item: Item, record: Record | None) -> None:
        store = self._worker.store
        if record is None:
            rejected = await store.put(item)
        else:
            rejected = await store.put(item, is_late=record.is_late, stay=record.seen_until)
        if rejected is not None:
            self._stats.inc_value(f"rank/{item.kind}/rejected")
            self._rejections.note(rejected)
        elif not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/stored")

    async def close_spider(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        log_counts(self._stats)
