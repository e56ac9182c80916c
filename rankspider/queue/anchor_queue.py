"""The queue of anchors: take, renew, acknowledge, release, fail, each one atomic round trip."""

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.errors import ConfigurationError, RankspiderError
from rankspider.secrecy import discreet

_FOLDER = importlib.resources.files(__package__)
SCRIPT = "".join(
    _FOLDER.joinpath(f"{part}.lua").read_text(encoding="utf-8")
    for part in ("anchor_queue", "turns", "dispatch")
)
# Lua hands arguments over on a stack of some 8000.
MOST_AT_ONCE = 500
_T = TypeVar("_T")
Count = Literal["counted", "spared", "held"]
"""Whether a failure is a try of the anchor's: ``held`` is none; ``spared`` is none as often as an
anchor has tries."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One delivery of one member. The receipt is the fence: an older one changes nothing."""

    member: bytes
    receipt: int
    delivery: int
    """Which delivery of this member it is, from 1."""
    purpose: str = "queue"
    """Why it is asked: ``queue``, or of the watch list: ``own`` for its turn, ``list`` for a look
    at the list, ``close`` for one at its hour's end."""

    @property
    def is_of_list_alone(self) -> bool:
        """Return whether no anchor is asked for; the member is a name that the script made up."""
        return self.purpose != "queue" and self.member.startswith(b"list ")


