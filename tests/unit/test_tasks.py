"""What runs in the background ends, also if it overhears the first word."""

import asyncio

from rankspider.tasks import end


async def test_a_loop_that_swallows_a_cancellation_ends() -> None:
    heard = 0

    async def stubborn() -> None:
        nonlocal heard
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1
                if heard > 2:
                    raise

    loop, done = asyncio.create_task(stubborn()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    await end(loop, done)
    assert loop.cancelled()
    assert heard == 3
