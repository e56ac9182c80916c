"""How a worker ends: signals, outages, and what it leaves behind."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.embedded import embedded_servers
from rankspider.moments import HOUR, Period
from rankspider.questions.board import board
from rankspider.questions.lists import ListName
from rankspider.questions.states import state_at
from rankspider.questions.trend import trend
from rankspider.simulator.world import World
from tests.support.crawls import (
    Crawl,
    crawl,
    endpoint,
    left_over,
    sec_uids,
    start_worker,
    wait_for_line,
)
from tests.support.project import ROOT
from tests.support.redis_servers import local_redis
from tests.support.simulators import Simulator
from tests.support.suspending import suspended
from tests.support.waiting import until


def leased(client: Redis, queue_key: str) -> int:
    count: int = client.zcard(Keys.of(queue_key).leases)
    return count


def finish(environment: dict[str, str], database: Any, count: int) -> None:
    """Drain what is left with a fresh worker; every anchor must have been stored."""
    ended = crawl({**environment, "RANK_STOP_WHEN_DRAINED": "1"})
    assert ended.returncode == 0, ended.log
    asked = database.users.count_documents({"_id": {"$exists": True}})
    assert asked >= count


@pytest.mark.long
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_finishes_what_is_asked_and_gives_the_rest_back(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    kind: signal.Signals,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "300", "--latency", "300")
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(300))
    worker = start_worker(environment)
    until(lambda: leased(redis_client, queue_key) == 32)
    worker.send_signal(kind)
    log = worker.communicate(timeout=60)[1]
    assert worker.returncode == 0, log
    assert leased(redis_client, queue_key) == 0
    assert redis_client.hlen(Keys.of(queue_key).tries) == 0
    answers = simulator.answers()
    stored = database.users.count_documents({})
    # What was asked was stored and taken off the queue: no paid call was for nothing.
    assert redis_client.llen(queue_key) == 300 - answers
    assert stored >= answers
    assert "Traceback" not in log
    finish(environment, database, 300)
    assert left_over(redis_client, queue_key) == []
    assert simulator.answers() == 300


NOT_TO_BE_ASKED = [
    {"RANK_API_TOKENS": "fail-quota"},
    {"RANK_API_TOKENS": "fail-http429"},
    {"RANK_API_TOKENS": "fail-not-json"},
    {"RANK_REQUESTS_PER_SECOND": "0.02"},
]


@pytest.mark.parametrize("held_up", NOT_TO_BE_ASKED)
def test_a_worker_that_waits_for_leave_ends_at_once(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    held_up: dict[str, str],
) -> None:
    """For a licence, the end of a cool-down, a probe, its turn."""
    simulator = simulate("--rows", "3", "--anchors", "30")
    environment = {**endpoint(environment, simulator), **held_up}
    redis_client.rpush(queue_key, *sec_uids(30))
    worker = start_worker(environment)
    until(simulator.stood_still)
    worker.terminate()
    log = worker.communicate(timeout=25)[1]  # less than RANK_SHUTDOWN_SECONDS
    assert worker.returncode == 0, log
    stats = Crawl(0, log).stats
    assert_ended_in_order(log)
    assert leased(redis_client, queue_key) == 0
    # What was answered with nonsense waits for its next try; all else is on the queue. While
    # everybody fails alike no try is counted, and none is kept of what was given back since.
    delayed = stats.get("rank/anchors/delayed", 0)
    assert redis_client.hlen(Keys.of(queue_key).tries) <= delayed
    waiting = redis_client.llen(queue_key) + redis_client.zcard(Keys.of(queue_key).delayed)
    assert waiting + stats.get("rank/anchors/acked", 0) == 30


def test_a_crawl_that_closes_by_itself_does_not_wait_for_leave(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "30")
    environment = {**endpoint(environment, simulator), "RANK_API_TOKENS": "fail-quota"}
    redis_client.rpush(queue_key, *sec_uids(30))
    ended = crawl(environment, "-s", "CLOSESPIDER_TIMEOUT=2", timeout=30)
    assert ended.returncode == 0, ended.log
    assert ended.stats["finish_reason"] == "closespider_timeout"
    assert redis_client.llen(queue_key) == 30
    assert leased(redis_client, queue_key) == 0
    assert "Traceback" not in ended.log


def assert_ended_in_order(log: str) -> None:
    assert Crawl(0, log).stats["finish_reason"] == "shutdown"
    assert "Task was destroyed" not in log, log
    assert "Traceback" not in log, log
    assert " ERROR: " not in log, log


def test_what_does_not_finish_in_time_is_given_back(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "20000")
    environment = {**endpoint(environment, simulator), "RANK_SHUTDOWN_SECONDS": "1"}
    redis_client.rpush(queue_key, *sec_uids(60))
    worker = start_worker(environment)
    until(lambda: leased(redis_client, queue_key) == 32 and simulator.calls() == 16)
    worker.terminate()
    log = worker.communicate(timeout=60)[1]
    assert worker.returncode == 0, log
    assert "RANK_SHUTDOWN_SECONDS" in log
    assert redis_client.lrange(queue_key, 0, -1) == [uid.encode() for uid in sec_uids(60)]
    assert left_over(redis_client, queue_key) == [queue_key.encode()]
    simulator.configure(latency_ms=0)
    finish(environment, database, 60)


def test_what_mongodb_does_not_take_in_time_is_given_back(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "500")
    environment = {**endpoint(environment, simulator), "RANK_SHUTDOWN_SECONDS": "1"}
    redis_client.rpush(queue_key, *sec_uids(60))
    with embedded_servers(tmp_path, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        worker = start_worker({**environment, "MONGO_URI": servers.mongo_uri})
        until(lambda: simulator.answers() > 0)
        with suspended(servers.mongo_uri):
            stored = simulator.answers()
            until(lambda: simulator.answers() > stored)
            worker.terminate()
            log = worker.communicate(timeout=30)[1]
    assert worker.returncode == 0, log
    assert "RANK_SHUTDOWN_SECONDS" in log
    assert_ended_in_order(log)
    assert leased(redis_client, queue_key) == 0
    acked = Crawl(0, log).stats.get("rank/anchors/acked", 0)
    assert redis_client.llen(queue_key) == 60 - acked > 0


@pytest.mark.long
def test_what_is_shown_after_a_stop_under_a_backlog_is_stored_as_a_whole(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> None:
    """MongoDB takes nothing while the list moves on, and the worker has to end."""
    simulator = simulate("--rows", "20", "--anchors", "300", "--change-every", "5")
    environment = {**endpoint(environment, simulator), "RANK_SHUTDOWN_SECONDS": "3"}
    redis_client.rpush(queue_key, *sec_uids(300))
    with embedded_servers(tmp_path, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        with MongoClient[Any](servers.mongo_uri, tz_aware=True) as client:
            database = client[environment["MONGO_DATABASE"]]
            worker = start_worker({**environment, "MONGO_URI": servers.mongo_uri})
            until(lambda: database.calls.count_documents({}) > 0)
            with suspended(servers.mongo_uri):
                until(simulator.stood_still)  # all that it may ask is waiting to be stored
                worker.send_signal(signal.SIGINT)
                log = worker.communicate(timeout=30)[1]
            assert worker.returncode == 0, log
            assert redis_client.llen(queue_key) > 0
            until(lambda: stood_still(database))  # what was sent before is carried out
            assert_whole(database)


def stood_still(database: Any, seconds: float = 1) -> bool:
    """Whether no document came for so long."""
    names = ("snapshots", "rank_history", "ranks", "user_history", "users", "calls")
    before = [database[name].count_documents({}) for name in names]
    time.sleep(seconds)
    return before == [database[name].count_documents({}) for name in names]


def assert_whole(database: Any) -> None:
    """Each list has its rows, each call what it refers to, and the commands show the same."""
    for state in database.snapshots.find():
        for place, (user_id, score) in enumerate(
            zip(state["user_ids"], state["scores"], strict=True), 1
        ):
            row = {"begin_time": state["begin_time"], "user_id": user_id}
            said = {**row, "rank": place, "score": score}
            assert database.rank_history.count_documents(said) > 0
            assert database.ranks.count_documents(row) == 1
            assert database.users.count_documents({"_id": user_id}) == 1
    for call in database.calls.find():
        for name, field in (
            ("snapshots", "list_state"),
            ("rank_history", "standing"),
            ("user_history", "profile"),
        ):
            assert database[name].count_documents({"_id": call[field]}) == 1
    shown = board(database)
    assert shown is not None
    name = ListName(shown.currency, shown.title, shown.subtitle, shown.city_code)
    state = state_at(database, name, shown.begin_time)
    assert state is not None
    assert [(each.user_id, each.score) for each in shown.rows] == list(
        zip(state.user_ids, state.scores, strict=True)
    )
    assert shown.observed_at == state.seen_at
    hour = Period(shown.begin_time, shown.begin_time + HOUR)
    places = {
        user_id: [each.place for each in trend(database, name, hour, user_id)]
        for user_id in state.user_ids
    }
    assert places == {user_id: [place] for place, user_id in enumerate(state.user_ids, 1)}


@pytest.mark.long
def test_without_redis_it_ends_all_the_same(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    queue_key: str,
    tmp_path: Path,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "20000")
    environment = {**endpoint(environment, simulator), "RANK_SHUTDOWN_SECONDS": "1"}
    with local_redis(tmp_path / "redis", []) as server, server.client() as client:
        client.rpush(queue_key, *sec_uids(60))
        url = f"redis://127.0.0.1:{server.port}/0"
        worker = start_worker({**environment, "REDIS_URL": url})
        until(lambda: leased(client, queue_key) == 32 and simulator.calls() == 16)
        with suspended(url):
            worker.terminate()
            log = worker.communicate(timeout=30)[1]
    assert worker.returncode == 3, log
    stats = Crawl(3, log).stats
    assert stats["finish_reason"] == "shutdown"
    assert stats["rank/anchors/left_leased"] == 32
    assert "Task was destroyed" not in log, log
    assert "Traceback" not in log, log


def test_two_signals_end_it_at_once_and_leases_run_out(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "20000")
    environment = {**endpoint(environment, simulator), "RANK_LEASE_SECONDS": "2"}
    redis_client.rpush(queue_key, *sec_uids(60))
    worker = start_worker(environment)
    until(lambda: leased(redis_client, queue_key) == 32 and simulator.calls() == 16)
    worker.terminate()
    wait_for_line(worker, "Received SIGTERM")
    worker.terminate()
    log = worker.communicate(timeout=60)[1]
    assert worker.returncode == 1, log
    assert leased(redis_client, queue_key) > 0
    simulator.configure(latency_ms=0)
    finish(environment, database, 60)
    assert left_over(redis_client, queue_key) == []


def test_one_busy_worker_keeps_the_others_waiting(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "6000")
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(4))
    busy = start_worker(environment)
    until(lambda: leased(redis_client, queue_key) == 4)
    waiting = start_worker(environment)
    for worker in (waiting, busy):
        log = worker.communicate(timeout=60)[1]
        assert leased(redis_client, queue_key) == 0
        assert worker.returncode == 0
        assert "'finish_reason': 'drained'" in log
    assert simulator.answers() == 4


def test_a_frozen_worker_does_no_harm(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60", "--latency", "1500")
    environment = {**endpoint(environment, simulator), "RANK_LEASE_SECONDS": "2"}
    redis_client.rpush(queue_key, *sec_uids(10))
    frozen = start_worker(environment)
    until(lambda: simulator.calls() == 10)
    frozen.send_signal(signal.SIGSTOP)
    finish(environment, database, 10)
    newest = {user["_id"]: user["observed_at"] for user in database.users.find()}
    standings = {row["_id"]: row["revision"] for row in database.ranks.find()}
    frozen.send_signal(signal.SIGCONT)
    log = frozen.communicate(timeout=60)[1]
    assert frozen.returncode == 0, log
    assert "acknowledgements came too late" in log
    for user in database.users.find():
        assert user["observed_at"] >= newest[user["_id"]]
    for row in database.ranks.find({"_id": {"$in": list(standings)}}):
        assert row["revision"] >= standings[row["_id"]]
    assert left_over(redis_client, queue_key) == []


@pytest.mark.long
def test_a_poison_anchor_ends_in_the_dead_letters(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    environment = {
        **endpoint(environment, simulate("--rows", "3", "--anchors", "60")),
        "RANK_LEASE_SECONDS": "1",
        "RANK_MAX_DELIVERIES": "3",
        "PYTHONPATH": str(ROOT),
    }
    poison, *others = sec_uids(12)
    redis_client.rpush(queue_key, *others[:5], poison, *others[5:])
    killing = ("-s", f"POISON={poison}")
    killing += (
        "-s",
        'DOWNLOADER_MIDDLEWARES={"tests.support.killing_middleware.KillingMiddleware": 1}',
    )
    ends = []
    while len(ends) < 6 and 0 not in ends:
        ends.append(crawl(environment, *killing).returncode)
    assert ends == [-signal.SIGKILL] * 3 + [0]
    letters = redis_client.hgetall(Keys.of(queue_key).dead)
    assert list(letters) == [poison.encode()]
    assert b"went silent" in letters[poison.encode()]
    world = World(seed=1, anchors=60, rows=3)
    asked = {str(world.anchor(n).user_id) for n in range(1, 12)}
    assert asked <= set(database.ranks.distinct("user_id"))
