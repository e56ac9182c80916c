"""The fleet's knowledge of its licences, for a command without a loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from scrapy.settings import BaseSettings

from rankspider.connections.redis import connect
from rankspider.connections.redis_keys import Keys
from rankspider.licences.ledger import (
    CallOutcome,
    CallReport,
    Grant,
    Ledger,
    LicenceState,
    Rates,
    Slot,
)
from rankspider.licences.pool import USUAL

_T = TypeVar("_T")
_PATIENCE_SECONDS = 10.0


class Fleet:
    """The state of the licences in Redis. Every method raises one of `REDIS_ERRORS` while Redis is
    away."""

    def __init__(self, settings: BaseSettings, queue: str, rates: Rates) -> None:
        self._settings = settings
        self._keys = Keys.of(queue)
        self._rates = rates

    def standings(self, fingerprints: list[str]) -> list[LicenceState]:
        return self._asked(lambda ledger: ledger.states(fingerprints)).licences

    def wait_for_turn(self, standing: LicenceState) -> Slot | str:
        """Wait for a turn at the fleet's pace; the reason if none is to be had soon.

        A licence that was refused for good gets one all the same: it may have been renewed.
        """
        who = [standing.fingerprint]
        if standing.state == "refused":
            self._asked(lambda ledger: ledger.reconsider(who, 0))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            grant: Grant = self._asked(lambda ledger: ledger.take(who, self._rates, 1))
            if grant.slots:
                time.sleep(grant.slots[0].wait)
                return grant.slots[0]
            if grant.why != "pace" or time.monotonic() + grant.wait > deadline:
                return grant.why
            time.sleep(grant.wait)

    def report(self, standing: LicenceState, slot: Slot, outcome: CallOutcome) -> None:
        self._asked(
            lambda ledger: ledger.report([CallReport(standing.fingerprint, outcome, slot.turn)])
        )

    def _asked(self, question: Callable[[Ledger], Awaitable[_T]]) -> _T:
        async def ask() -> _T:
            client = connect(self._settings)
            try:
                return await question(Ledger(client, self._keys, USUAL))
            finally:
                await client.aclose()

        return asyncio.run(ask())
