"""The queue against a model of it: random histories of several workers on a real Redis.

The model knows one story per member and nothing of the keys. After every step what stands in
Redis is read back and compared: nothing is lost, nothing is invented.
"""

import asyncio
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import SCRIPT, AnchorQueue, Failed, Lease
from tests.support.redis_servers import local_redis

MEMBERS = [b"a", b"b", b"c", b"d", b"e", b"", b"\xff\x00{\n"]
# Lease seconds, most deliveries: not every worker of a fleet has the same settings.
WORKERS = {"steady": (60, 3), "hasty": (5, 3), "strict": (60, 2)}
START_MS = 1_700_000_000_000

Origin = tuple[str, float | None]
"""The kind of queue a member was in, and its last score in a ZSET."""


@dataclass
class Story:
    """What became of one member."""

    failures: int = 0
    """Deliveries that counted and came to nothing."""
    silent: int = 0
    """Those whose worker was never heard of again."""
    first_at: int = 0
    error: str | None = None
    origin: Origin = ("list", None)
    lease: Lease | None = None
    owner: str = ""
    deadline: int = 0
    pushed_again: bool = False
    """While it was in flight."""
    due: int | None = None
    """When its next try may begin."""
    turn: int = 0
    """Its last receipt."""
    letter: dict[str, Any] | None = None
    letter_origin: Origin = ("list", None)


@dataclass
class Batch:
    delivered: dict[bytes, int] = field(default_factory=dict)
    """The members to be leased, each with the number of its delivery."""
    passed: int = 0
    """How many places of the line were dealt with; the rest keeps its turn."""
    most_in_hand: int | None = None


