"""One worker's access to the fleet's licences: waits for its turn, tells what came of it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from redis import asyncio as redis_asyncio

from rankspider.connections.outage import Outage
from rankspider.connections.redis import is_away, server_message
from rankspider.connections.redis_keys import Keys
from rankspider.errors import RankspiderError
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, CallReport, Change, Grant, Ledger, Policy, Rates
from rankspider.licences.reports import Reports
from rankspider.tasks import end

logger = logging.getLogger(__name__)

_MOST_SLOTS = 64
# Slots had in advance, for one round trip, as long as nothing limits them.
_SPARE_SLOTS = 16
# A slot not used by then is given back: sent late, requests would leave in a burst. So no second
# sees more than 1.1 of the limit.
_LATEST_SECONDS = 0.05
# However long the wait: another worker's probe, or a new token, may end it.
_LONGEST_WAIT_SECONDS = 5.0
# For an answer that is under way, when the worker ends.
_CLOSE_SECONDS = 2.0

UNLIMITED = Rates()
USUAL = Policy()


class AllLicencesRefused(RankspiderError):
    """The endpoint refused every licence for good: no wait will help."""

    exit_code = 4


class WorkerStopping(RankspiderError):
    """The worker stops, and what waited for leave to be sent will not be."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Leave to send one request, now."""

    fingerprint: str
    token: str = field(repr=False)
    turn: int
    """Which request of the fleet's it is."""


@dataclass(frozen=True, slots=True)
class _Reserved:
    licence: Licence
    at: float
    """When it may leave, by the loop's clock."""
    epoch: int


