"""The watch list's turns against what is promised of them: random histories on a real Redis, by a
clock of the tests' own. The queue's own part has a model in `tests/system/test_queue_model.py`."""

import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rankspider.queue.anchor_queue import Failed, Lease
from rankspider.watch.turns import Watched
from tests.support.watch_bench import LEASE_SECONDS, START_MS, Bench

MEMBERS = [f"anchor-{n}" for n in range(8)]


@dataclass
class Held:
    lease: Lease
    deadline: int


@dataclass
class Pace:
    """No second sees more than a quarter above the plan."""

    taken: deque[tuple[int, float]] = field(default_factory=deque)

    def note(self, at: int, plan_per_second: float, count: int) -> None:
        self.taken.extend([(at, plan_per_second)] * count)
        while self.taken and self.taken[0][0] <= at - 1000:
            self.taken.popleft()
        if self.taken:
            most = max(plan for _, plan in self.taken)
            assert len(self.taken) <= max(1, math.ceil(1.25 * most)), self.taken


class History(RuleBasedStateMachine):
    def __init__(self, bench: partial[Bench]) -> None:
        super().__init__()
        self.bench = bench()
        self.watched: dict[str, Watched] = {}
        self.live: dict[str, Held] = {}
        self.leases: list[Lease] = []
        self.is_paused = False
        self.pace = Pace()
        self.number = 0

    def _expire(self) -> None:
        for member, held in list(self.live.items()):
            if held.deadline <= self.bench.now:
                del self.live[member]

    @rule(
        members=st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=4, unique=True),
        every=st.sampled_from([1, 5, 60]),
        is_steady=st.booleans(),
        is_paused=st.sampled_from([False, False, True]),
    )
    def watch(self, members: list[str], every: int, is_steady: bool, is_paused: bool) -> None:
        anchors, expected = [], []
        for member in members:
            known = self.watched.get(member)
            number = known.number if known else self.number
            self.number += known is None
            anchor = Watched(member, every, 7200, is_steady, number, is_paused)
            expected.append(2 if known is None else int(known != anchor))
            self.watched[member] = anchor
            anchors.append(anchor)
        assert self.bench.put(anchors) == expected
        assert self.bench.put(anchors) == [0] * len(anchors)

    @rule(members=st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=2, unique=True))
    def unwatch(self, members: list[str]) -> None:
        expected = sum(self.watched.pop(member, None) is not None for member in members)
        assert self.bench.turns.remove(members) == expected

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        self.is_paused = is_paused
        self.bench.turns.pause(is_paused=is_paused)

    @rule(worker=st.integers(0, 2), count=st.integers(1, 9))
    def take(self, worker: int, count: int) -> None:
        self._expire()
        rate = self._plan()
        leases, soon = self.bench.take(worker, count)
        assert len(leases) <= count
        if self.is_paused:
            assert not leases
        for lease in leases:
            member = lease.member.decode()
            assert lease.purpose == "own"
            assert member not in self.live, "two leases of one anchor"
            assert not self.watched[member].paused
            self.live[member] = Held(lease, self.bench.now + LEASE_SECONDS * 1000)
        self.leases += leases
        self.pace.note(self.bench.now, max(rate, self._plan()), len(leases))
        open_ = [each for each in self.watched.values() if not each.paused]
        assert (soon is None) == (self.is_paused or not open_)

    def _plan(self) -> float:
        """Turns a second."""
        return int(self.bench.redis.hget(self.bench.keys.plan, "rate") or 0) / 3.6e9

    @precondition(lambda self: self.leases)
    @rule(
        back=st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
        said=st.sampled_from(["", "1 1700000000 5", "0 1700000000 0", "0 1700000000 7"]),
    )
    def ack(self, back: list[int], said: str) -> None:
        self._settle(back, lambda leases: self.bench.ack(leases, said))

    @precondition(lambda self: self.leases)
    @rule(
        back=st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
        delay=st.sampled_from([None, 0.0, 2.5]),
    )
    def fail(self, back: list[int], delay: float | None) -> None:
        def fail(leases: list[Lease]) -> list[Lease]:
            failures = [Failed(lease, "no-such-user", "none", delay) for lease in leases]
            outcome = self.bench.run(self.bench.queue(1).fail(failures))
            return [lease for lease in leases if lease not in outcome]

        self._settle(back, fail)

    @precondition(lambda self: self.leases)
    @rule(back=st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True))
    def release(self, back: list[int]) -> None:
        self._settle(back, lambda leases: self.bench.run(self.bench.queue(2).release(leases)))

    def _settle(self, back: list[int], settle: Any) -> None:
        leases = list(dict.fromkeys(self.leases[-1 - n % len(self.leases)] for n in back))
        held = [each.lease for each in self.live.values()]
        # Whether what ran out was taken from its worker depends on who has looked since.
        mine = [lease for lease in leases if lease in held]
        refused = settle(leases)
        for lease in mine:
            member = lease.member.decode()
            if self.live[member].deadline > self.bench.now:
                assert lease not in refused
            del self.live[member]

    @rule(worker=st.integers(0, 2), ms=st.sampled_from([-4000, -1, 1, 200, 1000, 5000, 25_000]))
    def step_the_clock(self, worker: int, ms: int) -> None:
        """Leases that nobody renews run out: their worker was killed."""
        self.bench.now += ms
        if ms < 0:
            self.pace.taken.clear()  # the seconds that come are others

    @invariant()
    def each_has_one_turn(self) -> None:
        expected = {each.sec_uid for each in self.watched.values() if not each.paused}
        turns = self.bench.redis.zrange(self.bench.keys.turns, 0, -1)
        assert {member.decode() for member in turns} == expected
        assert set(self.bench.turns) == self.watched.keys()

    def teardown(self) -> None:
        try:
            self._nobody_is_lost()
        finally:
            self.bench.clear()

    def _nobody_is_lost(self) -> None:
        """Whoever was in whose hand: each is asked once more, within the longest pause there is."""
        self.bench.turns.pause(is_paused=False)
        missing = {each.sec_uid for each in self.watched.values() if not each.paused}
        end = self.bench.now + 2 * 86_400_000
        while missing and self.bench.now < end:
            leases, soon = self.bench.take(0)
            assert self.bench.ack(leases, "1 1700000000 5") == []
            missing -= {lease.member.decode() for lease in leases}
            self.bench.now += max(1, soon or 1)
        assert not missing


