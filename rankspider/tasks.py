"""Ending what runs in the background."""

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.1


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel ``tasks`` and return when all have ended.

    One `cancel` is not enough: redis-py and pymongo swallow it if the reply arrives at the same
    moment, and a loop would go on for ever.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=_AGAIN_SECONDS)
