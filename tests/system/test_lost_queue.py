"""A queue that Redis lost is no drained queue."""

from pathlib import Path

from redis import Redis

from tests.support.crawls import crawling, letters, sec_uids
from tests.support.redis_servers import local_redis
from tests.support.scripted_endpoint import http, sample_for, scripted
from tests.support.waiting import until


def test_a_lost_queue_is_said_and_what_was_in_hand_is_asked_all_the_same(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    is_held = True
    members = sec_uids(200)

    def script(anchor: str, _: int) -> bytes:
        if anchor in members[20:]:
            until(lambda: not is_held)
        return http(sample_for(anchor))

    redis_client.rpush(queue_key, *members)
    with scripted(script) as server:
        environment = {
            **environment,
            "RANK_API_URL": server.url,
            "RANK_API_TOKENS": "one",
            "RANK_STOP_WHEN_DRAINED": "1",
        }
        with crawling(environment) as process:
            until(lambda: len(server.asked) >= 36)
            redis_client.delete(*redis_client.keys(f"*{queue_key}*"))
            is_held = False
            log = process.communicate(timeout=120)[1]
    assert process.returncode == 5, log
    assert "Redis lost the queue" in log
    assert members[30] in log
    assert "acknowledgements came too late" not in log
    assert "'rank/queue/lost': 1" in log
    assert letters(redis_client, queue_key) == {}


def test_a_queue_that_is_cleared_by_hand_is_drained(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    is_held = True

    def script(anchor: str, _: int) -> bytes:
        until(lambda: not is_held)
        return http(sample_for(anchor))

    redis_client.rpush(queue_key, *sec_uids(100))
    with scripted(script) as server:
        environment = {
            **environment,
            "RANK_API_URL": server.url,
            "RANK_API_TOKENS": "one",
            "RANK_STOP_WHEN_DRAINED": "1",
        }
        with crawling(environment) as process:
            until(lambda: len(server.asked) >= 16)
            redis_client.delete(queue_key)
            is_held = False
            log = process.communicate(timeout=120)[1]
    assert process.returncode == 0, log
    assert "Redis lost the queue" not in log
    assert "anchors that waited were taken off the queue by somebody who is no worker" in log


def test_a_queue_that_redis_evicts_is_lost(
    environment: dict[str, str], tmp_path: Path, queue_key: str
) -> None:
    """Redis has room for all the workers need, but no longer for what waits."""
    is_held = True

    def script(anchor: str, _: int) -> bytes:
        until(lambda: not is_held)
        return http(sample_for(anchor))

    policy = ["maxmemory-policy allkeys-lru", "maxmemory-samples 64"]
    with (
        scripted(script) as server,
        local_redis(tmp_path / "redis", policy) as redis,
        Redis(port=redis.port) as client,
    ):
        client.rpush(queue_key, *sec_uids(5000))
        environment = {
            **environment,
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}",
            "RANK_API_URL": server.url,
            "RANK_API_TOKENS": "one",
            "RANK_STOP_WHEN_DRAINED": "1",
        }
        with crawling(environment) as process:
            until(lambda: len(server.asked) >= 16)
            # The one that was used least lately, as nobody takes while all wait.
            until(lambda: client.object("idletime", queue_key) > 1)
            for key in client.keys(f"*{queue_key}*"):
                if key != queue_key.encode():
                    client.touch(key)
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 50_000)
            until(lambda: not client.exists(queue_key))
            client.config_set("maxmemory", 0)
            is_held = False
            log = process.communicate(timeout=120)[1]
    assert process.returncode == 5, log
    assert "Redis lost the queue" in log
    assert "it has evicted keys" in log