@pytest.mark.hypothesis
def test_random_histories(bench: partial[Bench]) -> None:
    settings = hypothesis.settings(
        max_examples=60,
        stateful_step_count=40,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    history: Any = partial(History, bench)
    run_state_machine_as_test(history, settings=settings)


class Service:
    """Three workers that serve ``count`` steady anchors, each asked ``every`` so many seconds."""

    def __init__(self, bench: Bench, count: int, every: int) -> None:
        self.bench, self.random = bench, random.Random(7)
        self.every_ms = every * 1000
        bench.put([Watched(f"anchor-{n}", every, 7200, True, n) for n in range(count)])
        self.plan = count / every
        self.sightings: dict[str, list[int]] = {f"anchor-{n}": [] for n in range(count)}
        self.under_way: list[tuple[int, Lease]] = []
        self.pace = Pace()
        self.order: list[str] = []

    def serve(self, seconds: float, *, kills: float = 0.0, late_ms: int = 0) -> None:
        end = self.bench.now + int(seconds * 1000)
        while self.bench.now < end:
            leases, soon = self.bench.take(self.random.randrange(3))
            self.pace.note(self.bench.now, self.plan, len(leases))
            self.order += [lease.member.decode() for lease in leases]
            for lease in leases:
                if self.random.random() >= kills:
                    late = self.random.randint(50, 900)
                    self.under_way.append((self.bench.now + late, lease))
            self._answer()
            # As a worker: when the next turn may be taken, or a little later.
            self.bench.now += max(1, min(soon or 250, 250)) + self.random.choice([0, 0, 1, 20])
            self.bench.now += late_ms

    def _answer(self) -> None:
        ended = [lease for at, lease in self.under_way if at <= self.bench.now]
        self.under_way = [(at, each) for at, each in self.under_way if at > self.bench.now]
        assert self.bench.ack(ended, "0 1700000000 0") == []
        for lease in ended:
            self.sightings[lease.member.decode()].append(self.bench.now)

    def finish(self) -> None:
        """What is in hand is answered, and nothing more is taken."""
        self.bench.now += 1000
        self._answer()

    @property
    def worst_gap(self) -> float:
        """In intervals."""
        return max(
            (after - before) / self.every_ms
            for seen in self.sightings.values()
            for before, after in pairwise(seen)
        )


def test_steady_anchors_are_spread_evenly_and_never_left_for_long(bench: partial[Bench]) -> None:
    service = Service(bench(), count=120, every=60)
    service.serve(300)
    assert min(map(len, service.sightings.values())) >= 4
    assert service.worst_gap <= 1.5


def test_a_short_list_is_served_in_time_by_workers_that_are_late(bench: partial[Bench]) -> None:
    service = Service(bench(), count=20, every=60)
    service.serve(900, late_ms=2200)
    assert len(service.order) >= 0.95 * 900 * service.plan
    assert service.worst_gap <= 1.5


def test_turns_of_a_killed_worker_are_made_up_for(bench: partial[Bench]) -> None:
    service = Service(bench(), count=60, every=60)
    service.serve(600, kills=0.1)
    assert min(map(len, service.sightings.values())) >= 6
    # A lease that runs out, and its turn is come.
    assert service.worst_gap <= 1.5 + 2 * LEASE_SECONDS / 60


@pytest.mark.parametrize("are_killed", [False, True])
def test_a_long_pause_makes_no_burst_and_the_oldest_come_first(
    bench: partial[Bench], are_killed: bool
) -> None:
    service = Service(bench(), count=480, every=60)  # 8 a second, so 10 at most
    service.serve(120)
    in_hand = [lease.member.decode() for _, lease in service.under_way]
    if are_killed:
        service.under_way.clear()
    else:
        service.finish()
        in_hand = []
    turns = service.bench.redis.zrange(service.bench.keys.turns, 0, -1)
    waiting = [member.decode() for member in turns if member.decode() not in in_hand]
    service.bench.now += 90 * 60_000
    for seen in service.sightings.values():
        seen.clear()
    service.order.clear()
    service.serve(55)  # less than an interval, and all are served
    assert service.order[: len(in_hand)] == in_hand
    assert service.order[len(in_hand) : len(turns)] == waiting
    service.serve(150)
    assert service.worst_gap <= 1.5


def test_phases_are_even_whatever_their_number(bench: partial[Bench]) -> None:
    made = bench()
    made.put([Watched(f"anchor-{n}", 600, 7200, True, n) for n in range(3000)])
    due = [at for _, at in made.redis.zrange(made.keys.turns, 0, -1, withscores=True)]
    seconds = Counter(int((at - START_MS) // 10_000) for at in due)
    assert max(seconds.values()) - min(seconds.values()) <= 4
    assert max(due) <= START_MS + 600_000