@dataclass(frozen=True, slots=True)
class Taken:
    """The leases that one call of `AnchorQueue.take` brought, and how the queue stands."""

    leases: list[Lease]
    waiting: int
    """How many members wait still."""
    most_in_hand: int | None = None
    """How many to have in hand until the hands are empty, since one of these, or the next in line,
    may be what killed its workers before. None: any number."""
    fewer: int = 0
    """How many that waited were gone, though no worker had taken them."""
    next_turn_in: float | None = None
    """Seconds until a turn of the watch list may be taken; None: it has none to give."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A delivery that came to nothing."""

    lease: Lease
    reason: str
    """Short and stable, such as ``no-such-user``."""
    error: str
    delay_seconds: float | None
    """How long it waits before its next try; None: no other try would do."""
    count: Count = "counted"


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many members wait, are leased, delayed or dead, as the script counts them."""

    waiting: int
    leased: int
    delayed: int
    dead: int

    @property
    def drained(self) -> bool:
        """Return whether nothing waits, nothing is in flight and nothing may come back,
        fleet-wide."""
        return self.waiting == self.leased == self.delayed == 0


class QueueLost(RankspiderError):
    """Redis has not the queue any more that the worker knows: it was emptied, restarted without
    its data or with older data, or has evicted keys. Nothing was changed."""

    def __init__(self, epoch: bytes) -> None:
        super().__init__("the queue was lost")
        self.epoch = epoch
        """The one it knew."""


class AnchorQueue:
    """One queue as one worker sees it, and its watch list, unless ``list_every`` is None: the
    seconds after which the list is looked at though nobody is due; 0: never.

    ``clock_ms`` replaces Redis's own clock in tests. Every method raises `redis.RedisError`
    while Redis is away; every one may be called again after that. Every method raises
    `ConfigurationError`, and changes nothing, while the queue's key holds something else than a
    queue. Those that need a lease raise `QueueLost` until `adopt`.
    """

    def __init__(
        self,
        client: "redis_asyncio.Redis",
        keys: Keys,
        *,
        owner: str,
        lease_seconds: float,
        max_deliveries: int,
        list_every: float | None = None,
        clock_ms: int | None = None,
    ) -> None:
        self._client = client
        self._keys = keys
        self._script = client.register_script(SCRIPT)
        self._owner = owner
        self._lease_ms = int(lease_seconds * 1000)
        self._max_deliveries = max_deliveries
        self._list_every_ms: int | str = "" if list_every is None else int(list_every * 1000)
        self.clock_ms = clock_ms
        self.epoch = b""
        self._last_receipt = 0

    async def take(self, count: int, *, in_hand: int = 0) -> Taken:
        """Lease up to ``count`` members: those of the queue, and then turns of the watch list.

        ``in_hand``: how many this worker has already. Where one may be what killed its workers
        before, fewer are given.
        """
        count = min(count, MOST_AT_ONCE)
        limits = (self._lease_ms, count, self._max_deliveries, in_hand)
        waiting, taken, most_in_hand, fewer, soon_ms = await self._guarded(
            "take", self._owner, *limits, self._list_every_ms
        )
        leases = self._leases(taken)
        next_turn_in = soon_ms / 1000 if soon_ms >= 0 else None
        return Taken(leases, waiting, most_in_hand or None, fewer, next_turn_in)

    def _leases(self, taken: Sequence[tuple[bytes, int, int, bytes]]) -> list[Lease]:
        leases = [
            Lease(member, receipt, nth, purpose.decode()) for member, receipt, nth, purpose in taken
        ]
        self._last_receipt = max([self._last_receipt, *(lease.receipt for lease in leases)])
        return leases

    async def take_closing(
        self, margin: float, *, in_hand: int = 0
    ) -> tuple[list[Lease], float | None]:
        """Lease a look at the end of the endpoint's hour, if one is due; ``margin`` is how many
        seconds before it the first one is. Return it, and the seconds until the next one; None:
        nobody knows, or there is no watch list."""
        limits = (self._lease_ms, self._max_deliveries, in_hand, round(margin * 1000))
        taken, wait_ms = await self._guarded("take_closing", self._owner, *limits)
        return self._leases(taken), wait_ms / 1000 if wait_ms >= 0 else None

    async def report_clock(self, low: float, high: float) -> None:
        """Tell the fleet how many seconds the endpoint's clock is ahead of Redis's, at least and at
        most."""
        await self._call("clock", round(low * 1000), round(high * 1000))

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Move the deadlines of ``leases``; return those that are no longer ours."""
        return await self._each("renew", leases, self._lease_ms)

    async def ack(
        self, leases: Sequence[Lease], observations: Mapping[Lease, str] = MappingProxyType({})
    ) -> list[Lease]:
        """Take ``leases`` off for good; return those that were no longer ours.

        ``observations``: what was seen of them, for the watch list, as turns.lua has it.
        """
        lost = []
        for chunk in chunks(leases):
            triples = [
                part
                for lease in chunk
                for part in (lease.member, lease.receipt, observations.get(lease, ""))
            ]
            outcome = await self._guarded("ack", *triples)
            lost += [lease for lease, kept in zip(chunk, outcome, strict=True) if not kept]
        return lost

    async def release(self, leases: Sequence[Lease], *, are_cut_off: bool = False) -> list[Lease]:
        """Give ``leases`` back at once, uncounted; return those that were no longer ours.

        ``are_cut_off``: nobody knows how much of what they brought is stored.
        """
        return await self._each("release", leases, int(are_cut_off))

    async def fail(self, failures: Sequence[Failed]) -> dict[Lease, bool]:
        """Delay each, or bury it; return which of those still ours were buried."""
        buried: dict[Lease, bool] = {}
        for chunk in chunks(failures):
            arguments: list[Any] = []
            for failed in chunk:
                delay = -1 if failed.delay_seconds is None else int(failed.delay_seconds * 1000)
                lease = failed.lease
                # Whatever a server sent, such as half of a surrogate pair, must not stop the call.
                error = discreet(failed.error).encode("utf-8", "backslashreplace")
                arguments += (lease.member, lease.receipt, delay, failed.reason, error)
                arguments.append(failed.count)
            outcome = await self._guarded("fail", self._max_deliveries, *arguments)
            for failed, code in zip(chunk, outcome, strict=True):
                if code:
                    buried[failed.lease] = code == 2
        return buried

    async def adopt(self, leases: Sequence[Lease]) -> None:
        """Go on after `QueueLost` with the queue that is there, and hold ``leases`` in it, but for
        those whose members another worker has by now."""
        for chunk in chunks(leases) if leases else [leases]:
            fours = (
                part
                for each in chunk
                for part in (each.member, each.receipt, each.delivery, each.purpose)
            )
            epoch = await self._call("adopt", self._owner, self._lease_ms, *fours)
        self.epoch = epoch
        self._last_receipt = max((lease.receipt for lease in leases), default=0)

    def buries(self, failed: Failed) -> bool:
        """Return whether `fail` buries the member, if it is still ours; of a spared one only Redis
        knows."""
        is_last = failed.lease.delivery >= self._max_deliveries
        return failed.delay_seconds is None or (failed.count == "counted" and is_last)

    async def claim_cut_off(self) -> int:
        """Return how often deliveries were cut off, by a lease that ran out or a release that says
        so, since the last `repair_done`. It is this worker's to see to, for the time of a lease;
        -1: another's. 0: never."""
        times: int = await self._call("claim_cut_off", self._lease_ms)
        return times

    async def repair_done(self, times: int) -> None:
        """Note that what `claim_cut_off` observations of, ``times`` in all, is seen to."""
        await self._call("made_whole", times)

    async def report_list(self, observed_ms: int, hour_ms: int, sec_uids: Sequence[str]) -> None:
        """Tell the watch list that the endpoint showed the list of the hour that began then with
        ``sec_uids``, when its own clock said ``observed_ms``. They cost no call of their own, and
        those that left it are due."""
        await self._call("listed", observed_ms, hour_ms, *sec_uids)

    async def counts(self) -> QueueCounts:
        """Return how the queue stands, after what was due has come back; without the watch list's
        turns, which never end."""
        return QueueCounts(*await self._call("counts", self._max_deliveries))

    async def has_evicted(self) -> bool:
        """Return whether Redis has evicted keys since it started; False where it does not say."""
        try:
            stats = await self._client.info("stats")
        except redis.ResponseError:  # this user may not ask
            return False
        servers = [each for each in stats.values() if isinstance(each, dict)] or [stats]
        return any(each.get("evicted_keys", 0) for each in servers)

    async def _each(self, operation: str, leases: Sequence[Lease], *first: Any) -> list[Lease]:
        lost = []
        for chunk in chunks(leases):
            pairs = [part for lease in chunk for part in (lease.member, lease.receipt)]
            outcome = await self._guarded(operation, *first, *pairs)
            lost += [lease for lease, kept in zip(chunk, outcome, strict=True) if not kept]
        return lost

    async def _guarded(self, operation: str, *arguments: Any) -> Any:
        epoch = self.epoch
        try:
            arguments = (epoch, self._last_receipt, operation, *arguments)
            present, outcome = await self._call("guarded", *arguments)
        except redis.ResponseError as error:
            if "QUEUELOST" not in str(error):
                raise
            raise QueueLost(epoch) from None
        self.epoch = self.epoch or present
        return outcome

    async def _call(self, operation: str, *arguments: Any) -> Any:
        clock = "" if self.clock_ms is None else self.clock_ms
        try:
            return await self._script(
                keys=self._keys.of_script(), args=[operation, clock, *arguments]
            )
        except redis.ResponseError as error:
            raise explained(error, self._keys) from None


def explained(error: redis.ResponseError, keys: Keys) -> Exception:
    """Return what to raise for an ``error`` of the script."""
    if "WRONGKIND" not in str(error):
        return error
    return ConfigurationError(
        f"RANK_QUEUE_KEY: {keys.queue} holds a Redis {str(error).split()[-1]}; a queue is a LIST, "
        "a SET or a ZSET"
    )


def chunks(sequence: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield parts of ``sequence``, each as long as fits in one call of a script."""
    for start in range(0, len(sequence), MOST_AT_ONCE):
        yield sequence[start : start + MOST_AT_ONCE]