@dataclass
class Model:
    """A queue as the documentation has it. Times are ms."""

    kind: str | None = None
    waiting: list[tuple[bytes, float]] = field(default_factory=list)
    """First in front for a LIST; in no order otherwise."""
    stories: dict[bytes, Story] = field(default_factory=dict)
    now: int = START_MS

    # --- The producer's part -------------------------------------------------------------------

    def push(self, kind: str, member: bytes, score: float, *, in_front: bool) -> None:
        self.stories.setdefault(member, Story())
        self.kind = kind
        if kind == "list":
            self.waiting.insert(0 if in_front else len(self.waiting), (member, 0))
        elif kind == "zset" or member not in dict(self.waiting):
            self._put(member, score)

    def _put(self, member: bytes, score: float) -> None:
        self.waiting = [pair for pair in self.waiting if pair[0] != member]
        self.waiting.append((member, score))

    # --- Coming back ---------------------------------------------------------------------------

    def put_back(self, member: bytes, origin: Origin) -> None:
        kind = (self.kind if self.waiting else None) or origin[0]
        score = (origin[1] or 0.0) if kind == "zset" else 0.0
        if kind == "zset":
            score = max(score, dict(self.waiting).get(member, score))
        self.push(kind, member, score, in_front=True)

    def put_back_in_turn(self, members: Iterable[bytes]) -> None:
        for member in sorted(members, key=lambda each: -self.stories[each].turn):
            self.put_back(member, self.stories[member].origin)

    def bring_back(self, most: int) -> None:
        returning = []
        leased = [pair for pair in self.stories.items() if pair[1].lease is not None]
        for member, story in sorted(leased, key=lambda pair: (pair[1].deadline, pair[0])):
            if story.deadline <= self.now:
                error = f"lease ran out: its worker {story.owner} went silent"
                story.silent += 1
                if self.end(member, "max-deliveries", error, hopeless=False, most=most):
                    returning.append(member)
        for member, story in self.stories.items():
            if story.due is not None and story.due <= self.now:
                story.due = None
                returning.append(member)
        self.put_back_in_turn(returning)

    # --- The worker's part ---------------------------------------------------------------------

    def next_in_line(self, count: int) -> list[tuple[bytes, float]]:
        if self.kind == "zset":
            return sorted(self.waiting, key=lambda pair: (pair[1], pair[0]), reverse=True)[:count]
        return self.waiting[:count]

    def company(self, member: bytes, most: int) -> int | None:
        """How many may be in hand with what may have killed its workers; None: any number."""
        story = self.stories[member]
        if story.lease is not None or not story.silent:
            return None
        last_try = story.failures + 1 >= most
        return 1 if last_try else {1: 8, 2: 2}.get(story.silent, 1)

    def deliver(self, line: list[tuple[bytes, float]], most: int, in_hand: int) -> Batch:
        """Go through ``line`` for a worker: who is leased, and how far it went."""
        batch = Batch()
        for member, score in line:
            is_new = member not in batch.delivered and self.stories[member].lease is None
            limits = [batch.most_in_hand, self.company(member, most) if is_new else None]
            known = [limit for limit in limits if limit is not None]
            if is_new and known and in_hand + len(batch.delivered) + 1 > min(known):
                if not batch.delivered:
                    batch.most_in_hand = limits[1]
                break
            batch.passed += 1
            if member not in batch.delivered:
                self._meet(batch, member, score, most)
            if is_new and known and member in batch.delivered:
                batch.most_in_hand = min(known)
        return batch

    def _meet(self, batch: Batch, member: bytes, score: float, most: int) -> None:
        story = self.stories[member]
        origin = (str(self.kind), score if self.kind == "zset" else None)
        if story.lease is not None:
            story.pushed_again = True
            story.origin = (origin[0], story.origin[1] if origin[1] is None else origin[1])
            return
        story.due = None
        story.origin = origin
        if story.failures >= most:
            self.bury(story, "max-deliveries", story.error, story.failures)
        else:
            batch.delivered[member] = story.failures + 1

    def lease(self, lease: Lease, owner: str, deadline: int) -> None:
        story = self.stories[lease.member]
        assert story.lease is None, "two live leases"
        story.lease, story.owner, story.deadline = lease, owner, deadline
        story.turn = lease.receipt
        story.pushed_again = False
        if not story.failures:
            story.first_at = self.now

    def is_live(self, lease: Lease) -> bool:
        return self.stories[lease.member].lease == lease

    def ack(self, lease: Lease) -> None:
        story = self.stories[lease.member]
        story.lease = None
        story.failures, story.silent, story.error = 0, 0, None
        if story.pushed_again:
            self.put_back(lease.member, story.origin)

    def release(self, leases: list[Lease]) -> None:
        for lease in leases:
            self.stories[lease.member].lease = None
        self.put_back_in_turn([lease.member for lease in leases])

    def end(self, member: bytes, reason: str, error: str, *, hopeless: bool, most: int) -> bool:
        """A delivery came to nothing. Whether another one follows."""
        story = self.stories[member]
        story.lease = None
        if hopeless or story.failures + 1 >= most:
            self.bury(story, reason, error, story.failures + 1)
            if story.pushed_again:
                self.put_back(member, story.origin)
            return False
        story.failures += 1
        story.error = error
        return True

    def bury(self, story: Story, reason: str, error: str | None, tries: int) -> None:
        story.letter = {
            "reason": reason,
            "tries": tries,
            "first_at": story.first_at,
            "died_at": self.now,
            **({} if error is None else {"error": error}),
        }
        story.letter_origin = story.origin
        story.failures, story.silent, story.error = 0, 0, None

    def requeue(self, member: bytes) -> bool:
        story = self.stories.get(member)
        if story is None or story.letter is None:
            return False
        story.letter = None
        self.put_back(member, story.letter_origin)
        return True

    def clear(self) -> set[bytes]:
        """Forget all that is not leased; return the members that were."""
        forgotten = {member for member, _ in self.waiting}
        self.waiting = []
        for member, story in self.stories.items():
            story.pushed_again = False
            if story.lease is None:
                forgotten |= {member} if story.due is not None else set()
                story.due = None
                story.failures, story.silent, story.error = 0, 0, None
        return forgotten

    # --- What is to be seen --------------------------------------------------------------------

    def counts(self) -> tuple[int, int, int, int]:
        stories = self.stories.values()
        return (
            len(self.waiting),
            sum(story.lease is not None for story in stories),
            sum(story.due is not None for story in stories),
            sum(story.letter is not None for story in stories),
        )


