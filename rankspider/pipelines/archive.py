"""Keep answers as they came; an answer leaves this pipeline when it is durable."""

import logging
from typing import Self

from pymongo.errors import OperationFailure
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, DropItem, NotConfigured
from scrapy.statscollectors import StatsCollector

from rankspider.archive.answers import AnswerItem
from rankspider.archive.keeping import Archive
from rankspider.configuration import Configuration
from rankspider.connections.mongo import connect
from rankspider.items import Item
from rankspider.lake.collections import ensure_archive_indexes
from rankspider.lake.writer import Writer

logger = logging.getLogger(__name__)


class ArchivePipeline:
    """Takes the answers out of the items; without ``RANK_ARCHIVE`` there is no such pipeline.

    It has a connection of its own, as `StorePipeline` has.
    """

    def __init__(self, stats: StatsCollector, uri: str, database: str, days: float) -> None:
        self._stats = stats
        self._uri = uri
        self._database = database
        self._days = days

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        configuration = Configuration.read(crawler.settings)
        if not configuration.archive:
            raise NotConfigured
        assert crawler.stats is not None
        assert configuration.mongo_uri is not None  # the crawl command has seen to it
        return cls(
            crawler.stats,
            configuration.mongo_uri,
            configuration.mongo_database,
            configuration.archive_days,
        )

    async def open_spider(self) -> None:
        self._client = connect(self._uri)
        database = self._client[self._database]
        self._writer = Writer(database)
        self._archive = Archive(self._writer.write, self._days)
        try:
            await self._writer.patiently(lambda: ensure_archive_indexes(database))
        except OperationFailure as error:
            logger.error("The indexes of %s cannot be made: %s", self._database, error)
            raise CloseSpider("error") from None

    async def process_item(self, item: Item | AnswerItem) -> Item:
        if not isinstance(item, AnswerItem):
            return item
        try:
            await self._archive.keep(item)
            item.is_durable = True
        finally:
            item.ended.set()
        self._stats.inc_value("rank/answers/archived")
        # It is done with: no other pipeline knows answers.
        raise DropItem("archived")

    async def close_spider(self) -> None:
        await self._writer.close()
        await self._client.close()
