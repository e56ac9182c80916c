"""What the endpoint says next: the market as one of its caches has it, now or a little ago."""

import random

from tests.truth.facts import Row, Said
from tests.truth.market import HOUR, Market, Seller, State

_STRETCH = 600
"""Seconds for which one cache answers all, or two do, by turns or each its own clients."""


class Telling:
    """The virtual clock, which goes on by some ``step`` seconds with each answer.

    ``shares_milliseconds``: some answers have the time of the one before, and say something else.
    """

    def __init__(
        self, market: Market, seed: int, step: float, *, shares_milliseconds: bool = False
    ) -> None:
        self._market = market
        self._seed = seed
        self._choose = random.Random(f"telling {seed}")
        self._step = step
        self._shares_milliseconds = shares_milliseconds
        self._sellers = {seller.sec_uid: seller for seller in market.sellers}
        self._now = market.start * 1000
        self._count = 0
        self._said: set[int] = set()

    def answer(self, sec_uid: str | None, client: int = 0) -> Said:
        """``client``: which of them asks, by number."""
        self._count += 1
        self._now += max(1, round(self._step * self._choose.uniform(0.1, 1.9) * 1000))
        observed = self._observed()
        begin = self._begin(observed)
        state = self._market.state(begin, observed, self._cache(observed, client))
        rows = self._market.listed(state)
        return Said(observed, begin, self._market.name, rows, self._own(sec_uid, state))

    def _observed(self) -> int:
        """Now, or earlier from a cache; each millisecond once, unless they are shared."""
        if self._shares_milliseconds and self._said and self._choose.random() < 0.15:
            return max(self._said)
        observed = self._now
        if self._choose.random() < 0.12:
            observed -= round(self._choose.uniform(0.2, 3) * self._step * 1000)
        observed = max(observed, self._market.start * 1000)
        while observed in self._said:
            observed += 1
        self._said.add(observed)
        return observed

    def _begin(self, observed: int) -> int:
        """Its hour; some caches go on with the hour before for a while."""
        begin = observed // 1000 // HOUR * HOUR
        into = observed / 1000 - begin
        is_first = begin <= self._market.start
        if not is_first and into < 5 * self._step and self._choose.random() < 0.4:
            return begin - HOUR
        return begin

    def _cache(self, observed: int, client: int) -> int:
        """How many changes the cache that answers is behind."""
        stretch = observed // 1000 // _STRETCH
        match random.Random(f"caches {self._seed} {stretch}").choice(("one", "turns", "clients")):
            case "turns":
                return self._count % 2
            case "clients":
                return client % 2
        return 0

    def _own(self, sec_uid: str | None, state: State) -> Row | None:
        seller = self._sellers.get(sec_uid or "")
        if seller is None or self._is_mute(seller):
            return None
        return self._market.own(state, seller)

    @staticmethod
    def _is_mute(seller: Seller) -> bool:
        """Of some the endpoint never tells where they stand."""
        return seller.number % 17 == 16
