"""The connection to Redis, from scrapy-redis's own settings."""

import logging
import re
import time
import uuid
from typing import Any

import redis
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisClusterException
from scrapy.settings import BaseSettings
from scrapy_redis import defaults
from scrapy_redis.connection import SETTINGS_PARAMS_MAP

from rankspider.connections.reach import why
from rankspider.connections.redis_keys import Keys
from rankspider.connections.redis_topology import ASYNCIO, BLOCKING, client_of, place_of
from rankspider.errors import ConfigurationError, RankspiderError, ServiceUnavailable

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 5
_LOOK_AGAIN_SECONDS = 0.5
# Every command of a run's scripts, in one round trip that leaves nothing.
_TRIAL = """
for _, call in ipairs({
    {'SET', '1', 'PX', 60000}, {'INCR'}, {'GET'}, {'TYPE'}, {'EXPIRE', 60}, {'PEXPIRE', 60000},
    {'DEL'},
    {'LPUSH', 'x'}, {'RPUSH', 'x'}, {'LLEN'}, {'LPOP', 9}, {'DEL'},
    {'SADD', 'x'}, {'SCARD'}, {'SPOP', 9}, {'DEL'},
    {'ZADD', 1, 'x'}, {'ZCARD'}, {'ZRANGEBYSCORE', 0, 1}, {'ZRANGE', 0, 0}, {'ZSCORE', 'x'},
    {'ZREM', 'x'}, {'ZREMRANGEBYSCORE', 0, 1}, {'ZPOPMAX', 9}, {'DEL'},
    {'HSET', 'x', '1'}, {'HSETNX', 'x', '1'}, {'HINCRBY', 'x', 1}, {'HGET', 'x'}, {'HMGET', 'x'},
    {'HLEN'}, {'HEXISTS', 'x'}, {'HKEYS'}, {'HDEL', 'x'}, {'DEL'},
}) do
    local came = redis.pcall(call[1], KEYS[1], unpack(call, 2))
    if type(came) == 'table' and came.err then
        redis.pcall('DEL', KEYS[1])
        return came
    end
end
return redis.call('TIME')
"""
# redis-py keeps those of a Cluster's client out of its tree.
REDIS_ERRORS = (redis.RedisError, RedisClusterException)
_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    # A slot on its way to another server, or with none: MOVED, ASK, TRYAGAIN, CLUSTERDOWN.
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterError,
    redis.exceptions.RedisClusterException,
    # A server took over between the load of the script and its call.
    redis.exceptions.NoScriptError,
)
# Answers of a server that cannot serve now, for which redis-py has no class of its own. Redis 6
# wraps those of a script: "Error running script …: -READONLY You can't write …".
_AWAY_MESSAGE = re.compile(
    r"^(Error running script .*: -)?"
    r"(READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|BUSY|TRYAGAIN|LOADING)\b"
)


def connect(settings: BaseSettings) -> "redis_asyncio.Redis":
    """Return an asyncio client by ``REDIS_URL``, ``REDIS_HOST``, ``REDIS_PARAMS`` …, as
    scrapy-redis reads them, or of a Cluster or a Sentinel's master; it connects when it is first
    used."""
    client: redis_asyncio.Redis = client_of(ASYNCIO, _parameters(settings))
    return client


def connect_blocking(settings: BaseSettings, **overrides: Any) -> redis.Redis:
    """Return a blocking client, for a command without a loop.

    Raises `ConfigurationError` or `ServiceUnavailable`; the latter only for a Cluster, whose client
    connects at once.
    """
    try:
        client: redis.Redis = client_of(BLOCKING, {**_parameters(settings), **overrides})
    except REDIS_ERRORS as error:
        raise unavailable(error) from None
    return client


def is_configured(settings: BaseSettings) -> bool:
    """Return whether any of scrapy-redis's connection settings names a server."""
    names = ("REDIS_URL", "REDIS_HOST", "REDIS_PARAMS")
    return any(settings.get(name) for name in names)


def _parameters(settings: BaseSettings) -> dict[str, Any]:
    parameters = {**defaults.REDIS_PARAMS, **settings.getdict("REDIS_PARAMS")}
    for setting, parameter in SETTINGS_PARAMS_MAP.items():
        if settings.get(setting):
            parameters[parameter] = settings.get(setting)
    # Members are bytes: whatever a producer pushed must come back as it was.
    parameters["decode_responses"] = False
    return parameters


def check(settings: BaseSettings) -> None:
    """Raise `ServiceUnavailable` or `ConfigurationError` unless Redis does what a run needs."""
    timeouts = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), _CHECK_SECONDS)
    client = connect_blocking(settings, **timeouts)
    try:
        try_out(client, Keys.of(settings["RANK_QUEUE_KEY"]))
    except REDIS_ERRORS as error:
        raise unavailable(error, settings) from None
    finally:
        client.close()


