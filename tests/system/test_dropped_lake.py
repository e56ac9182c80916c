"""A database, or a collection, that somebody drops while a worker stores into it."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from rankspider.simulator.world import World
from tests.support.crawls import Crawl, crawling, endpoint, letters, sec_uids
from tests.support.simulators import Simulator
from tests.support.waiting import until

ANCHORS = 200


@pytest.mark.parametrize("dropped", ["the database", "ranks", "users", "snapshots"])
def test_nothing_is_acknowledged_into_what_is_gone(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    dropped: str,
) -> None:
    """All anchors are pushed once more after the drop, so each must be there in the end: what was
    remembered of the lake must not keep any from being stored."""
    simulator = simulate("--rows", "5", "--anchors", str(ANCHORS), "--latency", "20")
    environment = endpoint(environment, simulator)
    environment |= {"RANK_STOP_WHEN_DRAINED": "0", "LOG_LEVEL": "WARNING"}
    redis_client.rpush(queue_key, *sec_uids(ANCHORS))
    with crawling(environment) as process:
        until(lambda: database.calls.count_documents({}) >= ANCHORS // 2)
        if dropped == "the database":
            database.client.drop_database(database.name)
        else:
            database[dropped].drop()
        redis_client.rpush(queue_key, *sec_uids(ANCHORS))
        asked = {
            str(World(seed=1, anchors=ANCHORS, rows=5).anchor(n).user_id) for n in range(ANCHORS)
        }
        until(lambda: asked <= set(database.ranks.distinct("user_id")))
        until(lambda: asked <= set(database.users.distinct("_id")))
        until(lambda: database.snapshots.count_documents({}) > 0)
        until(lambda: "hour_place" in database.ranks.index_information())
        process.terminate()
        log = process.communicate(timeout=60)[1]
    ended = Crawl(process.returncode, log)
    assert ended.returncode == 0, ended.log
    assert "dropped under this worker" in ended.log
    assert letters(redis_client, queue_key) == {}
