"""The connection to Redis, from scrapy-redis's own settings."""

import re
from typing import Any

import redis
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisClusterException
from scrapy.settings import BaseSettings
from scrapy_redis import defaults
from scrapy_redis.connection import SETTINGS_PARAMS_MAP

from rankspider.connections.redis_topology import ASYNCIO, BLOCKING, client_of
from rankspider.errors import ServiceUnavailable

_CHECK_SECONDS = 5
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
    """An asyncio client by ``REDIS_URL``, ``REDIS_HOST``, ``REDIS_PARAMS`` …, as scrapy-redis
    reads them, or of a Cluster or a Sentinel's master; it connects when it is first used."""
    client: redis_asyncio.Redis = client_of(ASYNCIO, _parameters(settings))
    return client


def connect_blocking(settings: BaseSettings, **overrides: Any) -> redis.Redis:
    """The same for a command without a loop.

    Raises `ConfigurationError` or `ServiceUnavailable`; the latter only for a Cluster, whose
    client connects at once.
    """
    try:
        client: redis.Redis = client_of(BLOCKING, {**_parameters(settings), **overrides})
    except REDIS_ERRORS as error:
        raise unavailable(error) from None
    return client


def is_configured(settings: BaseSettings) -> bool:
    """Whether any of scrapy-redis's connection settings names a server."""
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
    """Raise `ServiceUnavailable` or `ConfigurationError` unless Redis answers."""
    timeouts = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), _CHECK_SECONDS)
    client = connect_blocking(settings, **timeouts)
    try:
        # Of a Cluster, the one server that counts is asked.
        client.type(settings.get("RANK_QUEUE_KEY") or "")
    except REDIS_ERRORS as error:
        raise unavailable(error, _place_of(client)) from None
    finally:
        client.close()


def _place_of(client: redis.Redis) -> str:
    """Host and port, if it is one server's; the rest of an address may hold a password."""
    known = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    return f"{known['host']}:{known.get('port', 6379)}" if known.get("host") else ""


def said(error: Exception) -> str:
    """What is wrong, for a log: redis-py names host, port and reason, and no login."""
    text = " ".join(str(error).split()).rstrip(".")[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unavailable(error: Exception, place: str = "") -> ServiceUnavailable:
    """What to say of one of `REDIS_ERRORS`, with the ``place`` that was asked."""
    if any(isinstance(each, redis.AuthenticationError) for each in (error, error.__cause__)):
        return ServiceUnavailable(
            "Redis refused the connection: check the user and the password in REDIS_URL"
        )
    if isinstance(error, redis.ResponseError):
        return ServiceUnavailable(f"Redis refused what was asked of it: {error}")
    at = f" at {place}" if place and place not in str(error) else ""
    return ServiceUnavailable(
        f"Redis cannot be reached{at} ({said(error)}): start it, mend REDIS_URL, or unset "
        "REDIS_URL for an embedded server"
    )


def is_away(error: Exception) -> bool:
    """Whether Redis is, rather than what was asked of it, at fault."""
    if not isinstance(error, REDIS_ERRORS):
        return False
    if "same key slot" in str(error):  # the queue's key is at fault, and will be
        return False
    return isinstance(error, _AWAY) or _AWAY_MESSAGE.match(str(error)) is not None
