"""Handle what runs in the background: ended for certain, or shared."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

_AGAIN_SECONDS = 0.1
_STEP_SECONDS = 0.02


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel ``tasks`` and return when all have ended.

    One `cancel` is not enough: redis-py and pymongo swallow it if the reply arrives at the same
    moment, and a loop would go on for ever.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=_AGAIN_SECONDS)


async def linger(seconds: float, is_over: Callable[[], bool]) -> None:
    """Let more come for ``seconds``, or less if ``is_over``: nothing more will."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not is_over():  # noqa: ASYNC110
        await asyncio.sleep(min(left, _STEP_SECONDS))


class Turnstile:
    """Lets pass who waits for something to be looked at after they came; as many as have come
    meanwhile share one look."""

    def __init__(
        self, apart_seconds: float = 0, is_all_there: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin looks ``apart_seconds`` apart at least, unless ``is_all_there``: nobody else will
        come before those who wait have passed."""
        self._apart_seconds = apart_seconds
        self._is_all_there = is_all_there
        self._looking = asyncio.Lock()
        self._begun = self._ended = 0
        self._next = 0.0

    async def passed(self, look: Callable[[], Awaitable[None]]) -> None:
        """Return once it has been looked at after this call. Raises what ``look`` raises, to each
        who would have shared it in turn."""
        before = self._begun
        async with self._looking:
            if self._ended <= before:
                await linger(self._next - time.monotonic(), self._is_all_there)
                self._next = time.monotonic() + self._apart_seconds
                self._begun += 1
                number = self._begun
                await look()
                self._ended = number
