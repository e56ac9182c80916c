"""A watch list on a Redis, three workers that serve it, and a clock that the test sets."""

import asyncio
import uuid

from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import AnchorQueue, Lease
from rankspider.watch.turns import Turns, Watched

START_MS = 1_700_000_000_000
LEASE_SECONDS = 20
MOST = 3


class Bench:
    def __init__(
        self, runner: asyncio.Runner, client: "redis_asyncio.Redis", blocking: Redis
    ) -> None:
        self.run, self.redis = runner.run, blocking
        self.keys = Keys.of(f"test:{uuid.uuid4().hex}")
        self.now = START_MS
        self.turns = Turns(blocking, self.keys)
        self.queues = [
            AnchorQueue(
                client,
                self.keys,
                owner=f"worker-{n}",
                lease_seconds=LEASE_SECONDS,
                max_deliveries=MOST,
                list_every=0,
            )
            for n in range(3)
        ]

    def queue(self, worker: int) -> AnchorQueue:
        queue = self.queues[worker]
        queue.clock_ms = self.now
        return queue

    def put(self, anchors: list[Watched]) -> list[int]:
        self.turns.clock_ms = self.now
        return self.turns.put(anchors)

    def take(self, worker: int, count: int = 32) -> tuple[list[Lease], int | None]:
        taken = self.run(self.queue(worker).take(count))
        soon = taken.next_turn_in
        return taken.leases, None if soon is None else round(soon * 1000)

    def ack(self, leases: list[Lease], said: str = "") -> list[Lease]:
        return self.run(self.queue(0).ack(leases, dict.fromkeys(leases, said)))

    def clear(self) -> None:
        self.redis.delete(*self.keys.of_script())
