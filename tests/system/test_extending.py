"""A user's own parts beside ours: what they change or leave out holds no anchor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.crawls import Crawl, crawl, endpoint, left_over, sec_uids
from tests.support.simulators import Simulator

PARTS = '''
import copy
import dataclasses

from scrapy.exceptions import DropItem

from rankspider.items import ListItem, UserItem


class Replacing:
    """Returns another object, as Scrapy allows."""

    def process_item(self, item):
        return dataclasses.replace(item)


class Copying:
    def process_item(self, item):
        return copy.copy(item)


class Choosy:
    def process_item(self, item):
        if isinstance(item, UserItem):
            raise DropItem("not wanted")
        return item


class Filtering:
    """Keeps some items out, as the documentation shows it."""

    async def process_spider_output(self, response, result):
        async for item in result:
            if not isinstance(item, (UserItem, ListItem)):
                yield item
'''


@pytest.fixture
def crawled(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> Callable[[str, str, int], Crawl]:
    """A crawl of some anchors, each asked for twice, with one more part of a setting."""

    def run(setting: str, name: str, priority: int) -> Crawl:
        (tmp_path / "my_parts.py").write_text(PARTS)
        simulator = simulate("--rows", "5", "--anchors", "100", "--change-every", "15")
        mine = {**endpoint(environment, simulator), "PYTHONPATH": str(tmp_path)}
        redis_client.rpush(queue_key, *sec_uids(40))
        own = f"from rankspider.settings import *\n{setting} = {{'my_parts.{name}': {priority}}}\n"
        (tmp_path / "my_settings.py").write_text(own)
        ended = crawl({**mine, "SCRAPY_SETTINGS_MODULE": "my_settings"})
        assert ended.returncode == 0, ended.log
        assert ended.stats["rank/anchors/acked"] == 40
        assert left_over(redis_client, queue_key) == []
        return ended

    return run


@pytest.mark.parametrize("name", ["Replacing", "Copying"])
@pytest.mark.parametrize("priority", [20, 150, 250])
def test_a_pipeline_that_returns_a_copy(
    crawled: Callable[[str, str, int], Crawl], database: Any, name: str, priority: int
) -> None:
    crawled("ITEM_PIPELINES", name, priority)
    assert database.ranks.count_documents({}) >= 40
    assert database.snapshots.count_documents({}) > 1
    assert database.calls.count_documents({"outcome": "ok"}) == 40


def test_a_pipeline_that_drops_items(
    crawled: Callable[[str, str, int], Crawl], database: Any
) -> None:
    crawled("ITEM_PIPELINES", "Choosy", 150)
    assert database.users.count_documents({}) == 0
    assert database.snapshots.count_documents({}) > 1


def test_a_spider_middleware_that_keeps_items_out(
    crawled: Callable[[str, str, int], Crawl], database: Any
) -> None:
    crawled("SPIDER_MIDDLEWARES", "Filtering", 500)
    assert database.users.count_documents({}) == 0
    assert database.snapshots.count_documents({}) == 0
    assert database.ranks.count_documents({}) >= 40
