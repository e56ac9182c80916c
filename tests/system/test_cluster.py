"""Redis as a Cluster and behind Sentinels: real servers, by setting alone, over a failover."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis import asyncio as redis_asyncio
from redis.crc import key_slot
from scrapy.settings import Settings
from scrapy.statscollectors import StatsCollector
from scrapy.utils.test import get_crawler

from rankspider.connections.redis import check, connect, connect_blocking, is_away
from rankspider.connections.redis_keys import Keys
from rankspider.errors import ServiceUnavailable
from rankspider.queue.anchor_queue import AnchorQueue, Failed
from rankspider.queue.deliveries import Deliveries
from tests.support.redis_servers import DEADLINE_SECONDS, HOST, LocalRedis, free_port, local_redis
from tests.support.redis_settings import settings_of
from tests.support.waiting import until

PASSWORD = "p@ss/word"


# --- A Cluster of three, and a replica of the one that holds the queue --------------------------


class LocalCluster:
    def __init__(self, servers: list[LocalRedis], url: str) -> None:
        self.servers = servers
        self.url = url

    def holder_of(self, key: str) -> LocalRedis:
        return self.servers[key_slot(key.encode()) * 3 // 16384]


@pytest.fixture
def local_cluster(tmp_path: Path, queue_key: str) -> Iterator[LocalCluster]:
    options = ["cluster-enabled yes", "cluster-node-timeout 1000"]
    options += ["cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0"]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(local_redis(tmp_path / f"node{n}", options)) for n in range(4)
        ]
        hosts = ",".join(f"{HOST}:{server.port}" for server in servers[:2])
        cluster = LocalCluster(servers, f"redis+cluster://{hosts}")
        join(servers)
        replicate(servers[3], cluster.holder_of(queue_key))
        yield cluster


def join(servers: list[LocalRedis]) -> None:
    for number, server in enumerate(servers):
        server.call("CLUSTER SET-CONFIG-EPOCH", number + 1)
        slots = [slot for slot in range(16384) if slot * 3 // 16384 == number]
        if slots:
            server.call("CLUSTER ADDSLOTS", *slots)
    for server in servers[1:]:
        servers[0].call("CLUSTER MEET", HOST, server.port)
    until(lambda: all(len(nodes_of(server)) == 4 for server in servers))
    until(lambda: all(state_of(server) == "ok" for server in servers))


def replicate(replica: LocalRedis, master: LocalRedis) -> None:
    identity = master.call("CLUSTER MYID")
    until(lambda: bool(replica.call("CLUSTER REPLICATE", identity)))
    until(lambda: replica.call("INFO", "replication")["master_link_status"] == "up")
    until(lambda: "slave" in str(nodes_of(master)))


def nodes_of(server: LocalRedis) -> dict[str, Any]:
    nodes: dict[str, Any] = server.call("CLUSTER NODES")
    return nodes


def state_of(server: LocalRedis) -> str:
    return str(server.call("CLUSTER INFO")["cluster_state"])


# --- A master, its replica and a Sentinel -------------------------------------------------------


class Watched:
    def __init__(self, master: LocalRedis, replica: LocalRedis, url: str) -> None:
        self.master = master
        self.replica = replica
        self.url = url


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    options = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0"]
    with ExitStack() as stack:
        master = stack.enter_context(local_redis(tmp_path / "master", options, PASSWORD))
        options.append(f"replicaof {HOST} {master.port}")
        replica = stack.enter_context(local_redis(tmp_path / "replica", options, PASSWORD))
        until(lambda: replication_of(replica)["master_link_status"] == "up")
        rules = [
            f"sentinel monitor main {HOST} {master.port} 1",
            f"sentinel auth-pass main {PASSWORD}",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 3000",
        ]
        sentinel = stack.enter_context(local_redis(tmp_path / "sentinel", rules))
        until(lambda: knows_replica(sentinel))
        # The first of the Sentinels is not there.
        hosts = f"{HOST}:{free_port()},{HOST}:{sentinel.port}"
        yield Watched(master, replica, f"redis+sentinel://:p%40ss%2Fword@{hosts}/main/0")


def replication_of(server: LocalRedis) -> dict[str, Any]:
    answer: dict[str, Any] = server.call("INFO", "replication")
    return answer


def knows_replica(sentinel: LocalRedis) -> bool:
    replicas = sentinel.call("SENTINEL REPLICAS", "main")
    return len(replicas) == 1 and "s_down" not in str(replicas)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator["redis_asyncio.Redis"]:
    client = connect(settings)
    try:
        yield client
    finally:
        await client.aclose()


def queue_on(client: "redis_asyncio.Redis", key: str) -> AnchorQueue:
    return AnchorQueue(client, Keys.of(key), owner="worker", lease_seconds=2, max_deliveries=30)


def answers(settings: Settings) -> bool:
    try:
        check(settings)
    except ServiceUnavailable:
        return False
    return True


async def use_every_operation(settings: Settings, key: str) -> None:
    blocking = connect_blocking(settings)
    blocking.rpush(key, *(f"m{n}" for n in range(6)))
    blocking.close()
    async with connected(settings) as client:
        queue = queue_on(client, key)
        taken = await queue.take(4)
        leases = taken.leases
        assert [lease.member for lease in leases] == [b"m0", b"m1", b"m2", b"m3"]
        assert taken.waiting == 2
        assert await queue.renew(leases) == []
        assert await queue.ack(leases[:1]) == []
        assert await queue.ack(leases[:1]) == leases[:1]
        assert await queue.release(leases[1:2]) == []
        delayed, buried = Failed(leases[2], "network", "", 99), Failed(leases[3], "no", "", None)
        assert await queue.fail([delayed, buried]) == {leases[2]: False, leases[3]: True}
        await queue.take(1)
        counts = await queue.counts()
        assert (counts.waiting, counts.leased, counts.delayed, counts.dead) == (2, 1, 1, 1)


async def survive(settings: Settings, key: str, strike: Callable[[], None] | None) -> None:
    """``strike`` when a third is done: a worker goes on, and every anchor ends."""
    seeded = {b"m%d" % n for n in range(60)}
    ended: set[bytes] = set()
    crashes: list[str] = []
    async with connected(settings) as client:
        deliveries = Deliveries(
            queue_on(client, key),
            StatsCollector(get_crawler()),
            room=4,
            lease_seconds=2,
            backoff_seconds=0.1,
            on_crash=lambda: crashes.append("crashed"),
        )
        deliveries.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                taken, waiting = await deliveries.take()
                ended |= {delivery.lease.member for delivery in taken}
                for delivery in taken:
                    deliveries.complete(delivery)
                if strike is not None and len(ended) >= 20:
                    await asyncio.to_thread(strike)
                    strike = None
                if not taken and not waiting:
                    if (await deliveries.counts()).drained:
                        break
                    await asyncio.sleep(0.05)
        await deliveries.close(5)
        counts = await queue_on(client, key).counts()
    assert (ended, crashes) == (seeded, [])
    assert (counts.drained, counts.dead) == (True, 0)


def seed(master: LocalRedis, key: str) -> None:
    """Sixty anchors, known to the replica too."""
    with master.client() as client:
        client.rpush(key, *(f"m{n}" for n in range(60)))
        assert client.wait(1, 1000 * DEADLINE_SECONDS) == 1


async def test_every_operation_on_a_cluster(local_cluster: LocalCluster, queue_key: str) -> None:
    settings = settings_of(local_cluster.url, queue_key)
    check(settings)
    await use_every_operation(settings, queue_key)
    holder = local_cluster.holder_of(queue_key)
    keys = Keys.of(queue_key)
    assert set(holder.call("KEYS", "*")) == {*keys.all()} - {keys.cut_off}


async def test_a_cluster_by_the_class_of_its_client(
    local_cluster: LocalCluster, queue_key: str
) -> None:
    port = local_cluster.servers[0].port
    parameters = {"redis_cls": "redis.cluster.RedisCluster"}
    url = f"redis://{HOST}:{port}"
    await use_every_operation(settings_of(url, queue_key, REDIS_PARAMS=parameters), queue_key)
    other = queue_key + ":other"
    nodes = {**parameters, "startup_nodes": [{"host": HOST, "port": str(port)}]}
    settings = settings_of("", other, REDIS_PARAMS=nodes)
    check(settings)
    await use_every_operation(settings, other)


async def test_a_cluster_loses_the_server_of_the_queue(
    local_cluster: LocalCluster, queue_key: str
) -> None:
    settings = settings_of(local_cluster.url, queue_key)
    holder = local_cluster.holder_of(queue_key)
    seed(holder, queue_key)
    await survive(settings, queue_key, holder.kill)
    check(settings)


async def test_every_operation_behind_a_sentinel(watched: Watched, queue_key: str) -> None:
    settings = settings_of(watched.url, queue_key)
    check(settings)
    await use_every_operation(settings, queue_key)
    keys = set(watched.master.call("KEYS", "*"))
    names = Keys.of(queue_key)
    assert keys == {*names.all()} - {names.cut_off}


async def test_a_sentinel_names_another_master(watched: Watched, queue_key: str) -> None:
    settings = settings_of(watched.url, queue_key)
    seed(watched.master, queue_key)
    await survive(settings, queue_key, watched.master.kill)
    # A Sentinel on a machine that is busy may call its new master down for a moment.
    until(lambda: answers(settings))
    assert replication_of(watched.replica)["role"] == "master"


async def test_a_server_that_only_reads_is_away(watched: Watched, queue_key: str) -> None:
    """As a master is after it was demoted: Redis 6 wraps what a script is told."""
    url = f"redis://:p%40ss%2Fword@{HOST}:{watched.replica.port}"
    seed(watched.master, queue_key)
    async with connected(settings_of(url, queue_key)) as client:
        with pytest.raises(redis.ResponseError) as raised:
            await queue_on(client, queue_key).take(1)
    assert is_away(raised.value)