def try_out(client: redis.Redis, keys: Keys) -> None:
    """Do beside the queue what a run does, and take it away again. Waits while the server reads its
    data from the disk. Raises one of `REDIS_ERRORS` for what it cannot do.

    Of a Cluster, the one server that counts is asked.
    """
    trial = f"{keys.beside}trial-{uuid.uuid4().hex}"
    all_keys = [trial, *keys.of_script(), keys.dedupe, keys.licences]
    has_told = False
    while True:
        try:
            client.type(keys.queue)
            client.eval(_TRIAL, len(all_keys), *all_keys)
        except redis.BusyLoadingError:
            if not has_told:
                logger.warning("Redis is loading its data from the disk: waiting until it has")
            has_told = True
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return


_REFUSALS: tuple[tuple[str, type[RankspiderError], str], ...] = (
    (
        "HELLO must be called|NOAUTH|Authentication required",
        ServiceUnavailable,
        "Redis wants a password, and none is given: write REDIS_URL=redis://:PASSWORD@host:port/0, "
        "or USER:PASSWORD",
    ),
    (
        "without any password configured",
        ServiceUnavailable,
        "Redis has no password, and REDIS_URL gives one: take it out",
    ),
    (
        "AuthenticationError|WRONGPASS",
        ServiceUnavailable,
        "Redis refused the connection: check the user and the password in REDIS_URL, where "
        "/ ? # @ : and % of theirs are written %2F %3F %23 %40 %3A %25",
    ),
    (
        "NOPERM|NoPermissionError|ACL failure|can't run this command|can't access",
        ServiceUnavailable,
        "Redis does not let this user do what a run needs ({error}): its ACL must allow scripts, "
        "reads and writes on the queue and the keys beside it, such as +@all -@dangerous "
        "~goods_rank:anchors ~{{goods_rank:anchors}}:*",
    ),
    (
        "DB index is out of range",
        ConfigurationError,
        "REDIS_URL: there is no database of that number; Redis has 16, 0 to 15, unless its "
        "'databases' says otherwise",
    ),
    (
        "READONLY|ReadOnlyError",
        ServiceUnavailable,
        "this Redis is a replica, which takes no writes: set REDIS_URL to its master, or to "
        "redis+sentinel://host:port/service",
    ),
    (
        "MISCONF",
        ServiceUnavailable,
        "Redis takes no writes (MISCONF), since it cannot save them: see its log and its disk",
    ),
    (
        "OOM|OutOfMemoryError",
        ServiceUnavailable,
        "Redis takes no writes (OOM), since its memory is full: raise its maxmemory, or make room",
    ),
    (
        "NOREPLICAS|NoReplicas",
        ServiceUnavailable,
        "Redis takes no writes (NOREPLICAS), since too few replicas follow it: start them",
    ),
    (
        "MovedError|MOVED",
        ConfigurationError,
        "REDIS_URL: this is one server of a Cluster: write redis+cluster://host:port,host:port",
    ),
    (
        "ClusterDownError|CLUSTERDOWN",
        ServiceUnavailable,
        "this Redis Cluster does not serve the queue's slot ({error}): see its CLUSTER INFO",
    ),
    (
        "unknown command",
        ServiceUnavailable,
        "Redis lacks a command that a run needs ({error}): 6.2 or newer is needed, with scripts",
    ),
)


def unavailable(error: Exception, settings: BaseSettings | None = None) -> RankspiderError:
    """Return what to say of one of `REDIS_ERRORS`: what is wrong, and what mends it."""
    chain = [error, *(each for each in (error.__cause__,) if each is not None)]
    whole = "; ".join(f"{type(each).__name__}: {each}" for each in chain)
    for pattern, kind, text in _REFUSALS:
        if re.search(pattern, whole):
            return kind(text.format(error=error))
    if isinstance(error, redis.ResponseError):
        return ServiceUnavailable(f"Redis refused what was asked of it: {error}")
    place = f" at {place_of(_parameters(settings))}" if settings is not None else ""
    return ServiceUnavailable(
        f"Redis cannot be reached{place} ({server_message(error)}): start it, mend REDIS_URL, or "
        "unset REDIS_URL for an embedded server"
    )


def server_message(error: Exception) -> str:
    """Return the words of one of `REDIS_ERRORS`, for a log."""
    return f"{type(error).__name__}: {why(error)}"


def is_away(error: Exception) -> bool:
    """Return whether Redis is, rather than what was asked of it, at fault."""
    if not isinstance(error, REDIS_ERRORS):
        return False
    if "same key slot" in str(error):  # the queue's key is at fault, and will be
        return False
    return isinstance(error, _AWAY) or _AWAY_MESSAGE.match(str(error)) is not None
