"""Holds answers back, so that they arrive in another order than they were made in."""

import asyncio
import random
from dataclasses import dataclass, field

_LONGEST_SECONDS = 0.3
"""For when nobody else asks: then nothing overtakes."""


@dataclass
class _Held:
    order: int
    left: int
    """How many others, asked later, are to go first."""
    may_go: asyncio.Event = field(default_factory=asyncio.Event)


class Disorder:
    """``share`` of the answers let up to ``most`` others go first."""

    def __init__(self, seed: int, share: float, most: int) -> None:
        self._choose = random.Random(f"disorder {seed}")
        self._share = share
        self._most = most
        self._held: list[_Held] = []
        self.displaced = 0
        """How many answers another one overtook."""

    async def hold(self, order: int) -> None:
        """Wait until the answer to call ``order`` may go."""
        if self._choose.random() >= self._share:
            return
        left = self._choose.randint(1, self._most)
        held = _Held(order, left)
        self._held.append(held)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await held.may_go.wait()
        except TimeoutError:
            pass  # nobody came
        finally:
            self._held.remove(held)
            self.displaced += held.left < left

    def gone(self, order: int) -> None:
        """The answer to call ``order`` is sent."""
        for held in self._held:
            if held.order < order:
                held.left -= 1
                if held.left <= 0:
                    held.may_go.set()
