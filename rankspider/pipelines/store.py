"""Bring each record to the lake; an item leaves this pipeline when it is durable there."""

import asyncio
import logging
from collections.abc import Callable
from typing import Self

from pymongo.errors import OperationFailure
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.statscollectors import StatsCollector

from rankspider.configuration import Configuration
from rankspider.errors import RankspiderError
from rankspider.items import Item, RejectedItem
from rankspider.lake.client import connect
from rankspider.lake.collections import DERIVED, identity_of
from rankspider.lake.documents import steps_of, writes_of
from rankspider.lake.mending import make_whole
from rankspider.lake.opening import open_lake
from rankspider.lake.pending import WriteRefused
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer
from rankspider.memory.local import Known, Record
from rankspider.memory.widening import Leaving, Widening, catch_up
from rankspider.pipelines.rejections import Rejections, tell_counts
from rankspider.pipelines.validate import rejected

logger = logging.getLogger(__name__)

# Some bulks' worth; more would only take memory.
_MOST_UNDER_WAY = 4000
# Fewer, larger batches cost the worker and the server less; and each state of the list writes the
# same places of it again, of which those that wait together are written once.
_PAUSE_SECONDS = 0.2
_JOINING_PAUSE_SECONDS = 0.4


class StorePipeline:
    """Writes what MongoDB can hold, and quarantines what it refuses."""

    def __init__(
        self, crawler: Crawler, stats: StatsCollector, configuration: Configuration
    ) -> None:
        assert configuration.mongo_uri is not None  # the crawl command has seen to it
        self._crawler = crawler
        self._stats = stats
        self._uri = configuration.mongo_uri
        self._database = configuration.mongo_database
        self._retention = configuration.retention
        # With an archive nothing is in the lake that no archived answer says; what was seen of a
        # record may be of an answer that is still on its way there.
        self._is_archived = configuration.archive
        self._rejections = Rejections()
        self._widening: Widening | None = None
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        return cls(crawler, crawler.stats, Configuration.read(crawler.settings))

    async def open_spider(self) -> None:
        try:
            await self.open()
        except RankspiderError as error:
            logger.error("%s", error)
            raise CloseSpider("error") from None

    async def open(self) -> None:
        """Connect, and bring the lake up to this version. Raises `RankspiderError`."""
        # The client belongs to the running loop, so it is made here.
        self._client = connect(self._uri)
        database = self._client[self._database]
        self._writer = Writer(database, is_all_there=self._is_all_there, least_pause=_least_pause)
        try:
            await self._writer.patiently(lambda: open_lake(database, self._retention))
            lake = await self._writer.patiently(lambda: identity_of(database))
        except OperationFailure as error:
            raise RankspiderError(
                f"the indexes of {self._database} cannot be made: {error}"
            ) from None
        spider = self._crawler.spider
        if spider is not None:  # a replay has none
            spider.lake = lake  # type: ignore[attr-defined]
            spider.is_lake_away = lambda: self._writer.is_away  # type: ignore[attr-defined]
            spider.make_lake_whole = self._make_whole  # type: ignore[attr-defined]
            self._widening = Widening(spider.known, self._writer, spider.tell_fleet)  # type: ignore[attr-defined]

    def _is_all_there(self) -> bool:
        spider = self._crawler.spider
        return spider is not None and spider.is_only_storing()  # type: ignore[attr-defined]

    async def _make_whole(self) -> None:
        database = self._client[self._database]
        count = await self._writer.patiently(lambda: make_whole(database, self._writer))
        self._stats.inc_value("rank/lake/made_whole", count)
        logger.info("After a worker was cut off: %d documents brought up to their history", count)

    async def process_item(self, item: Item) -> Item:
        """Return when ``item`` is durable, or, if the spider waits for that itself, when there is
        room for it among those on their way."""
        known: Known | None = getattr(self._crawler.spider, "known", None)
        record = known.record_of(item) if known is not None else None
        if known is None or record is None:
            await self._store(item)
        elif isinstance(item, RejectedItem):
            await self._bring(item, known, record)
        else:
            await self._room.acquire()
            task = asyncio.create_task(self._bring(item, known, record))
            self._under_way.add(task)
            task.add_done_callback(self._arrived)
        return item

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.release()
        if not task.cancelled():
            task.exception()  # whoever waits for the item has it

    async def _bring(self, item: Item, known: Known, record: Record) -> None:
        try:
            await catch_up(known, self._writer, record)
            if self._is_archived or record.trace is None:
                await self._store(item)
            else:
                leaving = Leaving(known, record)
                await self._store(item, leaving.renewed)
                leaving.arrived()
        except BaseException as error:
            known.forget(record, error)
            if not isinstance(item, RejectedItem):
                self._stats.inc_value(f"rank/{item.kind}/lost")
            raise
        known.stored(record)
        self._crawler.spider.tell_fleet(record)  # type: ignore[union-attr]

    async def _store(self, item: Item, renewed: Callable[[Write], Write] | None = None) -> None:
        try:
            first, then = steps_of(writes_of(item))
            await self._writer.write(*first, then=then, renewed=renewed)
        except WriteRefused as refused:
            if isinstance(item, RejectedItem):
                raise
            self._stats.inc_value(f"rank/{item.kind}/rejected")
            record = rejected(item, "MongoDB refused it")
            record.detail = str(refused)
            self._rejections.note(record)
            await self._writer.write(*writes_of(record))
            return
        if not isinstance(item, RejectedItem):
            self._stats.inc_value(f"rank/{item.kind}/stored")

    async def close_spider(self) -> None:
        spider = self._crawler.spider
        if spider is not None and spider.cut_off is not None:  # type: ignore[attr-defined]
            await spider.cut_off.close()  # type: ignore[attr-defined]
        if self._under_way:
            await asyncio.wait(self._under_way)
        if spider is not None:  # a replay says itself what came of it
            tell_counts(self._stats)
        try:
            if self._widening is not None:
                await self._widening.close()
        finally:
            await self._writer.close()
            await self._client.close()


def _least_pause(collection: str) -> float:
    return _JOINING_PAUSE_SECONDS if collection in DERIVED else _PAUSE_SECONDS
