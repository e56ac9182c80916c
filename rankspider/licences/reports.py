"""Bring a worker's reports on its requests to Redis, several in one round trip."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from rankspider.connections.outage import Outage
from rankspider.connections.redis import REDIS_ERRORS, is_away
from rankspider.licences.ledger import CallOutcome, CallReport, Change, Ledger
from rankspider.tasks import end

logger = logging.getLogger(__name__)

# Reports that fall due within it share one round trip.
_GATHER_SECONDS = 0.05
_CLOSE_SECONDS = 2.0
# These wait for no others: each further call may be one to pay for in vain.
_FAILURES = frozenset(CallOutcome) - {CallOutcome.OK, CallOutcome.ANSWERED, CallOutcome.UNSENT}
# What may set a licence aside by itself.
_SETBACKS = frozenset((CallOutcome.THROTTLED, CallOutcome.OUT_OF_QUOTA, CallOutcome.REFUSED))


class Reports:
    """Sends reports in order, failures at once, and holds them while Redis is away.

    ``on_change`` is told of every state that they changed.
    """

    def __init__(self, ledger: Ledger, outage: Outage, on_change: Callable[[Change], None]) -> None:
        self._ledger = ledger
        self._outage = outage
        self._on_change = on_change
        self._pending: deque[CallReport] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._failure = asyncio.Event()
        self._reported = asyncio.Event()
        self._reported.set()

    def add(self, report: CallReport) -> bool:
        """Return whether it is the first setback of those that the fleet is to be told of next."""
        self._pending.append(report)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        if report.outcome in _FAILURES:
            self._failure.set()
        is_first = report.outcome in _SETBACKS and self._reported.is_set()
        if is_first:
            self._reported.clear()
        return is_first

    async def wait_until_reported(self) -> None:
        """Wait until the fleet knows of every setback added so far."""
        await self._reported.wait()

    async def close(self) -> None:
        """Send the rest, if Redis is there to take it."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=_CLOSE_SECONDS)
            await end(self._sending)

    async def _send(self) -> None:
        try:
            await self._gather()
            while self._pending:
                self._failure.clear()
                await self._send_batch(list(self._pending))
        finally:
            self._reported.set()  # nobody is to wait for what will not be sent either

    async def _send_batch(self, batch: list[CallReport]) -> None:
        changes: list[Change] = []
        try:
            changes = await self._outage.wait_out(partial(self._ledger.report, batch), is_away)
        except REDIS_ERRORS as error:
            # Whoever takes the next licence meets it too, and ends the crawl with it.
            logger.error("The outcome of %d calls could not be recorded: %s", len(batch), error)
        except Exception:
            # Nobody waits for the task that sends: it would end in silence.
            logger.exception("The outcome of %d calls could not be recorded", len(batch))
        for _ in batch:
            self._pending.popleft()
        if not any(report.outcome in _SETBACKS for report in self._pending):
            self._reported.set()
        for change in changes:
            _log(change)
            self._on_change(change)

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER_SECONDS):
                await self._failure.wait()


def _log(change: Change) -> None:
    until = datetime.fromtimestamp(change.until, UTC).strftime("%H:%M:%S UTC")
    if change.who == "circuit" and change.state == "open":
        logger.warning("Most answers are failures: the fleet sends probes only, next at %s", until)
    elif change.who == "circuit":
        logger.warning("A probe was answered: the fleet is back at its pace")
    elif change.state == "good":
        logger.info("Licence %s is good again", change.who)
    elif change.until:
        logger.warning(
            "Licence %s is %s (%s) until %s", change.who, change.state, change.outcome, until
        )
    else:
        logger.error("Licence %s is refused: renew or replace it", change.who)
