"""Keep what the fleet knows of its licences: the script's operations, each one atomic round
trip."""

import enum
import importlib.resources
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import chunks

SCRIPT = importlib.resources.files(__package__).joinpath("pool.lua").read_text(encoding="utf-8")


class CallOutcome(enum.Enum):
    """The outcomes of one request, as far as its licence and the endpoint's health go."""

    OK = "ok"
    ANSWERED = "answered"
    """No list, but the endpoint had its say about the anchor: no failure of the endpoint's."""
    TROUBLE = "trouble"
    """Network, 5xx, a cut body: the endpoint's failure, whatever the licence."""
    ALIKE = "alike"
    """The same, after so many failures in a row that nobody seems to be answered."""
    SOFT_BAN = "soft-ban"
    THROTTLED = "throttled"
    OUT_OF_QUOTA = "out-of-quota"
    REFUSED = "refused"
    UNSENT = "unsent"
    """It never left. Nothing is counted; if it was a probe, another may be made."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules by which a licence is set aside, and the fleet holds back. They are the same in
    every worker."""

    soft_bans: int = 5
    """So many in a row set a licence aside; after a cool-down, one does."""
    cooldown_seconds: float = 30
    """The first one's; each further one is twice as long, until answers are steady again."""
    longest_cooldown_seconds: float = 1800
    """Of soft bans, and the most a ``Retry-After`` is believed."""
    steady_answers: int = 20
    """So many good ones in a row and the next cool-down is a first one."""
    quota_seconds: float = 3600
    refusals: int = 2
    """So many, without a good answer in between, refuse a licence for good."""
    refusal_seconds: float = 10
    """The cool-down after each before that."""
    probe_patience_seconds: float = 60
    """After a cool-down one request goes first; after so long without its answer, another."""
    narrowest: float = 1 / 16
    """The least share of its rate that 429s leave a licence; each halves it."""
    widening: float = 0.005
    """What each good answer adds to that share."""
    window_seconds: float = 30
    least_answers: int = 20
    failing_share: float = 0.8
    """So many of the answers in the window, at least so many, and the circuit opens."""
    probe_seconds: float = 5
    """Between the requests an open circuit lets through, at first; doubled by each failure."""
    longest_probe_seconds: float = 120
    forget_seconds: float = 24 * 3600
    """After so long without a sign of it, a licence is good until it shows otherwise."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests per second, fleet-wide; 0 is no limit."""

    each: float = 0
    """Of every licence."""
    total: float = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """One request may be sent, ``wait`` seconds after Redis's ``Grant.now``."""

    index: int
    """Of the fingerprint in the list asked for."""
    wait: float
    turn: int
    """Its number; given back with the outcome."""


@dataclass(frozen=True, slots=True)
class Grant:
    slots: list[Slot]
    why: str
    """granted: as many as asked for. Else why there are fewer: pace, cooling, refused; or
    circuit, as long as it is open."""
    wait: float
    """Seconds until asking for the rest makes sense."""
    now: float
    """Redis's clock, s."""


@dataclass(frozen=True, slots=True)
class CallReport:
    fingerprint: str
    outcome: CallOutcome
    turn: int
    retry_after: float | None = None
    """Seconds, if the server said so."""


@dataclass(frozen=True, slots=True)
class Change:
    """A licence, or the ``circuit``, changed its state by an outcome reported just now.

    Exactly one worker is told of each.
    """

    who: str
    state: str
    """good, cooling, out-of-quota, refused; open, closed."""
    until: float
    """Redis's clock, s; 0: for good, or nothing to wait for."""
    outcome: str


@dataclass(frozen=True, slots=True)
class LicenceState:
    """One licence as the fleet knows it. Times are Redis's clock, s."""

    fingerprint: str
    state: str
    """good, cooling, out-of-quota, refused."""
    until: float
    """Then one request probes it; 0 if there is nothing to wait for."""
    share: float
    """What 429s left of its rate, 1 for all."""
    used_at: float
    """0: never."""
    counts: dict[str, int] = field(default_factory=dict)
    """Outcome → how many."""


@dataclass(frozen=True, slots=True)
class States:
    licences: list[LicenceState]
    circuit_open: bool
    answers: int
    """Within the circuit's window; 0 right after it opened or closed."""
    failed: int


class Ledger:
    """``clock_ms`` replaces Redis's own clock in tests. Every method raises `redis.RedisError`
    while Redis is away, and may be called again after that."""

    def __init__(
        self,
        client: "redis_asyncio.Redis",
        keys: Keys,
        policy: Policy,
        *,
        clock_ms: float | None = None,
    ) -> None:
        self._key = keys.licences
        self._script = client.register_script(SCRIPT)
        self._policy = json.dumps(asdict(policy))
        self.clock_ms = clock_ms

    async def take(
        self, fingerprints: Sequence[str], rates: Rates, count: int, spare: int = 0
    ) -> Grant:
        """Reserve up to ``count`` slots, and ``spare`` more if nothing limits them."""
        answer: bytes = await self._call(
            "take", rates.each, rates.total, count, spare, *fingerprints
        )
        why, *rest = answer.split()
        wait, now, *slots = map(int, rest)
        triples = zip(*[iter(slots)] * 3, strict=True)
        granted = [Slot(index, us / 1e6, turn) for index, us, turn in triples]
        return Grant(granted, why.decode(), wait / 1e6, now / 1e6)

    async def report(self, reports: Sequence[CallReport]) -> list[Change]:
        """Note what requests brought, in that order."""
        changes: list[Change] = []
        for chunk in chunks(reports):
            arguments: list[Any] = []
            for report in chunk:
                wait = report.retry_after
                retry_ms = -1 if wait is None else max(0, wait * 1000)
                arguments += (report.fingerprint, report.outcome.value, report.turn, retry_ms)
            changes += _changes(await self._call("report", *arguments))
        return changes

    async def reconsider(self, fingerprints: Sequence[str], older_than: float) -> int:
        """Let one request probe each licence refused ``older_than`` seconds ago or longer."""
        count: int = await self._call("reconsider", older_than * 1000, *fingerprints)
        return count

    async def states(self, fingerprints: Sequence[str]) -> States:
        """Return how the licences with these ``fingerprints`` stand; nothing is changed."""
        read = json.loads(await self._call("states", *fingerprints))
        circuit = read["circuit"]
        return States(
            # Lua has one empty table for a list and a map.
            [_standing(*pair) for pair in zip(fingerprints, read["licences"] or (), strict=True)],
            circuit["open"],
            circuit["answers"],
            circuit["failed"],
        )

    async def _call(self, operation: str, *arguments: Any) -> Any:
        clock = "" if self.clock_ms is None else self.clock_ms
        return await self._script(
            keys=[self._key], args=[operation, clock, self._policy, *arguments]
        )


def _changes(flat: list[bytes]) -> Iterator[Change]:
    for who, state, until, outcome in zip(*[iter(flat)] * 4, strict=True):
        yield Change(who.decode(), state.decode(), int(until) / 1000, outcome.decode())


def _standing(fingerprint: str, record: dict[str, Any]) -> LicenceState:
    return LicenceState(
        fingerprint,
        record["state"],
        0.0 if record["state"] == "refused" else record["due"] / 1000,
        record["factor"],
        record["used"] / 1000,
        record["counts"],
    )
