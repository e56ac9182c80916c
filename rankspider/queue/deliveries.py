"""The anchors one worker has in hand, from the lease to the acknowledgement."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from scrapy.statscollectors import StatsCollector

from rankspider.connections.outage import Outage
from rankspider.connections.redis import is_away, server_message
from rankspider.queue.anchor_queue import (
    AnchorQueue,
    Count,
    Failed,
    Lease,
    QueueCounts,
    QueueLost,
)
from rankspider.tasks import end

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_LONGEST_BACKOFF_SECONDS = 60.0
_LONGEST_RETRY_AFTER_SECONDS = 1800.0
# Acknowledgements that fall due within it share one round trip.
_GATHER_SECONDS = 0.02
# What is stored is acknowledged, however little time the worker was given to end.
_LEAST_CLOSE_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class Delivery:
    """One anchor in hand. It has ended when its output is complete and every item has ended."""

    lease: Lease
    sec_uid: str
    """"" if the list alone is asked for."""
    open_items: int = 0
    output_complete: bool = False
    reason: str | None = None
    """Why it comes to nothing; None as long as all goes well."""
    error: str = ""
    hopeless: bool = False
    """No other try would do."""
    retry_after: float | None = None
    """Seconds the endpoint asked to wait."""
    is_blameless: bool = False
    """Not its fault, such as a refused licence: given back at once, and no try is counted."""
    count: Count = "counted"
    """Whether its failure is a try."""
    is_asked: bool = False
    """The call has left, or is about to."""
    is_answered: bool = False
    is_settling: bool = False
    """It has ended, or goes back: Redis is being told."""
    is_lost: bool = False
    """The lease ran out all the same."""
    safe_until: float = 0.0
    """By `time.monotonic`: before it, the lease cannot have run out."""
    in_pipelines: int = 0
    """Of its items, those that Scrapy's pipelines have."""
    observation: str = ""
    """What its answer says of it, for the watch list."""
    records: list[Any] = field(default_factory=list)
    """What dedupe remembers of its items (`rankspider.dedupe.record`)."""

    @property
    def anchor(self) -> str | None:
        return self.sec_uid or None

    def fail(
        self, reason: str, error: str, *, hopeless: bool = False, retry_after: float | None = None
    ) -> None:
        """Note that it comes to nothing; the first reason stands."""
        if self.reason is None:
            self.reason, self.error = reason, error
            self.hopeless, self.retry_after = hopeless, retry_after


