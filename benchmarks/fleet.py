"""The queue and the limiter under a fleet: ``python -m benchmarks.fleet``.

The real scripts on a real Redis with up to ten million members waiting; the workers are fakes
that take, get a licence for each call, wait as long as an endpoint would, report and acknowledge.
What one Redis core carries follows from Redis's own CPU time, not from the speed of the fakes.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

from redis import Redis
from redis import asyncio as redis_asyncio

from benchmarks.stage import Stage, set_up
from rankspider.connections.redis_keys import Keys
from rankspider.licences.ledger import CallOutcome, CallReport, Ledger, Policy, Rates
from rankspider.queue.anchor_queue import AnchorQueue, Lease

_KEY = "fleet:anchors"
_BULK = 20_000
# What a worker has in hand: twice its CONCURRENT_REQUESTS.
_IN_HAND = 32
_CALLS_PER_HOUR = 6


@dataclass
class Tally:
    """What the fakes did."""

    anchors: int = 0
    empty_handed: int = 0
    """Times a worker asked for a licence and had to wait."""


@dataclass(frozen=True)
class Observed:
    """One stretch of the fleet at work."""

    members: int
    anchors: int
    seconds: float
    redis_cpu: float
    commands: int

    def __str__(self) -> str:
        per_anchor = self.redis_cpu / self.anchors
        return (
            f"{self.members:>12,} waiting: {self.anchors / self.seconds:,.0f} anchors/s; "
            f"{per_anchor * 1e6:.0f} µs of Redis and {self.commands / self.anchors:.2f} commands "
            f"each, so one Redis core carries {1 / per_anchor:,.0f} anchors/s"
        )


def main() -> int:
    arguments = _parser().parse_args()
    with set_up() as stage:
        for members in arguments.members:
            with stage.redis() as redis:
                _fill(redis, members)
            observed = asyncio.run(_stretch(stage, members, arguments))
            sys.stdout.write(f"{observed}\n")
            sys.stdout.flush()
    for anchors in (10_000, 1_000_000, 10_000_000):
        needed = _CALLS_PER_HOUR * anchors / 3600
        share = needed * observed.redis_cpu / observed.anchors
        sys.stdout.write(
            f"{anchors:>12,} anchors, {_CALLS_PER_HOUR} times an hour: {needed:,.0f} anchors/s, "
            f"{share:.2f} Redis cores\n"
        )
    return 0


def _fill(redis: Redis, members: int) -> None:
    """As many members as ``members``, of the length of a real ``sec_uid``."""
    redis.delete(*Keys.of(_KEY).all())
    began, before = time.monotonic(), int(redis.info("memory")["used_memory"])
    for start in range(0, members, _BULK):
        names = (f"MS4wLjABAAAA{n:064d}" for n in range(start, min(start + _BULK, members)))
        redis.rpush(_KEY, *names)
    seconds = time.monotonic() - began
    each = (int(redis.info("memory")["used_memory"]) - before) / members
    sys.stdout.write(f"{members:>12,} put in {seconds:.1f} s, {each:.0f} bytes each\n")


async def _stretch(stage: Stage, members: int, arguments: argparse.Namespace) -> Observed:
    clients = [redis_asyncio.Redis.from_url(stage.redis_url) for _ in range(arguments.workers)]
    tally = Tally()
    with stage.redis() as redis:
        cpu, commands = _redis_counters(redis)
        began = time.monotonic()
        deadline = began + arguments.seconds
        work = [
            _work(f"fake:{n}", client, tally, deadline, arguments)
            for n, client in enumerate(clients)
        ]
        await asyncio.gather(*work)
        seconds = time.monotonic() - began
        cpu_after, commands_after = _redis_counters(redis)
    for client in clients:
        await client.aclose()
    return Observed(members, tally.anchors, seconds, cpu_after - cpu, commands_after - commands)


def _redis_counters(redis: Redis) -> tuple[float, int]:
    cpu, stats = redis.info("cpu"), redis.info("stats")
    used = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
    return used, int(stats["total_commands_processed"])


async def _work(
    name: str,
    client: "redis_asyncio.Redis",
    tally: Tally,
    deadline: float,
    arguments: argparse.Namespace,
) -> None:
    keys = Keys.of(_KEY)
    queue = AnchorQueue(client, keys, owner=name, lease_seconds=60, max_deliveries=12)
    ledger = Ledger(client, keys, Policy())
    rates = Rates(total=arguments.rate)
    fingerprints = [f"{n:012x}" for n in range(arguments.licences)]
    while time.monotonic() < deadline:
        taken = await queue.take(_IN_HAND)
        if not taken.leases:
            return
        for start in range(0, len(taken.leases), arguments.settled):
            leases = taken.leases[start : start + arguments.settled]
            await _ask(ledger, leases, fingerprints, rates, tally, arguments)
            await queue.ack(leases)
            tally.anchors += len(leases)


async def _ask(
    ledger: Ledger,
    leases: list[Lease],
    fingerprints: list[str],
    rates: Rates,
    tally: Tally,
    arguments: argparse.Namespace,
) -> None:
    """Get a slot for each, wait for it and for the endpoint, and report."""
    reports: list[CallReport] = []
    while len(reports) < len(leases):
        grant = await ledger.take(fingerprints, rates, len(leases) - len(reports))
        reports += [CallReport(fingerprints[s.index], CallOutcome.OK, s.turn) for s in grant.slots]
        if len(reports) < len(leases):
            tally.empty_handed += 1
            await asyncio.sleep(max(grant.wait, 0.001))
    await asyncio.sleep(arguments.latency_ms / 1000)
    await ledger.report(reports)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument(
        "--members", type=int, nargs="+", default=[1000_000, 10_000_000], help="that wait"
    )
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--licences", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0, help="calls/s of the fleet; 0: no limit")
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument(
        "--settled", type=int, default=8, help="anchors that share an acknowledgement and a report"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
