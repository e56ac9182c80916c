"""What people know from Scrapy's documentation works here: feeds, parts of one's own, commands."""

import csv
import json
import os
import signal
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support import processes
from tests.support.crawls import Crawl, crawl, endpoint, left_over, sec_uids, start_worker
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator
from tests.support.waiting import until

ANCHORS = 20
MINE = """
from itemadapter import ItemAdapter
from scrapy import Spider, signals
from scrapy.exceptions import DropItem


class ToDict:
    def process_item(self, item):
        return {**ItemAdapter(item).asdict(), "noted": "by hand"}


class Passing:
    def process_item(self, item):
        return item


class Stamping:
    def process_request(self, request):
        request.headers["X-Mine"] = "1"


class Watching:
    def __init__(self, stats):
        self.stats = stats

    @classmethod
    def from_crawler(cls, crawler):
        extension = cls(crawler.stats)
        crawler.signals.connect(extension.item_scraped, signals.item_scraped)
        return extension

    def item_scraped(self, item):
        self.stats.inc_value("mine/scraped")


class Addon:
    def update_settings(self, settings):
        settings.set_in_component_priority_dict("ITEM_PIPELINES", Passing, 350)
"""


@pytest.fixture
def world(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> dict[str, str]:
    """An endpoint, anchors on the queue, and a module of the user's own parts on the path."""
    (tmp_path / "mine.py").write_text(MINE)
    redis_client.rpush(queue_key, *sec_uids(ANCHORS))
    simulator = simulate("--rows", "5", "--anchors", "60")
    return {**endpoint(environment, simulator), "PYTHONPATH": str(tmp_path)}


def settled(ended: Crawl, redis_client: Redis, queue_key: str) -> None:
    assert ended.returncode == 0, ended.log
    assert "Traceback" not in ended.log
    assert ended.stats["rank/anchors/acked"] == ANCHORS
    assert left_over(redis_client, queue_key) == []


def with_settings(world: dict[str, str], tmp_path: Path, more: str) -> dict[str, str]:
    """As if ``more`` stood in the project's settings.py."""
    (tmp_path / "my_settings.py").write_text(f"from rankspider.settings import *\n{more}\n")
    return {**world, "SCRAPY_SETTINGS_MODULE": "my_settings"}


def rows_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    if path.suffix == ".json":
        return list(json.loads(text))
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    return [{field.tag: field.text for field in item} for item in ElementTree.fromstring(text)]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "xml"])
def test_a_feed_has_one_flat_row_an_item(
    world: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
    form: str,
) -> None:
    out = tmp_path / f"out.{form}"
    ended = crawl(world, "-O", str(out))
    settled(ended, redis_client, queue_key)
    rows = rows_of(out)
    assert len(rows) == ended.stats["item_scraped_count"]
    standings = [row for row in rows if row["kind"] == "rows"]
    assert {row["user_id"] for row in standings} == set(database.ranks.distinct("user_id"))
    nicknames = {row["nickname"] for row in rows if row["kind"] == "users"}
    assert nicknames == set(database.users.distinct("nickname"))
    for row in standings:
        assert row["list_currency"] == "热度"
        assert row["begin_time"].endswith(":00:00.000Z")
        assert int(row["score"]) >= 0
        assert not {"record", "fingerprint", "ranked_list"} & row.keys()


@pytest.mark.parametrize(
    "more",
    [
        'ITEM_PIPELINES = {"mine.ToDict": 50}',
        'ITEM_PIPELINES = {"mine.ToDict": 200}',
        'ITEM_PIPELINES = {"mine.ToDict": 400}',
        'DOWNLOADER_MIDDLEWARES = {"mine.Stamping": 500}',
        'EXTENSIONS = {"mine.Watching": 500}',
        'ADDONS = {"mine.Addon": 100}',
    ],
)
def test_a_part_of_ones_own_beside_ours(
    world: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
    more: str,
) -> None:
    ended = crawl(with_settings(world, tmp_path, more))
    settled(ended, redis_client, queue_key)
    assert database.ranks.count_documents({}) >= ANCHORS
    assert database.users.count_documents({}) >= ANCHORS
    assert database.snapshots.count_documents({}) >= 1
    assert ended.stats.get("mine/scraped", 0) == ended.stats["item_scraped_count"] * (
        "Watching" in more
    )


