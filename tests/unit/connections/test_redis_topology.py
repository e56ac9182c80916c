"""Addresses of clusters and sentinels, and errors of a failover."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis import asyncio as redis_asyncio
from redis.asyncio import cluster as cluster_asyncio
from scrapy.settings import Settings

from rankspider.connections.redis import check, connect, connect_blocking, is_away
from rankspider.errors import ConfigurationError, ServiceUnavailable
from tests.support.redis_servers import HOST, free_port
from tests.support.redis_settings import settings_of

# --- Addresses ----------------------------------------------------------------------------------


async def test_a_cluster_address() -> None:
    settings = settings_of("rediss+cluster://me:s%20@[::1]:7000,second?socket_timeout=3", "queue")
    client: Any = connect(settings)
    assert isinstance(client, cluster_asyncio.RedisCluster)
    nodes = [(node.host, node.port) for node in client.nodes_manager.startup_nodes.values()]
    assert nodes == [("::1", 7000), ("second", 6379)]
    options = client.connection_kwargs
    assert (options["username"], options["password"]) == ("me", "s ")
    assert options["socket_timeout"] == 3
    assert options["connection_class"] is redis_asyncio.SSLConnection
    await client.aclose()


@pytest.mark.parametrize("connector", [connect, connect_blocking])
def test_a_sentinel_address(connector: Callable[[Settings], Any]) -> None:
    url = "rediss+sentinel://me:s%20@one:1,two/main/3?sentinel_password=own&ssl_ca_certs=ca.pem"
    pool = connector(settings_of(url, "queue")).connection_pool
    assert pool.service_name == "main"
    options = pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("me", "s ", 3)
    assert options["ssl_ca_certs"] == "ca.pem"
    assert "SSL" in pool.connection_class.__name__
    asked = [client.connection_pool for client in pool.sentinel_manager.sentinels]
    places = [(each.connection_kwargs["host"], each.connection_kwargs["port"]) for each in asked]
    assert places == [("one", 1), ("two", 26379)]
    assert {each.connection_kwargs["password"] for each in asked} == {"own"}
    assert {each.connection_kwargs["ssl_ca_certs"] for each in asked} == {"ca.pem"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://one:26379,two", "names no master"),
        ("redis+sentinel://one/main/first", "database must be a number"),
        ("redis+sentinel://u:secret@one:port/main", "REDIS_URL"),
        ("redis+sentinel://u:secret@one:port,two/main", "cannot be used"),
        ("redis+cluster://one,,two", "an empty entry"),
        ("redis+cluster://one/1", "no database but 0"),
        ("redis+cluster://u:secret@one:99999999", "REDIS_URL"),
        ("redis://u:secret@one:6379,two:6379/0", "REDIS_URL"),
        ("redis+clusters://one", "REDIS_URL must begin with"),
        ("redis+cluster:///0", "REDIS_URL names no host"),
    ],
)
def test_a_wrong_address(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        check(settings_of(url, "queue"))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["redis+cluster://{}", "redis+sentinel://{}/main", "redis://{}"])
def test_nobody_there(url: str) -> None:
    place = f"u:secret@{HOST}:{free_port()}"
    with pytest.raises(ServiceUnavailable, match="Redis cannot be reached") as raised:
        check(settings_of(url.format(place), "queue"))
    assert "secret" not in str(raised.value)


class OwnAsync(redis_asyncio.Redis):
    pass


class OwnBlocking(redis.Redis):
    pass


@pytest.mark.parametrize(
    ("given", "asyncio_class", "blocking_class"),
    [
        (None, redis_asyncio.Redis, redis.Redis),
        (OwnAsync, OwnAsync, redis.Redis),
        (OwnBlocking, redis_asyncio.Redis, OwnBlocking),
        ("redis.StrictRedis", redis_asyncio.Redis, redis.Redis),
    ],
)
def test_the_class_of_the_client(given: Any, asyncio_class: type, blocking_class: type) -> None:
    settings = settings_of("redis://nowhere/1", "queue", REDIS_PARAMS={"redis_cls": given})
    assert type(connect(settings)) is asyncio_class
    assert type(connect_blocking(settings)) is blocking_class


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.MovedError("1 127.0.0.1:1"),
        redis.exceptions.AskError("1 127.0.0.1:1"),
        redis.exceptions.TryAgainError(""),
        redis.exceptions.ClusterDownError("Hash slot not served"),
        redis.exceptions.MasterDownError(""),
        redis.exceptions.SlotNotCoveredError(""),
        redis.exceptions.RedisClusterException("Redis Cluster cannot be connected."),
        redis.sentinel.MasterNotFoundError(""),
        redis_asyncio.sentinel.MasterNotFoundError(""),
        redis_asyncio.sentinel.SlaveNotFoundError(""),
        redis.ReadOnlyError(""),
        redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
        redis.ResponseError(
            "Error running script (call to f_0): @user_script:38: -MISCONF Redis is configured"
        ),
    ],
)
def test_errors_of_a_failover(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        redis.ResponseError("WRONGTYPE Operation against a key"),
        redis.exceptions.RedisClusterException("EVALSHA - all keys must map to the same key slot"),
        redis.exceptions.ClusterCrossSlotError("Keys in request don't hash to the same slot"),
    ],
)
def test_errors_that_stay(error: Exception) -> None:
    assert not is_away(error)
