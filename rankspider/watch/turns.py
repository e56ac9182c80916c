"""The turns of the watch list as Redis has them; `queue/turns.lua` says when they fall due."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from rankspider.connections.redis_keys import Keys
from rankspider.moments import moment_of
from rankspider.queue.anchor_queue import SCRIPT, chunks

NEW, CHANGED = 2, 1


@dataclass(frozen=True, slots=True)
class Watched:
    """An anchor of the watch list. Times are seconds."""

    sec_uid: str
    every: float
    """How often it is asked while it is on the air, and not on the list."""
    at_most: float
    """How long it may be left alone off the air."""
    steady: bool = False
    """It is asked ``every`` so often, whatever is known of it."""
    number: int = 0
    """Which anchor of the watch list it is: it places its turns within the interval."""
    paused: bool = False


class _Entry(msgspec.Struct):
    """The part of the script's record that is read here."""

    state: str = "new"
    seen: float | None = None
    worst: float | None = None
    missed: int = 0
    rate: float = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """The state of one anchor, and when its next turn is."""

    state: str
    """new, live, listed, asleep, gone."""
    seen_at: dt.datetime | None
    due_at: dt.datetime | None
    """None while it is paused."""
    worst_gap: float | None
    """The longest between two sightings, in intervals."""
    missed: int
    """How many turns came to nothing, after all their tries."""
    calls_per_hour: float
    """What it adds to the plan."""


UNKNOWN = Turn("new", None, None, None, 0, 0.0)
_entries = msgspec.msgpack.Decoder(_Entry)


class Turns:
    """Those of one queue. ``clock_ms`` replaces Redis's own clock in tests. Every method raises one
    of `REDIS_ERRORS` while Redis is away, and may be called again."""

    def __init__(self, client: redis.Redis, keys: Keys, *, clock_ms: int | None = None) -> None:
        # Redis answers at once: what the types of redis-py say beside that is of asyncio.
        self._client: Any = client
        self._keys = keys
        self._script: Any = client.register_script(SCRIPT)
        self.clock_ms = clock_ms

    def put(self, anchors: Sequence[Watched]) -> list[int]:
        """Have ``anchors`` watched as they say; `NEW`, `CHANGED` or 0 for each."""
        done: list[int] = []
        for chunk in chunks(anchors):
            arguments: list[Any] = []
            for each in chunk:
                interval = (round(each.every * 1000), round(each.at_most * 1000))
                flags = (int(each.steady), each.number, int(each.paused))
                arguments += (each.sec_uid, *interval, *flags)
            done += self._call("watch", *arguments)
        return done

    def remove(self, sec_uids: Sequence[str]) -> int:
        """Watch them no more; return how many were watched. What is in hand goes on."""
        return sum(self._call("unwatch", *chunk) for chunk in chunks(sec_uids))

    def pause(self, *, is_paused: bool) -> None:
        """Give out no turns, or go on; whatever it was."""
        self._client.hset(self._keys.plan, "paused", int(is_paused))

    @property
    def revision(self) -> int:
        """Return which state of the durable copy is here, by the last word; 0: none."""
        return int(self._client.hget(self._keys.plan, "revision") or 0)

    def note_revision(self, revision: int) -> None:
        self._client.hset(self._keys.plan, "revision", revision)

    @property
    def is_whole(self) -> bool:
        """Return whether Redis has evicted nothing of the watch list, as far as can be told at a
        glance."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.exists(self._keys.watched)
            pipe.exists(self._keys.turns)
            pipe.hmget(self._keys.plan, "count", "rate")
            is_watched, has_turns, (count, rate) = pipe.execute()
        return bool(is_watched) == (int(count or 0) > 0) and bool(has_turns or not int(rate or 0))

    def forget(self) -> None:
        """Drop all of it, what is in hand apart; the durable copy has it."""
        keys = self._keys
        self._client.delete(keys.watched, keys.turns, keys.listed, keys.plan)

    def claim_mending(self, seconds: float) -> bool:
        """Return whether it is the caller's, for so long, to bring the watch list up to the durable
        copy."""
        return bool(self._call("claim_mending", int(seconds * 1000)))

    def __len__(self) -> int:
        return int(self._client.hlen(self._keys.watched))

    def __iter__(self) -> Iterator[str]:
        """Yield the ``sec_uid`` of each; one that comes or goes meanwhile may be left out."""
        for member, _ in self._client.hscan_iter(self._keys.watched, count=500):
            yield member.decode()

    def of(self, sec_uids: Iterable[str]) -> Iterator[Turn | None]:
        """Yield how each stands; None for one that Redis does not know."""
        ahead = float(self._client.hget(self._keys.plan, "ahead") or 0)
        for chunk in chunks(list(sec_uids)):
            with self._client.pipeline(transaction=False) as pipe:
                pipe.hmget(self._keys.watched, chunk)
                pipe.zmscore(self._keys.turns, chunk)
                entries, due = pipe.execute()
            for packed, at in zip(entries, due, strict=True):
                yield None if packed is None else _turn(_entries.decode(packed), at, ahead)

    def _call(self, operation: str, *arguments: Any) -> Any:
        clock = "" if self.clock_ms is None else self.clock_ms
        return self._script(keys=self._keys.of_script(), args=[operation, clock, *arguments])


def _turn(entry: _Entry, due: float | None, ahead: float) -> Turn:
    return Turn(
        entry.state,
        None if entry.seen is None else moment_of(int(entry.seen - ahead)),
        None if due is None else moment_of(int(due - ahead)),
        entry.worst,
        entry.missed,
        entry.rate / 1e6,
    )
