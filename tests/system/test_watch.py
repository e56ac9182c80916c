"""A watch list served by workers, while they are killed and Redis is emptied."""

import datetime as dt
import itertools
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.simulator.world import synthetic_sec_uid
from rankspider.watch.turns import Turns
from tests.support.crawls import crawl, ended, endpoint, start_worker
from tests.support.project import ROOT, SAMPLE_FILE, scrapy
from tests.support.sample_answer import sample
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


@pytest.mark.long
def test_an_emptied_redis_has_nobody_asked_twice_in_an_interval_more_than_once(
    environment: dict[str, str],
    database: Any,
    redis_client: Redis,
    queue_key: str,
    simulate: Callable[..., Simulator],
) -> None:
    """No less than half an interval lies between two turns of an anchor, but for once. Others are
    asked so often that the pace of all would let it be asked far sooner."""
    every, anchors = 10.0, [synthetic_sec_uid(1, n) for n in range(10)]
    often = [synthetic_sec_uid(1, n) for n in range(10, 22)]
    environment = {
        **endpoint(environment, simulate("--anchors", "50", "--rows", "5")),
        "RANK_STOP_WHEN_DRAINED": "0",
    }
    watch(environment, "add", *anchors, "--steady", "--every", f"{every:.0f}s")
    watch(environment, "add", *often, "--steady", "--every", "2s")
    workers = [start_worker(environment) for _ in range(3)]

    def asked() -> dict[str, list[dt.datetime]]:
        found = database["calls"].find({"anchor": {"$in": anchors}}).sort("asked_at")
        by_anchor: dict[str, list[dt.datetime]] = {anchor: [] for anchor in anchors}
        for call in found:
            by_anchor[call["anchor"]].append(call["asked_at"])
        return by_anchor

    def all_asked(times: int) -> bool:
        return min(map(len, asked().values())) >= times

    until(lambda: all_asked(1), 60)
    tag = redis_client.scan_iter(match=f"*{queue_key}*", count=1000)
    redis_client.delete(*tag)
    before = {anchor: len(times) for anchor, times in asked().items()}
    until(lambda: set(Turns(redis_client, Keys.of(queue_key))) == {*anchors, *often}, 60)
    until(lambda: all(len(times) >= before[a] + 2 for a, times in asked().items()), 120)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert {ended(worker).returncode for worker in workers} == {5}  # Redis lost the queue

    for times in asked().values():
        gaps = [(later - at).total_seconds() for at, later in itertools.pairwise(times)]
        assert sum(gap < every / 2 for gap in gaps) <= 1, gaps


@pytest.mark.long
def test_whoever_comes_along_with_the_list_alone_is_nobodys_standing(
    environment: dict[str, str],
    database: Any,
    redis_client: Redis,
    queue_key: str,
    simulate: Callable[..., Simulator],
) -> None:
    """Not even of one who is watched, and was not asked for."""
    user = sample()["data"]["anchor_info"]["user"]
    environment = {
        **endpoint(environment, simulate("--sample", str(SAMPLE_FILE))),
        "RANK_STOP_WHEN_DRAINED": "0",
        "RANK_LIST_EVERY_SECONDS": "1",
    }
    watch(environment, "add", user["sec_uid"], "--every", "1d", "--at-most", "1d")
    worker = start_worker(environment)
    alone = {"purpose": "list", "outcome": "ok", "anchor": None}
    until(lambda: database["calls"].count_documents(alone) >= 3, 60)
    worker.send_signal(signal.SIGTERM)
    assert ended(worker).returncode == 0

    for name in ("ranks", "rank_history", "users", "user_history", "rejected"):
        assert database[name].find_one({"user_id": user["id_str"]}) is None, name
    assert database["ranks"].count_documents({}) == len(sample()["data"]["ranks"])
    assert database["calls"].distinct("anchor") == [None]
    assert not any(call.get("user_id") for call in database["calls"].find())
    (turn,) = Turns(redis_client, Keys.of(queue_key)).of([user["sec_uid"]])
    assert turn is not None
    assert (turn.state, turn.seen_at) == ("new", None)


@pytest.mark.long
def test_two_hour_turns_with_faults_and_a_kill_before_each(
    environment: dict[str, str],
    database: Any,
    simulate: Callable[..., Simulator],
) -> None:
    """The endpoint's clock goes on from just before each; what lies between is not waited for."""
    simulator = simulate("--anchors", "400", "--rows", "5", "--fail-rate", "0.05")
    anchors = [synthetic_sec_uid(1, n) for n in range(60)]
    environment = {
        **endpoint(environment, simulator),
        "RANK_API_TOKENS": "one,two,three",
        "RANK_STOP_WHEN_DRAINED": "0",
    }
    watch(environment, "add", *anchors, "--every", "30s")
    workers = [start_worker(environment) for _ in range(3)]

    def seen(**between: dt.datetime) -> list[dt.datetime]:
        times = {f"${name}": at for name, at in between.items()}
        found = database["calls"].find({"outcome": "ok", "observed_at": times})
        return sorted(call["observed_at"] for call in found)

    ends = [dt.datetime(2031, 1, 1, hour, tzinfo=dt.UTC) for hour in (12, 13)]
    for n, end in enumerate(ends):
        until(lambda: database["calls"].count_documents({"outcome": "ok"}) > 0, 60)
        start = end - dt.timedelta(seconds=16)
        simulator.configure(start_ms=round(start.timestamp() * 1000))
        began = time.monotonic()
        until(lambda began=began: time.monotonic() - began >= 11)
        workers[n].kill()
        workers.append(start_worker(environment))
        until(lambda end=end: bool(seen(gt=end + dt.timedelta(seconds=2))), 60)

    for end in ends:
        last = seen(gt=end - dt.timedelta(minutes=1), lt=end)[-1]
        # One look may fail, and one be late on a machine that has much else to do.
        assert end - last < dt.timedelta(seconds=2)
    looks = database["calls"].find({"purpose": "close"})
    of_hour = Counter(look.get("begin_time") for look in looks if look.get("begin_time"))
    assert all(count <= 8 for count in of_hour.values()), of_hour
