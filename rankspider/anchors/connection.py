"""The connection to Redis, from scrapy-redis's own settings."""

from typing import Any

import redis
from redis import asyncio as redis_asyncio
from scrapy.settings import BaseSettings
from scrapy_redis import defaults
from scrapy_redis.connection import SETTINGS_PARAMS_MAP, get_redis

from rankspider.errors import ConfigurationError, ServiceUnavailable

_CHECK_SECONDS = 5


def connect(settings: BaseSettings) -> "redis_asyncio.Redis":
    """An asyncio client by ``REDIS_URL``, ``REDIS_HOST``, ``REDIS_PARAMS`` …, as scrapy-redis
    reads them; it connects when it is first used."""
    parameters = {**_parameters(settings), "redis_cls": redis_asyncio.Redis}
    client: redis_asyncio.Redis = get_redis(**parameters)
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
    """Raise `ServiceUnavailable` or `ConfigurationError` unless Redis answers.

    No message repeats the address, which may hold a password.
    """
    parameters = {**_parameters(settings), "redis_cls": redis.Redis}
    parameters["socket_connect_timeout"] = parameters["socket_timeout"] = _CHECK_SECONDS
    try:
        client: redis.Redis = get_redis(**parameters)
    except ValueError:
        raise ConfigurationError("REDIS_URL cannot be used: is it redis://host:port/db?") from None
    try:
        client.ping()
    except redis.AuthenticationError:
        raise ServiceUnavailable(
            "Redis refused the connection: check the user and the password in REDIS_URL"
        ) from None
    except redis.RedisError as error:
        raise ServiceUnavailable(
            f"Redis cannot be reached ({type(error).__name__}): start it, mend REDIS_URL, or "
            "unset REDIS_URL for an embedded server"
        ) from None
    finally:
        client.close()
