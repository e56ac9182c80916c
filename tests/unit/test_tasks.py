"""What runs in the background ends, also if it overhears the first word."""

import asyncio

from rankspider.tasks import Turnstile, end


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


async def test_who_comes_during_a_look_waits_for_the_next_and_shares_it() -> None:
    turnstile, looks = Turnstile(), 0
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        has_begun.set()
        await may_end.wait()

    first = asyncio.create_task(turnstile.passed(look))
    await has_begun.wait()
    others = [asyncio.create_task(turnstile.passed(look)) for _ in range(5)]
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(first, *others)
    assert looks == 2


async def test_nobody_passes_by_a_look_that_failed() -> None:
    turnstile, looks = Turnstile(), 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ConnectionError

    both = [turnstile.passed(look) for _ in range(2)]
    failed, passed = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(failed, ConnectionError)
    assert passed is None
    assert looks == 2


async def test_looks_are_apart_unless_nobody_else_will_come() -> None:
    looks, is_all_there = 0, False
    turnstile = Turnstile(apart_seconds=3600, is_all_there=lambda: is_all_there)

    async def look() -> None:
        nonlocal looks
        looks += 1

    await turnstile.passed(look)
    several = [asyncio.create_task(turnstile.passed(look)) for _ in range(5)]
    done, _ = await asyncio.wait(several, timeout=0.1)
    assert (looks, done) == (1, set())
    is_all_there = True
    await asyncio.gather(*several)
    assert looks == 2
