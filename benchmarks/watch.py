"""What a watch list costs Redis: ``python -m benchmarks.watch``.

The real script on a real Redis, by a clock of its own: as many anchors as are named, each asked so
often that a thousand are due in a second, taken by 32 and acknowledged. What each costs is the time
that Redis itself counts for the script, the median of all calls. Every anchor has been answered
before, as its first turn writes more. Beside it stands what the processor's caches cost: the same
few commands that a turn needs of the two large keys, with no script of ours around them.
"""

import argparse
import asyncio
import random
import statistics
import sys
from dataclasses import dataclass, field

from redis import Redis
from redis import asyncio as redis_asyncio

from benchmarks.stage import set_up
from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import MOST_AT_ONCE, AnchorQueue
from rankspider.watch.turns import Turns, Watched

_KEYS = Keys.of("fleet:anchors")
_START_MS = 1_700_000_000_000
_PER_SECOND = 1000
_AT_ONCE = 32
_BULK = 20_000


_ANSWERED = """
for _, member in ipairs(ARGV) do
  local entry = cmsgpack.unpack(redis.call('HGET', KEYS[1], member))
  entry.state, entry.still, entry.due_in = 'live', 0, entry.every
  entry.seen, entry.hour, entry.score = 1700000000000, '1700000000', '5'
  redis.call('HSET', KEYS[1], member, cmsgpack.pack(entry))
end
"""
_BARE = """
for _, member in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[1], member)
  redis.call('ZADD', KEYS[2], redis.call('ZSCORE', KEYS[2], member), member)
  redis.call('HSET', KEYS[1], member, entry)
end
"""


@dataclass
class Cost:
    """Of the calls of one operation, by Redis's own count."""

    each: list[float] = field(default_factory=list)
    """Microseconds an anchor."""

    def add(self, anchors: int, microseconds: int) -> None:
        if anchors:
            self.each.append(microseconds / anchors)

    @property
    def median(self) -> float:
        return statistics.median(self.each)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("members", nargs="*", type=int, default=[1000, 1_000_000])
    parser.add_argument("--takes", type=int, default=2000, help="of 32 turns each (%(default)s)")
    arguments = parser.parse_args()
    with set_up() as stage, stage.redis() as redis:
        for members in arguments.members:
            asyncio.run(_measure(stage.redis_url, redis, members, arguments.takes))
    return 0


async def _measure(url: str, redis: Redis, members: int, takes: int) -> None:
    redis.delete(*_KEYS.of_script())
    before = int(redis.info("memory")["used_memory"])
    spent = _spent(redis)
    _fill(redis, members)
    put = (_spent(redis) - spent) / members
    _have_answered(redis, members)
    bytes_each = (int(redis.info("memory")["used_memory"]) - before) / members
    async with redis_asyncio.Redis.from_url(url) as client:
        take, ack = await _serve(client, redis, members, takes)
    sys.stdout.write(
        f"{members:>9,} watched: {bytes_each:.0f} bytes each, {put:.1f} µs to add one; a turn: "
        f"{take.median:.1f} µs to take, {ack.median:.1f} µs to acknowledge; bare commands on "
        f"both keys: {_bare(redis, members, takes).median:.1f} µs\n"
    )
    sys.stdout.flush()


def _fill(redis: Redis, members: int) -> None:
    turns = Turns(redis, _KEYS, clock_ms=_START_MS)
    every = members / _PER_SECOND
    for start in range(0, members, _BULK):
        numbers = range(start, min(start + _BULK, members))
        turns.put([Watched(_member(n), every, every, number=n) for n in numbers])


def _have_answered(redis: Redis, members: int) -> None:
    answered = redis.register_script(_ANSWERED)
    for start in range(0, members, MOST_AT_ONCE):
        some = range(start, min(start + MOST_AT_ONCE, members))
        answered(keys=[_KEYS.watched], args=[*map(_member, some)])


async def _serve(
    client: "redis_asyncio.Redis", redis: Redis, members: int, takes: int
) -> tuple[Cost, Cost]:
    queue = AnchorQueue(
        client, _KEYS, owner="fake", lease_seconds=60, max_deliveries=12, list_every=0
    )
    now, take, ack = _START_MS, Cost(), Cost()
    for _ in range(takes):
        now += _AT_ONCE * 1000 // _PER_SECOND
        queue.clock_ms = now
        spent = _spent(redis)
        leases = (await queue.take(_AT_ONCE)).leases
        taken = _spent(redis)
        await queue.ack(leases, dict.fromkeys(leases, "1 1700000000 5"))
        take.add(len(leases), taken - spent)
        ack.add(len(leases), _spent(redis) - taken)
    return take, ack


def _bare(redis: Redis, members: int, calls: int) -> Cost:
    """Look at and write an entry and its place, of anchors drawn at random."""
    script, cost = redis.register_script(_BARE), Cost()
    for _ in range(calls):
        drawn = [_member(random.randrange(members)) for _ in range(_AT_ONCE)]
        spent = _spent(redis)
        script(keys=[_KEYS.watched, _KEYS.turns], args=drawn)
        cost.add(_AT_ONCE, _spent(redis) - spent)
    return cost


def _member(n: int) -> str:
    return f"MS4wLjABAAAA{n:064d}"


def _spent(redis: Redis) -> int:
    """Microseconds in scripts so far."""
    stats = redis.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("usec", 0)) for name in ("eval", "evalsha"))


if __name__ == "__main__":
    sys.exit(main())