def test_a_field_that_a_pipeline_adds_is_in_the_feed(
    world: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path
) -> None:
    mine = with_settings(world, tmp_path, 'ITEM_PIPELINES = {"mine.ToDict": 50}')
    out = tmp_path / "out.jsonl"
    settled(crawl(mine, "-O", str(out)), redis_client, queue_key)
    assert {row["noted"] for row in rows_of(out)} == {"by hand"}


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ('ITEM_PIPELINES={"mine.ToDict": 250}', ["ITEM_PIPELINES", "ValidatePipeline"]),
        ("ITEM_PIPELINES={}", ["ITEM_PIPELINES", "ValidatePipeline"]),
        (
            'ITEM_PIPELINES={"rankspider.pipelines.validate.ValidatePipeline": 1}',
            ["ITEM_PIPELINES", "StorePipeline"],
        ),
        ('SPIDER_MIDDLEWARES={"mine.Mw": 5}', ["SPIDER_MIDDLEWARES", "AcknowledgeMiddleware"]),
        ("EXTENSIONS={}", ["EXTENSIONS", "Worker"]),
        (
            'DOWNLOAD_HANDLERS={"https": "scrapy.core.downloader.handlers.http11.'
            'HTTP11DownloadHandler"}',
            ["DOWNLOAD_HANDLERS", "https"],
        ),
        ("JOBDIR=job", ["JOBDIR", "twice"]),
        ("SCHEDULER=scrapy_redis.scheduler.Scheduler", ["SCHEDULER"]),
        ("RANK_LEASE_SECOND=30", ["RANK_LEASE_SECOND", "did you mean RANK_LEASE_SECONDS?"]),
    ],
)
def test_a_setting_that_would_pay_in_vain_is_refused(
    world: dict[str, str], redis_client: Redis, queue_key: str, option: str, names: list[str]
) -> None:
    (Path(world["PYTHONPATH"]) / "mine.py").write_text(f"{MINE}\n\nclass Mw: pass\n")
    ended = crawl(world, "-s", option)
    assert ended.returncode == 2, ended.log
    last = ended.log.strip().splitlines()[-1]
    assert last.startswith("scrapy crawl: ")
    assert all(name in last for name in names)
    assert redis_client.llen(queue_key) == ANCHORS


def test_scrapyd_may_name_its_job(
    world: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    settled(crawl(world, "-a", "_job=abc"), redis_client, queue_key)


SCRIPT = """
import sys
from scrapy.crawler import {process}
from scrapy.utils.project import get_project_settings
from rankspider.spiders.goods_rank import GoodsRankSpider

if __name__ == "__main__":
    process = {process}({settings})
    process.crawl(GoodsRankSpider, drain="1")
    process.start()
"""


@pytest.mark.parametrize("process", ["CrawlerProcess", "AsyncCrawlerProcess"])
@pytest.mark.parametrize("settings", ["get_project_settings()", '{"LOG_LEVEL": "INFO"}'])
@pytest.mark.parametrize("own_servers", [True, False])
def test_from_a_script(
    world: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
    process: str,
    settings: str,
    own_servers: bool,
) -> None:
    (tmp_path / "run.py").write_text(SCRIPT.format(process=process, settings=settings))
    environment = {**world, "PYTHONPATH": str(ROOT), "RANK_DATA_DIR": str(tmp_path / "data")}
    if not own_servers:
        # Embedded ones come up by themselves; nothing waits there.
        del environment["REDIS_URL"], environment["MONGO_URI"]
    ended = processes.run(
        [sys.executable, str(tmp_path / "run.py")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    crawled = Crawl(ended.returncode, ended.stdout + ended.stderr)
    assert crawled.stats["finish_reason"] == "drained", crawled.log
    if own_servers:
        settled(crawled, redis_client, queue_key)


PLAIN_SPIDER = """
from scrapy import Spider


class Plain(Spider):
    name = "plain"

    async def start(self):
        if False:
            yield
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("settings", "--get", "BOT_NAME"),
        ("check",),
        ("fetch", "--nolog", "{url}"),
        ("shell", "--nolog", "-c", "response.status", "{url}"),
        ("parse", "--spider", "goods_rank", "{url}"),
        ("bench", "-s", "CLOSESPIDER_TIMEOUT=1"),
        ("runspider", "{spider}"),
        ("genspider", "-d", "basic"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_scrapys_own_commands_need_no_server(
    simulate: Callable[..., Simulator], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    simulator = simulate("--rows", "2", "--anchors", "10")
    (tmp_path / "plain.py").write_text(PLAIN_SPIDER)
    url = f"{simulator.url}/_simulator/stats"
    given = [each.format(url=url, spider=tmp_path / "plain.py") for each in arguments]
    # Nothing of the project's is set, and no server is to come up.
    known = {name: value for name, value in os.environ.items() if not name.startswith("RANK_")}
    environment = {**known, "RANK_DATA_DIR": str(tmp_path / "data")}
    ended = processes.run(
        scrapy(*given),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_sighup_ends_a_worker_as_sigterm_does(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "500")
    redis_client.rpush(queue_key, *sec_uids(60))
    worker = start_worker({**endpoint(environment, simulator), "RANK_STOP_WHEN_DRAINED": "0"})
    until(lambda: simulator.calls() >= 16)
    worker.send_signal(signal.SIGHUP)
    log = worker.communicate(timeout=60)[1]
    ended = Crawl(worker.returncode, log)
    assert ended.returncode == 0, log
    assert ended.stats["finish_reason"] == "shutdown"
    assert ended.stats["rank/anchors/acked"] + ended.stats["rank/anchors/released"] == 60 - (
        redis_client.llen(queue_key) - ended.stats["rank/anchors/released"]
    )