members = st.sampled_from(MEMBERS)
scores = st.sampled_from([0.0, 1.0, -3.5, 0.1, 12345678.875, 1e300, float("inf")])
# Of the leases ever given out, counted from the newest: old receipts are among them.
leases_back = st.lists(st.integers(0, 14), min_size=1, max_size=4, unique=True)
workers = st.sampled_from(sorted(WORKERS))


class History(RuleBasedStateMachine):
    def __init__(
        self, runner: asyncio.Runner, client: "redis_asyncio.Redis", blocking: Redis
    ) -> None:
        super().__init__()
        self.run, self.redis = runner.run, blocking
        self.keys = Keys.of(f"test:{uuid.uuid4().hex}")
        self.model = Model()
        self.leases: list[Lease] = []
        self.pushed: set[bytes] = set()
        self.acked: set[bytes] = set()
        self.dropped: set[bytes] = set()
        self.queues = {
            name: AnchorQueue(
                client,
                self.keys,
                owner=name,
                lease_seconds=WORKERS[name][0],
                max_deliveries=WORKERS[name][1],
            )
            for name in WORKERS
        }

    # --- What happens --------------------------------------------------------------------------

    @initialize(kind=st.sampled_from(["list", "set", "zset"]), data=st.data())
    def begin(self, kind: str, data: st.DataObject) -> None:
        self._push(kind, data.draw(st.lists(members, min_size=1, max_size=7)), 1.0, False)

    @rule(
        kind=st.sampled_from(["list", "set", "zset"]),
        pushed=st.lists(members, min_size=1, max_size=4),
        score=scores,
        in_front=st.booleans(),
    )
    def push(self, kind: str, pushed: list[bytes], score: float, in_front: bool) -> None:
        self._push(kind, pushed, score, in_front)

    def _push(self, kind: str, pushed: list[bytes], score: float, in_front: bool) -> None:
        """Of the kind that the queue is, if it is any."""
        if self.model.waiting:
            kind = str(self.model.kind)
        for member in pushed:
            if kind == "set":
                self.redis.sadd(self.keys.queue, member)
            elif kind == "zset":
                self.redis.zadd(self.keys.queue, {member: score})
            else:
                (self.redis.lpush if in_front else self.redis.rpush)(self.keys.queue, member)
            self.model.push(kind, member, score if kind == "zset" else 0.0, in_front=in_front)
        self.pushed |= set(pushed)

    @rule(name=workers, count=st.integers(1, 5), in_hand=st.integers(0, 8))
    def take(self, name: str, count: int, in_hand: int) -> None:
        lease_seconds, most = WORKERS[name]
        self.model.bring_back(most)
        taken = self.run(self._queue(name).take(count, in_hand=in_hand))
        line = self.model.next_in_line(count)
        if self.model.kind == "set" and line:
            line = self._line_of_the_set(count, [each.member for each in taken.leases], most)
        batch = self.model.deliver(line, most, in_hand)
        for pair in line[: batch.passed]:
            self.model.waiting.remove(pair)
        seen = [(lease.member, lease.delivery) for lease in taken.leases]
        assert seen == list(batch.delivered.items())
        assert taken.waiting == len(self.model.waiting)
        assert taken.most_in_hand == batch.most_in_hand
        for lease in taken.leases:
            assert lease.receipt > max((each.receipt for each in self.leases), default=0)
            self.leases.append(lease)
            self.model.lease(lease, name, self.model.now + lease_seconds * 1000)

    def _line_of_the_set(
        self, count: int, taken: list[bytes], most: int
    ) -> list[tuple[bytes, float]]:
        """An order in which Redis can have chosen: what is gone, and then a suspect, if any."""
        left = self.redis.smembers(self.keys.queue)

        def place(pair: tuple[bytes, float]) -> tuple[int, int]:
            if pair[0] in taken:
                return 1, taken.index(pair[0])
            stays = pair[0] in left
            company = self.model.company(pair[0], most) or 99
            return (company + 1 if stays else 0), 0

        return sorted(self.model.waiting, key=place)[:count]

    @precondition(lambda self: self.leases)
    @rule(back=leases_back)
    def ack(self, back: list[int]) -> None:
        leases = self._some(back)
        live = [lease for lease in leases if self.model.is_live(lease)]
        for lease in live:
            self.model.ack(lease)
        refused = self.run(self._queue("steady").ack(leases))
        assert refused == [lease for lease in leases if lease not in live]
        self.acked |= {lease.member for lease in live}

    @precondition(lambda self: self.leases)
    @rule(back=leases_back)
    def release(self, back: list[int]) -> None:
        leases = self._some(back)
        live = [lease for lease in leases if self.model.is_live(lease)]
        self.model.release(live)
        refused = self.run(self._queue("steady").release(leases))
        assert refused == [lease for lease in leases if lease not in live]

    @precondition(lambda self: self.leases)
    @rule(name=workers, back=leases_back)
    def renew(self, name: str, back: list[int]) -> None:
        leases = self._some(back)
        live = [lease for lease in leases if self.model.is_live(lease)]
        for lease in live:
            deadline = self.model.now + WORKERS[name][0] * 1000
            self.model.stories[lease.member].deadline = deadline
        refused = self.run(self._queue(name).renew(leases))
        assert refused == [lease for lease in leases if lease not in live]

    @precondition(lambda self: self.leases)
    @rule(name=workers, back=leases_back, delay=st.sampled_from([None, 0, 2.5, 30]))
    def fail(self, name: str, back: list[int], delay: float | None) -> None:
        failures = [
            Failed(lease, "network", "no answer: \u2205", delay) for lease in self._some(back)
        ]
        expected = {}
        for failed in failures:
            if not self.model.is_live(failed.lease):
                continue
            member, most = failed.lease.member, WORKERS[name][1]
            hopeless = failed.delay_seconds is None
            again = self.model.end(
                member, failed.reason, failed.error, hopeless=hopeless, most=most
            )
            if again:
                self.model.stories[member].due = self.model.now + int((delay or 0) * 1000)
            expected[failed.lease] = not again
        assert self.run(self._queue(name).fail(failures)) == expected

    @rule(ms=st.sampled_from([-4000, 1, 2500, 5000, 30_000, 60_000]))
    def step_the_clock(self, ms: int) -> None:
        self.model.now += ms

    @rule(name=workers)
    def count(self, name: str) -> None:
        self.model.bring_back(WORKERS[name][1])
        counts = self.run(self._queue(name).counts())
        seen = (counts.waiting, counts.leased, counts.delayed, counts.dead)
        assert seen == self.model.counts()
        assert counts.drained == (not any(seen[:3]))

    @rule(chosen=st.lists(members, min_size=1, max_size=3))
    def requeue(self, chosen: list[bytes]) -> None:
        expected = sum(self.model.requeue(member) for member in chosen)
        assert self._script("requeue", *chosen) == expected

    @rule(member=members)
    def drop(self, member: bytes) -> None:
        story = self.model.stories.get(member, Story())
        assert self._script("drop", member) == (story.letter is not None)
        self.dropped |= {member} if story.letter else set()
        story.letter = None

    @rule(is_meant=st.sampled_from([True, *[False] * 9]))
    def clear(self, is_meant: bool) -> None:
        if is_meant:
            waiting, _, delayed, _ = self.model.counts()
            assert self._script("clear") == [waiting, delayed]
            self.dropped |= self.model.clear()

    def _script(self, operation: str, *arguments: bytes) -> Any:
        script = self.redis.register_script(SCRIPT)
        return script(keys=self.keys.all(), args=[operation, self.model.now, *arguments])

    def _queue(self, name: str) -> AnchorQueue:
        queue = self.queues[name]
        queue.clock_ms = self.model.now
        return queue

    def _some(self, back: list[int]) -> list[Lease]:
        places = {(len(self.leases) - 1 - each) % len(self.leases) for each in back}
        return [self.leases[place] for place in sorted(places)]

    # --- What must hold ------------------------------------------------------------------------

    @invariant()
    def redis_holds_what_the_model_says(self) -> None:
        stories = self.model.stories
        kind, waiting, leases, held, delayed, tries, dead = self._read()
        assert kind.decode() == (self.model.kind if self.model.waiting else "none")
        assert waiting == self._expected_waiting()
        leased = {member: each.deadline for member, each in stories.items() if each.lease}
        assert dict(leases) == leased
        assert set(held) == set(leased)
        due = {member: each.due for member, each in stories.items() if each.due is not None}
        assert dict(delayed) == due
        # Tries are kept for what may come once more, and for nothing else.
        tried = {member for member, each in stories.items() if each.failures}
        assert set(tries) == tried
        assert tried <= {member for member, _ in self.model.waiting} | set(leased) | set(due)
        letters = {member: each.letter for member, each in stories.items() if each.letter}
        assert set(dead) == set(letters)
        for member, letter in letters.items():
            assert json.loads(dead[member]).items() >= letter.items()

    def _read(self) -> list[Any]:
        keys = self.keys
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.type(keys.queue)
            if self.model.kind == "list":
                pipe.lrange(keys.queue, 0, -1)
            elif self.model.kind == "zset":
                pipe.zrange(keys.queue, 0, -1, withscores=True)
            else:
                pipe.smembers(keys.queue)
            pipe.zrange(keys.leases, 0, -1, withscores=True)
            pipe.hkeys(keys.held)
            pipe.zrange(keys.delayed, 0, -1, withscores=True)
            pipe.hkeys(keys.tries)
            pipe.hgetall(keys.dead)
            return pipe.execute()

    def _expected_waiting(self) -> Any:
        if self.model.kind == "zset":
            return sorted(self.model.waiting, key=lambda pair: (pair[1], pair[0]))
        shape = list if self.model.kind == "list" else set
        return shape(member for member, _ in self.model.waiting)

    def teardown(self) -> None:
        try:
            self._drain()
            left = {key.decode() for key in self.redis.keys(f"*{self.keys.queue}*")}
            dead = {self.keys.dead} if self.model.counts()[3] else set()
            stay = {self.keys.receipts, self.keys.cut_off, self.keys.epoch, self.keys.sizes}
            assert left - stay == dead
            buried = {member for member, each in self.model.stories.items() if each.letter}
            assert self.pushed <= self.acked | self.dropped | buried
        finally:
            self.redis.delete(*self.keys.all())

    def _drain(self) -> None:
        """One more worker takes and acknowledges whatever comes, until nothing does."""
        self.model.now += 120_000
        for _ in range(100):
            self.take("steady", 5, in_hand=0)
            if not any(self.model.counts()[:3]):
                break
            self.ack([0, 1, 2, 3, 4])
            self.redis_holds_what_the_model_says()
        assert self.run(self._queue("steady").counts()).drained


@pytest.mark.hypothesis
def test_random_histories(tmp_path: Path) -> None:
    settings = hypothesis.settings(
        max_examples=200,
        stateful_step_count=40,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    with (
        local_redis(tmp_path / "redis", []) as server,
        Redis(port=server.port) as blocking,
        asyncio.Runner() as runner,
    ):
        client = redis_asyncio.Redis(port=server.port)
        try:
            history: Any = partial(History, runner, client, blocking)
            run_state_machine_as_test(history, settings=settings)
        finally:
            runner.run(client.aclose())