class Deliveries:
    """Takes no more than there is room for, keeps leases alive, and settles what has ended."""

    def __init__(
        self,
        queue: AnchorQueue,
        stats: StatsCollector,
        *,
        room: int,
        lease_seconds: float,
        backoff_seconds: float,
        on_crash: Callable[[], None],
        storing_room: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take anchors from ``queue`` while there is room.

        ``room`` is for anchors whose output is not complete. Beside those, as many as
        ``storing_room`` says at the time may wait until what they brought is durable.
        """
        self._queue = queue
        self._stats = stats
        self._room = room
        self._storing_room = storing_room
        self._storing = 0
        self._lease_seconds = lease_seconds
        self._backoff_seconds = backoff_seconds
        self._on_crash = on_crash
        self._held: dict[Lease, Delivery] = {}
        self._ended: list[Delivery] = []
        self._something_ended = asyncio.Event()
        self._has_room = asyncio.Event()
        self._most_in_hand = room
        self._is_stopped = False
        self._is_closing = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._outage = Outage("Redis", logger, server_message)
        self._asked_too_long = False
        self._waiting = 0
        self.next_turn_in: float | None = None
        """Seconds from the last take until a turn of the watch list may be taken; None: it has
        none, or is not served."""
        self._adopting = asyncio.Lock()

    def start(self) -> None:
        """Begin to renew and to settle, on the running loop."""
        self._has_room.set()
        self._tasks = [self._background(self._renew()), self._background(self._settle())]

    @property
    def in_hand(self) -> int:
        return len(self._held)

    @property
    def answered(self) -> int:
        """Return how many anchors wait until what they brought is durable."""
        return sum(each.is_answered for each in self._held.values())

    @property
    def are_only_storing(self) -> bool:
        """Return whether no call is under way or to come, before some of them are stored."""
        return 0 < len(self._held) == self._storing

    async def take(self) -> tuple[list[Delivery], int]:
        """Wait for room and lease what fits; return it and how many members wait still.

        An anchor that may be what killed its workers before is taken in ever smaller company, so
        that it takes no other with it for good.
        """
        while True:
            await self._has_room.wait()
            if self._is_stopped:
                return [], 0
            room = self._most_in_hand - self._occupied
            if room > 0:
                break
            self._has_room.clear()  # what waits to be stored has come to count in the meantime
        return await self._through(self._take(room))

    async def _take(self, room: int) -> tuple[list[Delivery], int]:
        in_hand = len(self._held)
        safe_until = time.monotonic() + self._lease_seconds
        taken = await self._patiently(lambda: self._queue.take(room, in_hand=in_hand))
        deliveries = self._in_hand(taken.leases, safe_until)
        self._most_in_hand = min(self._most_in_hand, taken.most_in_hand or self._room)
        self._mark_room()
        self.next_turn_in = taken.next_turn_in
        self._waiting = taken.waiting
        if taken.fewer:
            await self._warn_of_fewer(taken.fewer)
        return deliveries, taken.waiting

    async def take_closing(self, margin: float) -> tuple[list[Delivery], float | None]:
        """Lease a look at the end of the endpoint's hour, if one is due, whatever else is in hand.
        Return it, and the seconds until the next one; None: nobody knows."""
        if self._is_stopped:
            return [], None
        return await self._through(self._take_closing(margin))

    async def _take_closing(self, margin: float) -> tuple[list[Delivery], float | None]:
        safe_until = time.monotonic() + self._lease_seconds
        take = partial(self._queue.take_closing, margin, in_hand=len(self._held))
        leases, wait = await self._patiently(take)
        return self._in_hand(leases, safe_until), wait

    def _in_hand(self, leases: list[Lease], safe_until: float) -> list[Delivery]:
        deliveries = [Delivery(lease, "", safe_until=safe_until) for lease in leases]
        self._held.update(zip(leases, deliveries, strict=True))
        self._stats.inc_value("rank/anchors/taken", len(leases))
        for lease in leases:
            if lease.purpose != "queue":
                self._stats.inc_value(f"rank/watch/{lease.purpose}")
        return deliveries

    def complete(self, delivery: Delivery) -> None:
        """Note that nothing more will leave the spider for ``delivery``."""
        if not delivery.output_complete:
            delivery.output_complete = True
            self._storing += delivery.lease in self._held
        self._settle_if_ended(delivery)
        if not self._has_room.is_set():
            self._mark_room()

    def item_ended(self, delivery: Delivery) -> None:
        """Note that one item of ``delivery`` is stored, dropped or lost."""
        delivery.open_items -= 1
        self._settle_if_ended(delivery)

    def _settle_if_ended(self, delivery: Delivery) -> None:
        ended = delivery.output_complete and delivery.open_items == 0
        if ended and not delivery.is_settling:
            delivery.is_settling = True
            self._ended.append(delivery)
            self._something_ended.set()

    async def counts(self) -> QueueCounts:
        return await self._patiently(self._queue.counts)

    def stop(self) -> None:
        """Take no more; a `take` that waits returns nothing."""
        self._is_stopped = True
        self._has_room.set()

    async def release_unasked(self) -> None:
        """Give back at once what was leased and not asked yet."""
        await self._calls_to_end()
        rest = [each for each in self._held.values() if not (each.is_asked or each.is_settling)]
        for delivery in rest:
            delivery.is_settling = True
        await self._through(self._give_back([delivery.lease for delivery in rest]))

    async def close(self, seconds: float) -> None:
        """Settle what has ended and give the rest back at once, within ``seconds``.

        Redis gets 5 s at least. What it cannot take by then comes back when its lease runs out.
        """
        self.stop()
        renewing, settling = self._tasks
        self._is_closing = True
        self._something_ended.set()
        try:
            async with asyncio.timeout(max(seconds, _LEAST_CLOSE_SECONDS)):
                # An acknowledgement under way is not repeated: Redis would refuse it.
                await end(renewing)
                await asyncio.gather(settling, return_exceptions=True)
                await self._calls_to_end()
                await self._settle_ended()
                storing = [lease for lease, each in self._held.items() if each.output_complete]
                await self._give_back(storing, are_cut_off=True)
                await self._give_back(list(self._held))
        except TimeoutError:
            if self._held:
                self._stats.set_value("rank/anchors/left_leased", len(self._held))
                logger.error(
                    "%d anchors could not be given back: they return when their leases run out",
                    len(self._held),
                )

    async def _through(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Return what ``call`` does. Whoever waits for it may be cancelled when Redis has done it
        already, such as given out anchors; `close` waits for its answer then."""
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return await asyncio.shield(task)

    async def _calls_to_end(self) -> None:
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _give_back(self, leases: list[Lease], *, are_cut_off: bool = False) -> None:
        if leases:
            release = partial(self._queue.release, leases, are_cut_off=are_cut_off)
            lost = await self._refused(release)
            self._drop(leases)
            self._stats.inc_value("rank/anchors/released", len(leases) - len(lost))

    def _background(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._look_at)
        return task

    def _look_at(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.critical("The worker cannot go on: %s", error, exc_info=error)
            self._on_crash()

    async def _renew(self) -> None:
        """Renew thrice a lease, so that two failed calls in a row do no harm."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            held = [each for each in self._held.values() if not each.is_lost]
            if not held:
                continue
            safe_until = time.monotonic() + self._lease_seconds
            leases = [each.lease for each in held]
            lost = set(await self._patiently(partial(self._queue.renew, leases)))
            for delivery in held:
                delivery.is_lost = delivery.lease in lost
                if not delivery.is_lost:
                    delivery.safe_until = safe_until
                elif not delivery.is_settling:  # what Redis is being told of is no loss
                    self._stats.inc_value("rank/anchors/lease_lost")

    async def _settle(self) -> None:
        while not self._is_closing:
            await self._something_ended.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            await self._settle_ended()

    async def _settle_ended(self) -> None:
        """Acknowledge or fail what has ended; it stays in hand until Redis has said yes."""
        ended = list(self._ended)
        self._something_ended.clear()
        blamed = [each for each in ended if not each.is_blameless]
        try:
            await self._acknowledge([each for each in blamed if each.reason is None])
            await self._fail([each for each in blamed if each.reason is not None])
            await self._give_back([each.lease for each in ended if each.is_blameless])
        finally:  # an error may come between them
            self._ended = [each for each in self._ended if each.lease in self._held]
        self._mark_room()

    async def _acknowledge(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        leases = [delivery.lease for delivery in deliveries]
        observations = {each.lease: each.observation for each in deliveries if each.observation}
        ack = partial(self._queue.ack, leases, observations)
        refused = await self._refused(ack)
        self._drop(leases)
        self._stats.inc_value("rank/anchors/acked", len(leases) - len(refused))
        if refused:
            # Another worker has it by now, or had; what this one stored does no harm.
            self._stats.inc_value("rank/anchors/ack_refused", len(refused))
            logger.warning("%d acknowledgements came too late", len(refused))

    async def _fail(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        failures = [self._failed(delivery) for delivery in deliveries]
        buried = {failed.lease: self._queue.buries(failed) for failed in failures}

        async def fail() -> list[Lease]:
            outcome = await self._queue.fail(failures)
            buried.update(outcome)
            return [failed.lease for failed in failures if failed.lease not in outcome]

        refused = await self._refused(fail)
        self._drop(failed.lease for failed in failures)
        for failed in failures:
            if failed.lease in refused:
                continue  # another worker has it by now, or had; what it comes to is for that one
            if not buried[failed.lease]:
                self._stats.inc_value("rank/anchors/delayed")
                continue
            self._stats.inc_value("rank/anchors/buried")
            nth = failed.lease.delivery
            logger.warning(
                "Dead letter: %s (%s) after %s: %s",
                failed.lease.member.decode("utf-8", "backslashreplace")[:200],
                failed.reason,
                "1 delivery" if nth == 1 else f"{nth} deliveries",
                failed.error,
            )

    async def _refused(self, call: Callable[[], Awaitable[list[Lease]]]) -> list[Lease]:
        """Return the leases that were no longer ours. Those that ``call`` settled by an attempt
        whose answer was lost are none of them."""
        attempts = 0

        async def attempt() -> list[Lease]:
            nonlocal attempts
            attempts += 1
            return await call()

        refused = await self._patiently(attempt)
        if attempts == 1:
            return refused
        now = time.monotonic()
        return [lease for lease in refused if self._held[lease].safe_until <= now]

    def _failed(self, delivery: Delivery) -> Failed:
        delay = None if delivery.hopeless else self._delay(delivery)
        assert delivery.reason is not None
        return Failed(delivery.lease, delivery.reason, delivery.error, delay, delivery.count)

    def _delay(self, delivery: Delivery) -> float:
        """Return how long the member waits. It doubles with every delivery, with jitter, so that
        what failed together comes apart."""
        doubled = self._backoff_seconds * float(1 << min(delivery.lease.delivery - 1, 16))
        backoff = min(doubled, _LONGEST_BACKOFF_SECONDS) * random.uniform(0.5, 1.0)
        return max(backoff, self._believed(delivery.retry_after or 0.0))

    def _believed(self, retry_after: float) -> float:
        if retry_after <= _LONGEST_RETRY_AFTER_SECONDS:
            return retry_after
        if not self._asked_too_long:
            self._asked_too_long = True
            logger.warning(
                "The endpoint asked to wait %g s (Retry-After): an anchor waits %g s at most",
                retry_after,
                _LONGEST_RETRY_AFTER_SECONDS,
            )
        return _LONGEST_RETRY_AFTER_SECONDS

    def _drop(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            delivery = self._held.pop(lease, None)
            self._storing -= delivery is not None and delivery.output_complete

    @property
    def _occupied(self) -> int:
        """Return how much of the room is taken."""
        if self._most_in_hand < self._room:  # what may crash the worker takes little with it
            return len(self._held)
        return len(self._held) - min(self._storing, self._storing_room())

    def _mark_room(self) -> None:
        if not self._held:
            self._most_in_hand = self._room
        # For a quarter at once: a round trip for each anchor costs more than the anchor.
        fits = max(1, self._most_in_hand // 4)
        if self._is_stopped or self._occupied <= self._most_in_hand - fits:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Wait out an outage of Redis, and go on with what is in hand if it lost the queue; every
        call may be repeated."""
        while True:
            try:
                return await self._outage.wait_out(call, is_away)
            except QueueLost as lost:
                async with self._adopting:
                    if self._queue.epoch == lost.epoch:  # else another call has seen to it
                        await self._adopt()

    async def _warn_of_fewer(self, fewer: int) -> None:
        if await self._outage.wait_out(self._queue.has_evicted, is_away):
            self._stats.inc_value("rank/queue/lost")
            logger.critical(
                "Redis lost the queue: %d anchors that waited are gone, and it has evicted keys: "
                "push them again, and set maxmemory-policy noeviction",
                fewer,
            )
        else:
            self._stats.inc_value("rank/queue/taken_away", fewer)
            logger.warning(
                "%d anchors that waited were taken off the queue by somebody who is no worker: if "
                "nobody meant to, push them again",
                fewer,
            )

    async def _adopt(self) -> None:
        leases = list(self._held)
        await self._outage.wait_out(partial(self._queue.adopt, leases), is_away)
        self._stats.inc_value("rank/queue/lost")
        logger.critical(
            "Redis lost the queue: it was emptied, restarted without its data or with older data, "
            "or has evicted keys. %d anchors waited when this worker looked last, and those, what "
            "was delayed and the dead letters may be gone: push them again. The %d in its hands "
            "are not, and are leased again: %s",
            self._waiting,
            len(leases),
            ", ".join(lease.member.decode("utf-8", "backslashreplace")[:200] for lease in leases)
            or "none",
        )
