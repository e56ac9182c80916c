"""Compressed answers over a real socket: asked for, and read, each way there is."""

from collections.abc import Callable
from typing import Any

from redis import Redis

from rankspider.simulator.world import World
from tests.support.crawls import assert_accounted_for, crawl, endpoint, left_over, sec_uids
from tests.support.simulators import Simulator


def test_gzip_brotli_and_zstd_are_asked_for_and_read(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "50", "--encoding", "mixed")
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(40))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert_accounted_for(ended)
    assert ended.stats["rank/answers/ok"] == 40
    # The simulator compresses only as it is asked to: one in four is left plain.
    assert ended.stats["httpcompression/response_count"] == 30
    world = World(seed=1, anchors=50, rows=3)
    asked = {str(world.anchor(n).user_id) for n in range(40)}
    assert asked <= set(database.ranks.distinct("user_id"))
    assert left_over(redis_client, queue_key) == []


def test_gzip_needs_nothing_of_scrapys(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "50", "--gzip"))
    redis_client.rpush(queue_key, *sec_uids(20))
    asked = 'DEFAULT_REQUEST_HEADERS={"Accept-Encoding": "gzip"}'
    environment["RANK_MAX_DELIVERIES"] = "1"
    ended = crawl(environment, "-s", "COMPRESSION_ENABLED=0", "-s", asked)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/answers/ok"] == 20
    assert ended.stats["httpcompression/response_count"] == 20
