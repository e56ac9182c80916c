"""The looks at an hour's end, by the endpoint's clock, whoever of the workers comes first."""

import random
from collections.abc import Iterator
from functools import partial

import pytest

from rankspider.watch.turns import Watched
from tests.support.watch_bench import START_MS, Bench

HOUR, MARGIN = 3_600_000, 8.0
AHEAD_MS = 3700
END = (START_MS + AHEAD_MS) // HOUR * HOUR + HOUR - AHEAD_MS
"""Of the endpoint's hour, by Redis's clock."""


@pytest.fixture
def watched(bench: partial[Bench]) -> Iterator[Bench]:
    """One anchor that is not due for long, and an endpoint whose clock is known."""
    made = bench()
    made.put([Watched("anchor", 86_400, 86_400)])
    report_clock(made, AHEAD_MS - 20, AHEAD_MS + 20)
    yield made
    made.clear()


def report_clock(bench: Bench, low_ms: float, high_ms: float) -> None:
    bench.run(bench.queue(0).report_clock(low_ms / 1000, high_ms / 1000))


def show(bench: Bench, hour_ms: int) -> None:
    """An answer shows the list of the hour that began then, by the endpoint's clock."""
    bench.run(bench.queue(0).report_list(bench.now + AHEAD_MS, hour_ms, ["another"]))


def look(bench: Bench, worker: int = 0) -> tuple[int, int | None]:
    """How many calls it gives, and how soon the next is, ms."""
    leases, wait = bench.run(bench.queue(worker).take_closing(MARGIN))
    assert all(lease.purpose == "close" for lease in leases)
    bench.ack(leases)
    return len(leases), None if wait is None else round(wait * 1000)


def looks_until(bench: Bench, end: int, draw: random.Random, *, shown_after: int) -> list[int]:
    """The three workers poll as they do; return when they looked, from the hour's end on."""
    looked = []
    while bench.now < end:
        if bench.now >= END + shown_after:
            show(bench, END + AHEAD_MS)
        count, wait = look(bench, draw.randrange(3))
        looked += [bench.now - END] * count
        assert wait is not None
        bench.now += min(wait, 5000) + draw.choice([0, 1, 3, 15])
    return looked


@pytest.mark.parametrize("seed", range(3))
def test_an_end_is_looked_at_once_at_each_step_by_whoever_comes_first(
    watched: Bench, seed: int
) -> None:
    watched.now = END - 60_000
    looked = looks_until(watched, END + 60_000, random.Random(seed), shown_after=1500)
    for at, due in zip(looked, (-8000, -4000, -2000, -1000, -500, 1000), strict=True):
        assert 0 <= at - due <= 40


def test_it_goes_on_until_the_new_hour_shows(watched: Bench) -> None:
    watched.now = END - 500
    looked = looks_until(watched, END + 60_000, random.Random(1), shown_after=30_000)
    assert [round(at / 1000) for at in looked] == [0, 1, 3, 8]  # the five before it as one


def test_a_clock_that_is_set_back_brings_none_again(watched: Bench) -> None:
    watched.now = END - 900
    assert look(watched)[0] == 1
    watched.now -= 3000
    assert look(watched)[0] == 0
    watched.now = END + 1100
    assert look(watched)[0] == 1
    watched.now -= 4000
    assert [look(watched, worker)[0] for worker in range(3)] == [0, 0, 0]
    watched.now = END + HOUR - 7000
    show(watched, END + AHEAD_MS)
    assert look(watched)[0] == 1


def test_nothing_is_looked_at_without_a_watch_list_a_clock_or_while_it_is_paused(
    watched: Bench,
) -> None:
    watched.now = END - 1000
    watched.turns.pause(is_paused=True)
    assert look(watched) == (0, None)
    watched.turns.pause(is_paused=False)
    watched.redis.hdel(watched.keys.plan, "offset_low")
    assert look(watched) == (0, None)
    watched.turns.remove(["anchor"])
    assert look(watched) == (0, None)


def test_turns_leave_the_pace_to_it(watched: Bench) -> None:
    watched.put([Watched(f"anchor-{n}", 10, 10, True, n) for n in range(20)])
    watched.now = END - 20_000
    look(watched)
    taken = []
    while watched.now < END + 3000:
        leases, soon = watched.take(0)
        taken += [watched.now - END] * len(leases)
        watched.ack(leases)
        assert soon is not None
        watched.now += max(1, soon)
    assert taken
    assert not any(-8000 <= at < 0 for at in taken)
    assert any(at >= 0 for at in taken)


def test_the_next_in_line_comes_along(watched: Bench) -> None:
    watched.put([Watched("due", 60, 7200)])
    watched.now = END - 1000
    ((lease,), _) = watched.run(watched.queue(0).take_closing(MARGIN))
    assert lease.member == b"due"


def test_the_narrowest_word_on_the_clock_counts_and_a_cache_is_not_believed(
    watched: Bench,
) -> None:
    def offset() -> tuple[bytes, ...]:
        return tuple(watched.redis.hmget(watched.keys.plan, "offset_low", "offset_high"))

    report_clock(watched, AHEAD_MS - 500, AHEAD_MS + 500)
    assert offset() == (b"3680", b"3720")
    report_clock(watched, AHEAD_MS - 5000, AHEAD_MS - 4990)
    assert offset() == (b"3680", b"3720")
    report_clock(watched, AHEAD_MS - 5, AHEAD_MS + 5)
    assert offset() == (b"3695", b"3705")
    report_clock(watched, AHEAD_MS + 100, AHEAD_MS + 900)  # it was set
    assert offset() == (b"3800", b"4600")
    watched.now += 11 * 60_000
    report_clock(watched, -900, 0)  # it was set back, or so
    assert offset() == (b"-900", b"0")
