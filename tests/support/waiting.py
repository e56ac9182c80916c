"""Waiting for what another process brings about."""

import time
from collections.abc import Callable

import redis
from pymongo.errors import PyMongoError


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Ask until it holds, for ``seconds`` at most; a server that is not up yet is asked again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, PyMongoError):
            pass
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
