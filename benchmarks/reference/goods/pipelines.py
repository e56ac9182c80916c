"""Validate, drop duplicates, store: after the examples in Scrapy's documentation."""

import hashlib
import json
from typing import Any, Self

from itemadapter import ItemAdapter
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from goods.items import RankItem, UserItem

Item = RankItem | UserItem


class ValidatePipeline:
    """Drops what lacks its identity or makes no sense."""

    def process_item(self, item: Item) -> Item:
        adapter = ItemAdapter(item)
        if not adapter["user_id"] or not adapter["sec_uid"]:
            raise DropItem("no user in it")
        if isinstance(item, RankItem) and (item.rank < 0 or item.score < 0):
            raise DropItem("rank or score below 0")
        return item


class DuplicatesPipeline:
    """Drops what this crawl has stored already."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def process_item(self, item: Item) -> Item:
        content = ItemAdapter(item).asdict()
        del content["observed_at"]
        digest = hashlib.sha1(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if digest in self.seen:
            raise DropItem("seen already")
        self.seen.add(digest)
        return item


class MongoPipeline:
    """The standing now, each standing there was, and the user now."""

    def __init__(self, uri: str, database: str) -> None:
        self.uri = uri
        self.database = database

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings["MONGO_URI"], crawler.settings["MONGO_DATABASE"])

    def open_spider(self) -> None:
        self.client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.uri)
        self.db = self.client[self.database]

    async def close_spider(self) -> None:
        await self.client.close()

    async def process_item(self, item: Item) -> Item:
        document = ItemAdapter(item).asdict()
        if isinstance(item, UserItem):
            await self.db.users.replace_one({"_id": item.user_id}, document, upsert=True)
            return item
        key = f"{item.begin_time}/{item.currency}/{item.title}/{item.subtitle}/{item.user_id}"
        await self.db.ranks.replace_one({"_id": key}, document, upsert=True)
        try:
            history_id = f"{key}/{item.rank}/{item.score}/{item.delta}"
            await self.db.rank_history.insert_one({"_id": history_id, **document})
        except DuplicateKeyError:
            pass  # this standing was stored before
        return item
