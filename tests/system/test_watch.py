"""A watch list served by workers, while they are killed and Redis is emptied."""

import datetime as dt
import signal
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.crawls import crawl, ended, endpoint, start_worker
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator
from tests.support.waiting import until

WATCHED = [synthetic_sec_uid(1, n) for n in range(3)]
PUSHED, RARE = synthetic_sec_uid(1, 40), synthetic_sec_uid(1, 9)

# A look at the list takes whoever is due next along.
TURNS = ("own", "list")


def watch(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(
        scrapy("watch", *words), cwd=ROOT, env=environment, check=True, capture_output=True
    ).stdout.decode()


@pytest.mark.long
def test_workers_serve_a_watch_list_beside_the_queue(
    environment: dict[str, str],
    database: Any,
    redis_client: Redis,
    queue_key: str,
    simulate: Callable[..., Simulator],
) -> None:
    environment = {
        **endpoint(environment, simulate("--anchors", "50", "--rows", "5")),
        "RANK_STOP_WHEN_DRAINED": "0",
        "RANK_LEASE_SECONDS": "2",
        "RANK_LIST_EVERY_SECONDS": "1",
    }
    keys = Keys.of(queue_key)

    def asked(anchors: Iterable[str | None], *purposes: str, after: Any = None) -> bool:
        query: dict[str, Any] = {"purpose": {"$in": purposes}, "outcome": "ok"}
        if after is not None:
            query["_id"] = {"$gt": after}
        found = set(database["calls"].distinct("anchor", query))
        return found >= set(anchors)

    def newest() -> Any:
        return database["calls"].find_one(sort=[("_id", -1)])["_id"]

    first = start_worker(environment)
    watch(environment, "add", *WATCHED, "--steady", "--every", "2s")
    until(lambda: asked(WATCHED, *TURNS), 60)
    until(lambda: database["calls"].count_documents({"purpose": "list"}) > 0, 60)
    first.kill()
    killed = newest()
    second = start_worker(environment)
    until(lambda: asked(WATCHED, *TURNS, after=killed), 60)

    redis_client.rpush(queue_key, PUSHED)
    until(lambda: asked([PUSHED], "queue"), 60)
    # One that is to drain the queue takes no turns, and does not wait for their end.
    drained = crawl(environment, "-a", "drain=1", timeout=120)
    assert drained.returncode == 0
    assert not any(name.startswith("rank/watch/") for name in drained.stats)

    redis_client.delete(*keys.of_script())
    emptied = newest()
    until(lambda: redis_client.hlen(keys.watched) == len(WATCHED), 60)
    until(lambda: asked(WATCHED, *TURNS, after=emptied), 60)

    # Nobody is due soon: the list is asked for alone.
    watch(environment, "pause", *WATCHED)
    watch(environment, "add", RARE, "--every", "1d", "--at-most", "1d")
    until(lambda: asked([None], "list"), 60)

    watch(environment, "remove", *WATCHED, RARE)
    second.send_signal(signal.SIGTERM)
    worker = ended(second)
    assert worker.returncode == 5  # Redis lost the queue
    assert worker.stats["rank/watch/own"] > 0
    assert not redis_client.exists(keys.turns, keys.watched, keys.held, keys.dead)


@pytest.mark.long
def test_the_end_of_the_endpoints_hour_overtakes_a_full_queue(
    environment: dict[str, str],
    database: Any,
    redis_client: Redis,
    queue_key: str,
    simulate: Callable[..., Simulator],
) -> None:
    """Two workers have half a minute's calls in hand when the hour ends; the endpoint's clock has
    nothing to do with theirs."""
    end = dt.datetime(2031, 1, 1, 12, tzinfo=dt.UTC)
    watch(environment, "add", RARE, "--every", "1d", "--at-most", "1d")
    redis_client.rpush(queue_key, *(synthetic_sec_uid(1, n) for n in range(10, 400)))
    simulator = simulate("--start", "2031-01-01T11:59:25Z", "--anchors", "400", "--rows", "5")
    environment = {
        **endpoint(environment, simulator),
        "RANK_STOP_WHEN_DRAINED": "0",
        "RANK_REQUESTS_PER_SECOND": "2",
    }
    start_worker(environment)
    start_worker(environment)

    def looks() -> list[dt.datetime]:
        found = database["calls"].find({"purpose": "close", "outcome": "ok"})
        return sorted(call["observed_at"] for call in found)

    late = {"observed_at": {"$gte": end + dt.timedelta(seconds=5)}}
    until(lambda: database["calls"].find_one(late) is not None, 120)
    before = [at for at in looks() if at < end]
    assert len(before) >= 2
    assert before[-1] > end - dt.timedelta(seconds=4)
    assert len(looks()) <= 7
