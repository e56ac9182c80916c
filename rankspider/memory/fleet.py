"""The fleet's memory in Redis: what any worker stored within the hour, forgotten with it.

One HASH an hour of the endpoint's clock. Only saves work: while Redis is away nothing is known.
"""

import asyncio
import hashlib
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import asyncio as redis_asyncio

from rankspider import __version__
from rankspider.anchors.connection import REDIS_ERRORS
from rankspider.anchors.keys import Keys
from rankspider.memory.local import Mark, Place

logger = logging.getLogger(__name__)

_HOUR_MS = 3_600_000
# After the last word on an hour; a late answer finds nothing, and is written again in vain.
_KEEP_SECONDS = 7200
# Questions and marks that come up within these share one round trip.
_ASK_SECONDS = 0.02
_TELL_SECONDS = 0.1
# fingerprint, digest, first and last observation (Unix ms).
_VALUE = struct.Struct(">16s16sQQ")
_FIELD_BYTES = 8
FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is durable in the lake, for the interval from ``first`` to ``last`` (Unix ms)."""

    says_the_same: bool
    digest: str
    first: int
    last: int


class FleetMemory:
    """``lake`` tells one lake from another, so that nothing is taken for stored that isn't here.

    A release of the code trusts only what the same release stored: another one may store more.
    """

    def __init__(self, client: "redis_asyncio.Redis", keys: Keys, lake: str) -> None:
        self._client = client
        self._stem = f"{keys.memory}:{__version__}:{lake}"
        self._asked: dict[int, dict[bytes, asyncio.Future[bytes | None]]] = {}
        self._told: dict[int, dict[bytes, bytes]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def look_up(self, marks: Sequence[Mark], observed: int) -> list[Remembered | None]:
        """What the fleet knows last of the place of each of ``marks``; None if nothing."""
        asked = self._asked.setdefault(observed // _HOUR_MS, {})
        loop = asyncio.get_running_loop()
        futures = []
        for mark in marks:
            name = _field(mark.place)
            if name not in asked:
                asked[name] = loop.create_future()
            futures.append(asked[name])
        self._soon("ask", _ASK_SECONDS)
        values = [await future for future in futures]
        return [_remembered(value, mark) for value, mark in zip(values, marks, strict=True)]

    def tell(self, mark: Mark, digest: str, first: int, last: int) -> None:
        """Note what is durable now; it goes to Redis a little later, with others."""
        value = _VALUE.pack(mark.fingerprint, bytes.fromhex(digest), first, last)
        self._told.setdefault(last // _HOUR_MS, {})[_field(mark.place)] = value
        self._soon("tell", _TELL_SECONDS)

    async def close(self) -> None:
        """Tell the rest, if Redis is there to hear it."""
        await asyncio.gather(*self._tasks.values())

    def _soon(self, what: str, seconds: float) -> None:
        task = self._tasks.get(what)
        if task is None or task.done():
            self._tasks[what] = asyncio.create_task(self._after(what, seconds))

    async def _after(self, what: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while self._asked if what == "ask" else self._told:
            await (self._ask() if what == "ask" else self._tell())

    async def _ask(self) -> None:
        hour = next(iter(self._asked))
        asked = self._asked.pop(hour)
        values: Sequence[bytes | None] = [None] * len(asked)
        try:
            values = cast(list[bytes | None], await self._client.hmget(self._key(hour), [*asked]))
        except REDIS_ERRORS as error:
            # Whoever takes the next anchor waits for Redis; this one is only written in vain.
            logger.debug("The fleet's memory cannot be asked: %s", type(error).__name__)
        finally:
            for future, value in zip(asked.values(), values, strict=True):
                if not future.done():
                    future.set_result(value)

    async def _tell(self) -> None:
        hour = next(iter(self._told))
        told = self._told.pop(hour)
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hset(
                    self._key(hour), items=[part for pair in told.items() for part in pair]
                )
                pipeline.expire(self._key(hour), _KEEP_SECONDS)
                await pipeline.execute()
        except REDIS_ERRORS as error:
            logger.debug("The fleet's memory cannot be told: %s", type(error).__name__)

    def _key(self, hour: int) -> str:
        return f"{self._stem}:{hour}"


def _field(place: Place) -> bytes:
    return hashlib.blake2b("\0".join(place).encode(), digest_size=_FIELD_BYTES).digest()


def _remembered(value: bytes | None, mark: Mark) -> Remembered | None:
    if value is None or len(value) != _VALUE.size:
        return None
    fingerprint, digest, first, last = _VALUE.unpack(value)
    return Remembered(fingerprint == mark.fingerprint, digest.hex(), first, last)
