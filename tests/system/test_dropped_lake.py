"""A database or a collection is dropped under running workers."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.lake.collections import INDEXES
from rankspider.lake.validators import SCHEMAS
from tests.support.crawls import ended, endpoint, letters, sec_uids, start_worker
from tests.support.simulators import Simulator
from tests.support.waiting import until

ANCHORS = 300
CONCURRENCY = 4
# Of each worker: under way, or waiting until they are stored.
IN_HAND = (2 + 64) * CONCURRENCY


def left(client: Redis, queue_key: str) -> int:
    keys = Keys.of(queue_key)
    return int(client.scard(queue_key) + client.zcard(keys.leases) + client.zcard(keys.delayed))


@pytest.mark.parametrize("dropped", ["the database", "ranks", "rank_history", "snapshots"])
def test_it_is_made_anew_and_complete(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
    dropped: str,
) -> None:
    """The list stays as it is, so of most answers the fleet's memory says that all is stored."""
    record = tmp_path / "record.jsonl"
    options = ("--rows", "50", "--anchors", str(ANCHORS), "--latency", "100")
    simulator = simulate(*options, "--change-seconds", "3600", "--record", str(record))
    environment = {
        **endpoint(environment, simulator),
        "CONCURRENT_REQUESTS": str(CONCURRENCY),
        "LOG_LEVEL": "INFO",
    }
    redis_client.sadd(queue_key, *sec_uids(ANCHORS))
    workers = [start_worker(environment) for _ in range(2)]
    until(lambda: left(redis_client, queue_key) < ANCHORS * 2 / 3)
    if dropped == "the database":
        database.client.drop_database(database.name)
    else:
        database[dropped].drop()
    acknowledged = ANCHORS - left(redis_client, queue_key)
    crawls = [ended(worker) for worker in workers]

    assert [crawl.returncode for crawl in crawls] == [0, 0], crawls[0].log[-5000:]
    assert letters(redis_client, queue_key) == {}
    assert all("dropped under this worker" in crawl.log for crawl in crawls)
    there = {each["name"]: each for each in database.list_collections()}
    for name, schema in SCHEMAS.items():
        assert there[name]["options"]["validator"]["$jsonSchema"] == schema
        wanted = {index.document["name"] for index in INDEXES[name]}
        assert wanted <= database[name].index_information().keys(), name

    calls = Counter(json.loads(line)["asked"] for line in record.read_text().splitlines())
    assert max(calls.values()) <= 2
    assert sum(calls.values()) - ANCHORS <= 2 * IN_HAND
    assert acknowledged < ANCHORS  # else all was done before

    assert database.snapshots.count_documents({}) > 0
    for snapshot in database.snapshots.find():
        listed = set(snapshot["user_ids"])
        hour = {"begin_time": snapshot["begin_time"]}
        assert listed <= set(database.ranks.distinct("user_id", hour))
        assert listed <= set(database.rank_history.distinct("user_id", hour))
    for call in database.calls.find({"outcome": "ok"}):
        assert database.snapshots.find_one({"_id": call["list_state"]}), call
        assert database.ranks.find_one({"user_id": call["user_id"]}), call
        assert database.users.find_one({"_id": call["user_id"]}), call
