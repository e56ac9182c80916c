"""What a worker does last: it writes until when it saw what has not changed."""

import datetime as dt
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.embedded import embedded_servers
from tests.conftest import ROOT, Crawl, Simulator, crawl, scrapy
from tests.test_crawl import endpoint, left_over, sec_uids
from tests.test_stopping import suspended, wait_until

ANCHORS = 150


class AtItsEnd:
    """A worker that has stored all anchors, drained the queue, and writes the times."""

    def __init__(self, mongo_uri: str, worker: "subprocess.Popen[bytes]", log: Path) -> None:
        self.mongo_uri = mongo_uri
        self.worker = worker
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def has_said(self, words: str) -> bool:
        return words in self.log

    def wait(self, seconds: float) -> None:
        self.worker.wait(timeout=seconds)
        assert self.worker.returncode == 0, self.log

    def unwritten(self, record: Path) -> int:
        """How many of the anchors' users lag behind when they were served last."""
        with MongoClient(self.mongo_uri, tz_aware=True) as client:
            stored = {
                user["sec_uid"]: user["observed_at"]
                for user in client["rankspider"].users.find({"sec_uid": {"$in": sec_uids(ANCHORS)}})
            }
        assert len(stored) == ANCHORS
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        served = {line["asked"]: line["now"] for line in sorted(lines, key=itemgetter("now"))}
        moments = {
            asked: dt.datetime.fromtimestamp(now / 1000, dt.UTC) for asked, now in served.items()
        }
        return sum(moments[asked] > stored[asked] for asked in stored)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def at_its_end(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
    record: Path,
) -> Iterator[Callable[[], Any]]:
    simulator = simulate(
        *("--rows", "3", "--anchors", str(ANCHORS), "--start", "2026-01-05T10:10:00Z"),
        *("--change-seconds", "3600", "--record", str(record)),
    )
    environment = {**endpoint(environment, simulator), "RANK_SHUTDOWN_SECONDS": "1"}

    @contextmanager
    def begin() -> Iterator[AtItsEnd]:
        with embedded_servers(tmp_path, redis=False, mongo=True) as servers:
            assert servers.mongo_uri is not None
            asked = {**environment, "MONGO_URI": servers.mongo_uri, "MONGO_DATABASE": "rankspider"}
            redis_client.rpush(queue_key, *sec_uids(ANCHORS))
            crawl(asked)
            redis_client.rpush(queue_key, *sec_uids(ANCHORS))
            log = tmp_path / "log"
            with log.open("w") as lines:
                command = scrapy("crawl", "goods_rank")
                worker = subprocess.Popen(command, cwd=ROOT, env=asked, stderr=lines)
            try:
                end = AtItsEnd(servers.mongo_uri, worker, log)
                wait_until(lambda: end.has_said("Closing spider (drained)"))
                yield end
            finally:
                worker.kill()
                worker.wait()
        assert left_over(redis_client, queue_key) == []

    yield begin


def test_one_signal_lets_it_write_the_times(at_its_end: Any, record: Path) -> None:
    """Though the time for anchors in hand runs out: none is."""
    with at_its_end() as end:
        with suspended(end.mongo_uri):
            end.worker.terminate()
            time.sleep(3)
            assert end.worker.poll() is None
        assert end.unwritten(record) > 0
        end.wait(60)
        assert end.has_said("Spider closed (drained)")
        assert Crawl(0, end.log).stats["finish_reason"] == "drained"
        assert not end.has_said("RANK_SHUTDOWN_SECONDS)")
        assert not end.has_said("Traceback")
        assert end.unwritten(record) == 0


def test_a_second_signal_ends_it_at_once(at_its_end: Any, record: Path) -> None:
    with at_its_end() as end:
        with suspended(end.mongo_uri):
            end.worker.terminate()
            wait_until(lambda: end.has_said("Received SIGTERM"))
            end.worker.send_signal(signal.SIGINT)
            end.wait(10)
        assert end.unwritten(record) > 0


def test_without_mongodb_it_ends_and_says_what_is_missing(at_its_end: Any, record: Path) -> None:
    with at_its_end() as end:
        with suspended(end.mongo_uri):
            end.worker.terminate()
            end.wait(45)
        assert end.has_said("MongoDB does not take until when")
        assert Crawl(0, end.log).stats["finish_reason"] == "shutdown"
        assert not end.has_said("Traceback")
        assert not end.has_said("Task was destroyed")
        assert end.unwritten(record) > 0