class LicencePool:
    """Hands out leave to send, at the fleet's pace. Belongs to the loop it is used in.

    While Redis is away no leave is given: `take` waits. Redis errors that waiting does not mend
    are raised.
    """

    def __init__(
        self,
        client: "redis_asyncio.Redis",
        keys: Keys,
        tokens: Sequence[str],
        *,
        rates: Rates = UNLIMITED,
        policy: Policy = USUAL,
        on_change: Callable[[Change], None] | None = None,
        on_wait: Callable[[str, float], None] | None = None,
        clock_ms: float | None = None,
    ) -> None:
        """Share ``tokens`` with the fleet by way of Redis.

        ``on_change`` is told of a state that this worker's reports changed; ``on_wait`` of every
        wait: why (cooling, circuit) and the seconds, as often as it is asked.
        """
        self.ledger = Ledger(client, keys, policy, clock_ms=clock_ms)
        self._rates = rates
        self._on_change = on_change
        self._on_wait = on_wait
        self._outage = Outage("Redis", logger, server_message)
        self._reports = Reports(self.ledger, self._outage, self._take_note)
        self._ready: deque[_Reserved] = deque()
        self._waiting: deque[asyncio.Future[_Reserved]] = deque()
        self._takes: set[asyncio.Future[None]] = set()
        self._feeding: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._offset: float | None = None
        self._epoch = 0
        self._why = ""
        self.set_tokens(tokens)

    def set_tokens(self, tokens: Sequence[str]) -> None:
        """Use these from now on; what Redis knows of them counts."""
        self._tokens = {fingerprint(token): token for token in tokens}
        self._fingerprints = tuple(self._tokens)
        self._start_anew()

    async def take(self, *, urgent: bool = False) -> Licence:
        """Wait until a request may be sent, and return the licence to send it with.

        One that is ``urgent`` comes before all that wait. Every one taken is to be reported,
        `CallOutcome.UNSENT` if nothing was sent. Raises `AllLicencesRefused`, and after
        `give_up` `WorkerStopping`.
        """
        self._require_going_on()
        if (spare := self._at_hand()) is not None:
            return spare
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takes.add(ended)
        try:
            return await self._wait_for_permission(urgent=urgent)
        finally:
            self._takes.discard(ended)
            ended.set_result(None)

    async def _wait_for_permission(self, *, urgent: bool) -> Licence:
        late_will_do = False
        while True:
            reserved = await self._in_turn(urgent=urgent)
            if await self._due(reserved, late_will_do):
                return reserved.licence
            self.report(reserved.licence, CallOutcome.UNSENT)
            # A loop that is always late would never send at all.
            late_will_do = True

    def report(
        self, licence: Licence, outcome: CallOutcome, retry_after: float | None = None
    ) -> None:
        """Tell what came of it; it goes to Redis a little later, with others.

        What may set a licence aside goes at once, and nothing leaves before it is told.
        """
        report = CallReport(licence.fingerprint, outcome, licence.turn, retry_after)
        if self._reports.add(report):
            self._start_anew()

    async def reconsider(self, older_than: float = 60) -> None:
        """Ask once more with each licence refused that many seconds ago or longer.

        For the start of a worker: somebody may have renewed them.
        """
        again = partial(self.ledger.reconsider, self._fingerprints, older_than)
        await self._outage.wait_out(again, is_away)

    async def give_up(self) -> None:
        """End the takes that wait, and those to come, each with `WorkerStopping`."""
        self._over.set()
        self._ready.clear()
        self._news.set()
        self._end_waiting(WorkerStopping("the worker stops"))
        if self._feeding is not None:
            # Slots that Redis has given out are given back: one may be the fleet's only probe.
            await asyncio.wait([self._feeding], timeout=_CLOSE_SECONDS)
            await end(self._feeding)
        if self._takes:
            await asyncio.wait(self._takes)

    async def close(self) -> None:
        """Send what is left to report, if Redis is there to take it; waiting takes end."""
        await self.give_up()
        await self._reports.close()

    # Taking

    def _at_hand(self) -> Licence | None:
        """Return one of the spare licences, if they are as good as new."""
        while self._ready and not self._waiting:
            spare = self._ready.popleft()
            if self._holds(spare):
                return spare.licence
        return None

    def _holds(self, reserved: _Reserved) -> bool:
        late = asyncio.get_running_loop().time() - reserved.at
        return reserved.epoch == self._epoch and late <= _LATEST_SECONDS

    async def _in_turn(self, *, urgent: bool) -> _Reserved:
        waiter: asyncio.Future[_Reserved] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if urgent else self._waiting.append)(waiter)
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.create_task(self._feed())
            self._feeding.add_done_callback(self._fed)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.report(waiter.result().licence, CallOutcome.UNSENT)
            raise

    async def _due(self, reserved: _Reserved, late_will_do: bool) -> bool:
        """Wait for its time; False if it can no longer be used then."""
        try:
            await self._pause(self._over, reserved.at - asyncio.get_running_loop().time())
            self._require_going_on()
        except (asyncio.CancelledError, WorkerStopping):
            self.report(reserved.licence, CallOutcome.UNSENT)
            raise
        return self._holds(reserved) or (late_will_do and reserved.epoch == self._epoch)

    async def _feed(self) -> None:
        """Ask for slots as long as somebody waits for one."""
        while self._prune():
            self._news.clear()
            await self._reports.wait_until_reported()
            grant = await self._outage.wait_out(self._ask, is_away)
            if self._prune():
                await self._wait_out(grant)

    def _fed(self, feeding: asyncio.Task[None]) -> None:
        """Wake those who wait, whatever ended ``feeding``: nobody is to wait for ever."""
        if not feeding.cancelled() and (error := feeding.exception()) is not None:
            self._end_waiting(error)

    def _end_waiting(self, error: BaseException) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def _prune(self) -> int:
        """Return how many wait still; those that gave up in front are taken off."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting)

    async def _ask(self) -> Grant:
        loop, epoch = asyncio.get_running_loop(), self._epoch
        fingerprints, tokens = self._fingerprints, self._tokens
        count, asked_at = min(len(self._waiting), _MOST_SLOTS), loop.time()
        grant = await self.ledger.take(fingerprints, self._rates, count, _SPARE_SLOTS)
        offset = self._offset_to(grant.now, asked_at, loop.time())
        for nth, slot in enumerate(grant.slots):
            name = fingerprints[slot.index]
            licence = Licence(name, tokens[name], slot.turn)
            reserved = _Reserved(licence, grant.now + slot.wait + offset, epoch)
            self._hand_out(reserved, spare=nth >= count)
        return grant

    def _offset_to(self, redis_now: float, earliest: float, latest: float) -> float:
        """Return the loop's clock less Redis's, closer with every call: a late answer tells
        little."""
        low, high = earliest - redis_now, latest - redis_now
        self._offset = high if self._offset is None else min(max(self._offset, low), high)
        return self._offset

    def redis_time(self, loop_time: float) -> float | None:
        """Return what Redis's clock said when the loop's said ``loop_time``, s, if it is known."""
        return None if self._offset is None else loop_time - self._offset

    def _hand_out(self, reserved: _Reserved, *, spare: bool) -> None:
        if self._prune():
            self._waiting.popleft().set_result(reserved)
        elif spare:
            self._ready.append(reserved)
        else:
            self.report(reserved.licence, CallOutcome.UNSENT)

    async def _wait_out(self, grant: Grant) -> None:
        if grant.why == "refused":
            raise AllLicencesRefused(
                f"the endpoint refused every licence ({len(self._fingerprints)}): renew them, or "
                "put others in RANK_API_TOKENS"
            )
        if grant.why in ("cooling", "circuit"):
            self._say(grant)
        else:
            self._why = ""
        await self._pause(self._news, min(grant.wait, _LONGEST_WAIT_SECONDS))

    def _say(self, grant: Grant) -> None:
        if self._on_wait is not None:
            self._on_wait(grant.why, grant.wait)
        if grant.why == self._why:
            return
        self._why = grant.why
        if grant.why == "circuit":
            logger.warning("Most answers are failures: only a probe goes out now and then")
        else:
            logger.warning(
                "No licence may be used now: the next one in %.0f s, holding until then",
                grant.wait,
            )

    async def _pause(self, end: asyncio.Event, seconds: float) -> None:
        """Wait for ``seconds`` at most; ``end`` may come first."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await end.wait()

    def _require_going_on(self) -> None:
        if self._over.is_set():
            raise WorkerStopping("the worker stops")

    def _start_anew(self) -> None:
        """Forget all that is reserved so far: nothing of it is to be used."""
        self._epoch += 1
        self._news.set()

    def _take_note(self, change: Change) -> None:
        self._start_anew()
        if self._on_change is not None:
            self._on_change(change)
