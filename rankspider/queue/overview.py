"""Show the person who runs it how one queue stands, without a change, or clear it."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import msgspec
import redis

from rankspider.connections.redis_keys import Keys
from rankspider.moments import moment_of
from rankspider.queue.anchor_queue import SCRIPT, chunks, explained
from rankspider.queue.producer import kind_of

UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class BusyWorker:
    """A worker that has anchors in hand."""

    worker: str
    anchors: int
    since: dt.datetime | None
    """When it took the first of them; None if an older release leased them."""
    until: dt.datetime
    """When the last of the leases runs out, unless it is renewed."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of anchors that wait, are leased, delayed or dead, and who holds them."""

    kind: str | None
    """``list``, ``set`` or ``zset``; None while nothing waits."""
    waiting: int
    holders: list[BusyWorker]
    delayed: int
    next_try_at: dt.datetime | None
    dead: Mapping[str, int]
    """By reason, the most frequent first."""

    @property
    def leased(self) -> int:
        return sum(holder.anchors for holder in self.holders)


class _Lease(msgspec.Struct):
    """The part of the script's record of a lease that is read here."""

    owner: str = UNKNOWN
    taken: float | None = None


class _Letter(msgspec.Struct):
    reason: str = UNKNOWN


_leases = msgspec.msgpack.Decoder(_Lease)
_letters = msgspec.json.Decoder(_Letter)


class QueueView:
    """Reads one queue.

    Every method raises one of `REDIS_ERRORS` while Redis is away, and `ConfigurationError` if the
    queue's key holds something else.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        # Redis answers at once: what the types of redis-py say beside that is of asyncio.
        self._client: Any = client
        self._keys = keys
        self._script = client.register_script(SCRIPT)

    def overview(self) -> Overview:
        kind = kind_of(self._client, self._keys.queue)
        due = self._client.zrange(self._keys.delayed, 0, 0, withscores=True)
        return Overview(
            kind,
            self._length(kind),
            self._busy_workers(),
            self._client.zcard(self._keys.delayed),
            moment_of(int(due[0][1])) if due else None,
            dict(self._reasons().most_common()),
        )

    def _length(self, kind: str | None) -> int:
        lengths = {
            "list": self._client.llen,
            "set": self._client.scard,
            "zset": self._client.zcard,
        }
        return int(lengths[kind](self._keys.queue)) if kind else 0

    def _busy_workers(self) -> list[BusyWorker]:
        holders: dict[str, BusyWorker] = {}
        for lease, deadline in self._leases():
            since = None if lease.taken is None else moment_of(int(lease.taken))
            before = holders.get(lease.owner, BusyWorker(lease.owner, 0, since, deadline))
            holders[lease.owner] = BusyWorker(
                lease.owner,
                before.anchors + 1,
                min(filter(None, (since, before.since)), default=None),
                max(deadline, before.until),
            )
        return sorted(holders.values(), key=lambda holder: holder.worker)

    def _leases(self) -> Iterator[tuple[_Lease, dt.datetime]]:
        leased = dict(self._client.zscan_iter(self._keys.leases, count=500))
        for members in chunks(list(leased)):
            held = self._client.hmget(self._keys.held, members)
            for member, packed in zip(members, held, strict=True):
                yield _read(_leases, packed, _Lease()), moment_of(int(leased[member]))

    def _reasons(self) -> "Counter[str]":
        letters = self._client.hscan_iter(self._keys.dead, count=500)
        return Counter(_read(_letters, packed, _Letter()).reason for _, packed in letters)

    def waiting(self, most: int) -> list[tuple[bytes, float | None]]:
        """Return up to ``most`` members, with their priority in a zset: those that are taken next,
        in order, or any of a set."""
        client, queue = self._client, self._keys.queue
        kind = kind_of(client, queue)
        if kind == "zset":
            return list(client.zrange(queue, 0, most - 1, desc=True, withscores=True))
        if kind == "list":
            return [(member, None) for member in client.lrange(queue, 0, most - 1)]
        found = client.sscan_iter(queue, count=most) if kind else ()
        return [(member, None) for member in islice(found, most)]

    def clear(self) -> tuple[int, int]:
        """Forget what waits and what is delayed; return how many that were. What is leased goes
        on, and dead letters stay."""
        try:
            cleared = self._script(keys=self._keys.of_script(), args=["clear", ""])
            waiting, delayed = cast("list[int]", cleared)
        except redis.ResponseError as error:
            raise explained(error, self._keys) from None
        return waiting, delayed


def _read(decoder: Any, packed: bytes | None, otherwise: Any) -> Any:
    """Decode ``packed``, or return ``otherwise``: hands may have changed it, and Redis may have
    dropped it."""
    try:
        return decoder.decode(packed or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return otherwise
