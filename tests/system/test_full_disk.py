"""A disk that fills up under the embedded MongoDB: real servers on a small tmpfs."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis

from rankspider.embedded import embedded_servers
from tests.support.crawls import ended, endpoint, letters, sec_uids, start_worker
from tests.support.embedded_homes import home_in
from tests.support.lake_records import assert_follows_from_history
from tests.support.simulators import Simulator
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import until

ROW = b"x" * 4000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=120) as disk:
        yield disk


def _server(disk: SmallDisk) -> int | None:
    """Its process id."""
    with home_in(disk.path, "mongo").lock("server") as lock:
        return lock.signer()


def _inserted(rows: Any, number: int) -> bool:
    rows.insert_one({"_id": number, "row": ROW})
    return True


def test_a_server_that_can_do_nothing_more_is_started_again(disk: SmallDisk) -> None:
    """SecantusDB stays after its storage has stopped, and answers each command with an error."""
    with (
        embedded_servers(disk.path, redis=False, mongo=True) as servers,
        MongoClient[dict[str, Any]](servers.mongo_uri) as client,
    ):
        rows = client.lake.rows
        rows.insert_one({"_id": "before"})
        numbers, first = count(), _server(disk)

        def is_started_again() -> bool:  # the log has no room to say so
            with suppress(PyMongoError):
                _inserted(rows, next(numbers))
            return _server(disk) != first

        with disk.full():
            until(is_started_again)
        until(lambda: _inserted(rows, -1))
        assert rows.find_one({"_id": "before"})


ANCHORS = 300
FULL_SECONDS = 20.0


def test_twenty_seconds_cost_no_anchor(
    disk: SmallDisk,
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> None:
    """The disk fills up while a worker stores, and the server is killed in the end, so that it has
    nothing but what is on the disk."""
    record = tmp_path / "record.jsonl"
    options = ("--rows", "300", "--anchors", str(ANCHORS), "--latency", "500")
    simulator = simulate(*options, "--change-seconds", "0.5", "--record", str(record))
    with (
        embedded_servers(disk.path, redis=False, mongo=True) as servers,
        MongoClient[dict[str, Any]](servers.mongo_uri, tz_aware=True) as client,
    ):
        environment = {
            **endpoint(environment, simulator),
            "MONGO_URI": str(servers.mongo_uri),
            "CONCURRENT_REQUESTS": "8",
        }
        database = client[environment["MONGO_DATABASE"]]
        redis_client.sadd(queue_key, *sec_uids(ANCHORS))
        worker = start_worker(environment)
        until(lambda: bool(database.calls.find_one()))
        first = _server(disk)
        with disk.full():
            until(lambda: _server(disk) != first)  # it was harmed, and started again
            time.sleep(FULL_SECONDS)  # as an operator takes to make room
        crawl = ended(worker)
        assert crawl.returncode == 0, crawl.log[-5000:]
        server = _server(disk)
        assert server is not None
        os.kill(server, signal.SIGKILL)
        until(lambda: bool(database.calls.find_one()))

        assert letters(redis_client, queue_key) == {}
        calls = Counter(json.loads(line)["asked"] for line in record.read_text().splitlines())
        assert max(calls.values()) <= 2
        again = sum(calls.values()) - ANCHORS
        assert again == crawl.stats.get("rank/anchors/released", 0) == 0
        assert database.rejected.count_documents({}) == 0
        assert database.calls.count_documents({"outcome": "ok"}) == ANCHORS
        assert_follows_from_history(database)
        stored = crawl.stats["rank/rows/stored"]
        assert database.rank_history.count_documents({}) == stored, "acknowledged, and not there"
        for call in database.calls.find({"outcome": "ok"}):
            assert database.snapshots.find_one({"_id": call["list_state"]}), call
            assert database.user_history.find_one({"_id": call["profile"]}), call
