"""The queue with a million anchors: enqueueing, taking and acknowledging, memory."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from redis import Redis
from redis import asyncio as redis_asyncio

from benchmarks.errors import BenchmarkError
from benchmarks.figures import median
from benchmarks.options import Options
from benchmarks.report import Line
from benchmarks.stage import ROOT, Stage
from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import AnchorQueue
from rankspider.queue.producer import KINDS, Producer
from rankspider.simulator.world import synthetic_sec_uid

_FEW = 1000
_AT_ONCE = 16
_ROUNDS = 300
_BULK = 10_000
_RATE = 100_000
_APART = 0.2


@dataclass(frozen=True)
class _Cost:
    """Of leasing and acknowledging 16 members, microseconds."""

    seen: float
    """By the client, median."""
    served: float
    """By Redis, inside the script, mean."""


def queue(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    count = options.queue_members
    file = stage.folder / "queue.anchors"
    file.write_text("".join(f"{synthetic_sec_uid(1, index)}\n" for index in range(count)))
    rates = [_enqueue_rate(stage, file, count) for _ in range(min(3, options.repeats))]
    say(f"queue: enqueued at {median(rates):,.0f}/s")
    lines = [
        Line(
            "queue",
            f"{count:,} anchors enqueued from a file",
            "a second",
            ours=median(rates),
            target=f"≥ {_RATE:,}",
            ok=median(rates) >= _RATE,
            runs={"anchors/s": rates},
        )
    ]
    for kind in KINDS:
        lines += _at_size(stage, kind, count, say)
    return lines


def _enqueue_rate(stage: Stage, file: Path, count: int) -> float:
    """Of the command, less the time it takes for a single anchor."""
    one = stage.folder / "one.anchors"
    one.write_text(synthetic_sec_uid(1, count) + "\n")
    _enqueue(stage, one)  # the first of all finds nothing in the machine's caches
    start, whole = (_enqueue(stage, each) for each in (one, file))
    if whole <= start:
        raise BenchmarkError(f"{count:,} anchors are too few to time: raise --queue-members")
    return count / (whole - start)


def _enqueue(stage: Stage, file: Path) -> float:
    key = "bench:enqueue"
    with stage.redis() as redis:
        redis.delete(key)
    command = [sys.executable, "-m", "scrapy", "enqueue", "--file", str(file), "--json"]
    environment = stage.environment("http://127.0.0.1:1", "enqueue") | {"RANK_QUEUE_KEY": key}
    began = time.monotonic()
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    seconds = time.monotonic() - began
    if ended.returncode != 0 or "queued" not in json.loads(ended.stdout):
        raise BenchmarkError(f"scrapy enqueue: {ended.stderr.decode()[-300:]}")
    with stage.redis() as redis:
        redis.delete(key)
    return seconds


def _at_size(stage: Stage, kind: str, count: int, say: Callable[[str], None]) -> list[Line]:
    with stage.redis() as redis:
        small, large = f"bench:{kind}:small", f"bench:{kind}:large"
        _fill(redis, small, kind, range(_FEW))
        before = int(redis.info("memory")["used_memory"])
        _fill(redis, large, kind, range(count))
        each = (int(redis.info("memory")["used_memory"]) - before) / count
        few, many = asyncio.run(_paired_costs(stage.redis_url, small, large))
        for key in (small, large):
            redis.delete(*Keys.of(key).all())
    ratio = many.served / few.served
    say(f"queue: {kind}: {few} at {_FEW:,}, {many} at {count:,}; {each:.0f} bytes each")
    return [
        Line(
            "queue",
            f"{kind}: take and ack of {_AT_ONCE} at {count:,} over at {_FEW:,}",
            "",
            ours=ratio,
            target=f"±{_APART:.0%}",
            ok=abs(ratio - 1) <= _APART,
            note=f"{few.served:.0f} µs, {many.served:.0f} µs in Redis; "
            f"{few.seen:.0f} µs, {many.seen:.0f} µs with the way there",
            runs={"few": [asdict(few)], "many": [asdict(many)]},
        ),
        Line("queue", f"{kind}: Redis memory of a waiting anchor", "bytes", ours=each),
    ]


def _fill(redis: Redis, key: str, kind: str, indexes: range) -> None:
    redis.delete(key)
    producer = Producer(redis, key, kind)
    for start in range(0, len(indexes), _BULK):
        producer.put([synthetic_sec_uid(1, index) for index in indexes[start : start + _BULK]])


async def _paired_costs(url: str, small: str, large: str) -> tuple[_Cost, _Cost]:
    """Both in turn, so that whatever else the machine does falls on both."""
    client = redis_asyncio.Redis.from_url(url)
    try:
        queues = [
            AnchorQueue(client, Keys.of(key), owner="bench", lease_seconds=60, max_deliveries=12)
            for key in (small, large)
        ]
        seen: list[list[float]] = [[], []]
        served = [0.0, 0.0]
        for _ in range(_ROUNDS):
            for which, each in enumerate(queues):
                before = await _script_microseconds(client)
                seen[which].append(await _take_and_put_back(client, each, (small, large)[which]))
                served[which] += await _script_microseconds(client) - before
        costs = [_Cost(median(seen[n]) * 1e6, served[n] / _ROUNDS) for n in (0, 1)]
        return costs[0], costs[1]
    finally:
        await client.aclose()


async def _take_and_put_back(client: "redis_asyncio.Redis", queue: AnchorQueue, key: str) -> float:
    """Seconds for one `take` and one `ack`; the members wait again afterwards."""
    began = time.perf_counter()
    taken = await queue.take(_AT_ONCE)
    await queue.ack(taken.leases)
    seconds = time.perf_counter() - began
    members = [lease.member for lease in taken.leases]
    if len(members) != _AT_ONCE:
        raise BenchmarkError(f"only {len(members)} members could be taken of {key}")
    await _put_back(client, key, members)
    return seconds


async def _put_back(client: "redis_asyncio.Redis", key: str, members: list[bytes]) -> None:
    kind = await client.type(key)
    if kind == b"zset":
        await client.zadd(key, dict.fromkeys(members, 0))
    elif kind == b"set":
        await client.sadd(key, *members)
    else:
        await client.rpush(key, *members)


async def _script_microseconds(client: "redis_asyncio.Redis") -> float:
    stats = await client.info("commandstats")
    return float(
        sum(stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in ("evalsha", "eval"))
    )
