"""No anchor lost, nothing stored twice: real processes, real SIGKILLs."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.embedded import embedded_servers
from rankspider.simulator.world import World
from tests.support import processes
from tests.support.crawls import endpoint, left_over, sec_uids
from tests.support.lake_records import assert_follows_from_history
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator
from tests.support.waiting import until

pytestmark = pytest.mark.embedded_mongo

ANCHORS = 1000
WORKERS = 3
KILLS = 12


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Servers of this test alone, since it kills them."""
    with embedded_servers(tmp_path, redis=True, mongo=True) as servers:
        assert servers.redis_url is not None
        assert servers.mongo_uri is not None
        yield servers.redis_url, servers.mongo_uri


class Fleet:
    """Workers on one queue; one that was killed is replaced at once."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.log = log.open("ab")
        self.workers = [self._start() for _ in range(WORKERS)]
        self.ended: list[int] = []

    def _start(self) -> "subprocess.Popen[bytes]":
        command = scrapy("crawl", "goods_rank")
        return processes.Popen(command, cwd=ROOT, env=self.environment, stderr=self.log)

    def kill_one(self, choose: random.Random, with_work: set[int]) -> bool:
        """Kill one of those with work, if there are any: another one would lose nothing, and three
        workers that are killed while they start never come to work on two cores."""
        for n, worker in enumerate(self.workers):
            if worker.poll() == 0:  # It found the queue drained before the next anchors came.
                self.workers[n] = self._start()
        places = [n for n, worker in enumerate(self.workers) if worker.pid in with_work]
        if not places:
            return False
        place = choose.choice(places)
        self.workers[place].kill()
        self.ended.append(self.workers[place].wait(timeout=30))
        self.workers[place] = self._start()
        return True

    def wait(self, seconds: float) -> list[int]:
        deadline = time.monotonic() + seconds
        codes = [w.wait(timeout=max(1, deadline - time.monotonic())) for w in self.workers]
        self.log.close()
        return codes

    def end(self) -> None:
        self.log.close()
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait(timeout=30)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Fleet]]:
    fleets: list[Fleet] = []

    def start(environment: dict[str, str]) -> Fleet:
        fleets.append(Fleet(environment, tmp_path / "workers.log"))
        return fleets[-1]

    yield start
    for each in fleets:
        each.end()


def fleet_environment(
    environment: dict[str, str], simulator: Simulator, servers: tuple[str, str]
) -> dict[str, str]:
    redis_url, mongo_uri = servers
    return {
        **endpoint(environment, simulator),
        "REDIS_URL": redis_url,
        "MONGO_URI": mongo_uri,
        "RANK_LEASE_SECONDS": "3",
        "RANK_BACKOFF_SECONDS": "0.2",
        "LOG_LEVEL": "WARNING",
    }


def assert_all_stored(client: Redis, queue_key: str, database: Any) -> None:
    """Every seeded anchor has its standing, no row is there twice, and the queue is clean."""
    assert client.hgetall(Keys.of(queue_key).dead) == {}
    assert left_over(client, queue_key) == []
    world = World(seed=1, anchors=ANCHORS, rows=5)
    asked = {str(world.anchor(n).user_id) for n in range(ANCHORS)}
    assert asked == set(database.ranks.distinct("user_id"))
    assert asked == set(database.users.distinct("_id"))
    for collection, fields in (
        (database.ranks, ("user_id", "begin_time")),
        (database.rank_history, ("user_id", "begin_time", "rank", "score", "delta")),
    ):
        said = [tuple(row[field] for field in fields) for row in collection.find()]
        assert len(said) == len(set(said))
    assert_follows_from_history(database)


def holders(client: Redis, queue_key: str) -> set[int]:
    """The processes that hold leases; the script packs its records as msgpack."""
    records = client.hvals(Keys.of(queue_key).held)
    return {int(msgspec.msgpack.decode(each)["owner"].rpartition(":")[2]) for each in records}


def is_drained(client: Redis, queue_key: str) -> bool:
    keys = Keys.of(queue_key)
    return not (client.llen(keys.queue) or client.zcard(keys.leases) or client.zcard(keys.delayed))


def acknowledged(client: Redis, queue_key: str) -> int:
    keys = Keys.of(queue_key)
    left = client.llen(keys.queue) + client.zcard(keys.leases) + client.zcard(keys.delayed)
    return ANCHORS - left


@pytest.mark.long
def test_workers_killed_again_and_again(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    own_servers: tuple[str, str],
    queue_key: str,
    fleet: Callable[[dict[str, str]], Fleet],
) -> None:
    simulator = simulate("--rows", "5", "--anchors", str(ANCHORS), "--latency", "20")
    environment = fleet_environment(environment, simulator, own_servers)
    with Redis.from_url(own_servers[0]) as client, MongoClient[Any](own_servers[1]) as mongo:
        anchors = iter(sec_uids(ANCHORS))
        share = ANCHORS // (KILLS + 2)
        client.rpush(queue_key, *islice(anchors, share))
        workers = fleet(environment)
        choose = random.Random(7)
        # By what they hold and not by the clock, so that it takes place on any machine.
        for _ in range(KILLS):
            until(lambda: workers.kill_one(choose, holders(client, queue_key)))
            client.rpush(queue_key, *islice(anchors, share))
        client.rpush(queue_key, *anchors)
        until(lambda: is_drained(client, queue_key))
        assert workers.wait(60) == [0] * WORKERS
        assert workers.ended == [-signal.SIGKILL] * KILLS
        assert_all_stored(client, queue_key, mongo[environment["MONGO_DATABASE"]])


@pytest.mark.long
@pytest.mark.parametrize("server", ["redis", "mongo"])
def test_a_server_killed_in_the_middle(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    own_servers: tuple[str, str],
    queue_key: str,
    fleet: Callable[[dict[str, str]], Fleet],
    tmp_path: Path,
    server: str,
) -> None:
    """Its keeper starts it again on its own data; the workers wait, and lose nothing."""
    simulator = simulate("--rows", "5", "--anchors", str(ANCHORS), "--latency", "20")
    environment = fleet_environment(environment, simulator, own_servers)
    with Redis.from_url(own_servers[0]) as client, MongoClient[Any](own_servers[1]) as mongo:
        client.rpush(queue_key, *sec_uids(ANCHORS))
        workers = fleet(environment)
        killed = set()
        for share in (0.25, 0.6):
            until(lambda share=share: acknowledged(client, queue_key) > ANCHORS * share)
            killed.add(_kill_server(own_servers[server == "mongo"]))
        assert workers.wait(120) == [0] * WORKERS
        assert len(killed) == 2
        # A short outage of MongoDB is waited out by pymongo, which repeats writes by itself.
        if server == "redis":
            log = (tmp_path / "workers.log").read_text()
            assert "Redis is away" in log
            assert "Redis is back" in log
            client.connection_pool.disconnect()  # it may end in a server that was killed
        assert_all_stored(client, queue_key, mongo[environment["MONGO_DATABASE"]])


def _kill_server(url: str) -> int:
    """End the process that listens there; return which it was."""
    port = int(url.rpartition(":")[2].split("/")[0])
    found: list[int] = []

    def is_found() -> bool:
        # Between two looks at one table a process may end or be replaced: it has no number then.
        found[:] = [
            process.pid
            for process in psutil.net_connections("tcp4")
            if process.status == psutil.CONN_LISTEN and process.laddr.port == port and process.pid
        ]
        return bool(found)

    until(is_found)
    psutil.Process(found[0]).kill()
    return found[0]
