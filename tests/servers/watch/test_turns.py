"""What a turn of the watch list costs, by what is known of the anchor."""

from collections.abc import Iterator
from functools import partial

import pytest

from rankspider.queue.anchor_queue import Failed, Lease
from rankspider.watch.turns import Turn, Watched
from tests.support.watch_bench import LEASE_SECONDS, MOST, Bench

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LIVE, QUIET, MOVED = "1 1700000000 5", "0 1700000000 5", "0 1700000000 6"
ANCHOR = "anchor"


@pytest.fixture
def one(bench: partial[Bench]) -> Iterator[Bench]:
    """With one watched anchor: every 10 minutes, at most 2 hours."""
    made = bench()
    made.put([Watched(ANCHOR, 600, 7200, number=3)])
    yield made
    made.clear()


def next_turn(bench: Bench, within_ms: int = 2 * DAY) -> tuple[Lease, int]:
    """Let the time pass until it is taken; how long it took, ms."""
    began = bench.now
    while bench.now < began + within_ms:
        leases, soon = bench.take(0)
        if leases:
            (lease,) = leases
            return lease, bench.now - began
        assert soon is not None
        bench.now += max(1, soon)
    raise AssertionError("its turn never came")


def stands(bench: Bench) -> Turn:
    (turn,) = bench.turns.of([ANCHOR])
    assert turn is not None
    return turn


def test_a_new_one_is_asked_within_its_interval(one: Bench) -> None:
    assert stands(one).state == "new"
    _, waited = next_turn(one)
    assert waited <= 10 * MINUTE


def test_one_on_the_air_keeps_its_interval(one: Bench) -> None:
    for _ in range(4):
        lease, waited = next_turn(one)
        assert waited <= 10 * MINUTE
        one.ack([lease], LIVE)
        assert stands(one).state == "live"


def test_one_off_the_air_is_asked_less_and_less_and_at_once_as_before_when_it_is_back(
    one: Bench,
) -> None:
    waits = []
    for _ in range(6):
        lease, waited = next_turn(one)
        one.ack([lease], QUIET)
        waits.append(waited)
    # It scored before it was watched, so the first answer was news.
    assert stands(one).state == "asleep"
    assert all(waited <= 10 * MINUTE for waited in waits[:2])
    assert 15 * MINUTE <= waits[2] <= 30 * MINUTE
    assert 30 * MINUTE <= waits[3] <= HOUR
    assert HOUR <= waits[5] <= 2 * HOUR
    lease, _ = next_turn(one)
    one.ack([lease], MOVED)
    assert stands(one).state == "live"
    assert next_turn(one)[1] <= 10 * MINUTE


def test_an_hour_that_turns_is_no_sign_of_life(one: Bench) -> None:
    for said in (QUIET, QUIET, "0 1700003600 0"):
        lease, _ = next_turn(one)
        one.ack([lease], said)
    assert stands(one).state == "asleep"


def test_a_steady_one_is_asked_whatever_is_known(one: Bench) -> None:
    one.put([Watched(ANCHOR, 600, 7200, True, 3)])
    for nth in range(5):
        one.run(one.queue(0).report_list(one.now + nth, 0, [ANCHOR]))
        lease, waited = next_turn(one)
        assert waited <= 10 * MINUTE
        one.ack([lease], QUIET)


def test_a_listed_one_costs_nothing_and_is_due_at_once_when_it_leaves(one: Bench) -> None:
    for _ in range(20):
        one.run(one.queue(0).report_list(one.now, 0, [ANCHOR, "another"]))
        assert one.take(0)[0] == []
        one.now += 5 * MINUTE
    assert stands(one).state == "listed"
    assert one.redis.hget(one.keys.plan, "rate") == b"0"
    one.run(one.queue(0).report_list(one.now, 0, ["another"]))
    lease, waited = next_turn(one)
    assert waited <= 1000
    assert stands(one).state == "live"
    one.ack([lease], LIVE)
    worst = stands(one).worst_gap
    assert worst is not None and worst <= 1


def test_a_list_that_nobody_sees_any_more_spares_no_call(one: Bench) -> None:
    one.run(one.queue(0).report_list(one.now, 0, [ANCHOR]))
    _, waited = next_turn(one)
    assert waited <= 10 * MINUTE + 1


def test_an_older_list_that_comes_late_changes_nothing(one: Bench) -> None:
    one.run(one.queue(0).report_list(one.now, 0, [ANCHOR]))
    one.run(one.queue(1).report_list(one.now - 500, 0, ["another"]))
    assert stands(one).state == "listed"
    one.run(
        one.queue(1).report_list(one.now - 2 * HOUR, 0, ["another"])
    )  # a clock was wrong before
    assert stands(one).state == "live"


def test_one_that_is_gone_is_asked_once_a_day_and_is_a_dead_letter(one: Bench) -> None:
    lease, _ = next_turn(one)
    one.run(one.queue(0).fail([Failed(lease, "no-such-user", "none", None)]))
    assert stands(one).state == "gone"
    assert one.run(one.queue(0).counts()).dead == 1
    lease, waited = next_turn(one)
    assert DAY / 2 <= waited <= DAY
    one.ack([lease], LIVE)
    assert stands(one).state == "live"


def test_a_turn_that_fails_to_the_end_is_missed_and_the_next_one_comes(one: Bench) -> None:
    for nth in range(1, MOST + 1):
        lease, _ = next_turn(one)
        assert lease.delivery == nth
        one.run(one.queue(0).fail([Failed(lease, "server-error", "500", 1.0)]))
    assert stands(one).missed == 1
    assert one.run(one.queue(0).counts()).dead == 0
    lease, _ = next_turn(one)
    assert lease.delivery == 1


def test_one_that_is_pushed_as_well_is_asked_once_more_afterwards(one: Bench) -> None:
    lease, _ = next_turn(one)
    one.redis.rpush(one.keys.queue, ANCHOR)
    assert one.take(1)[0] == []
    one.ack([lease], LIVE)
    (pushed,) = one.take(1)[0]
    assert pushed.purpose == "queue"


def test_one_that_the_queue_has_in_hand_is_not_asked_twice(one: Bench) -> None:
    one.redis.rpush(one.keys.queue, ANCHOR)
    (pushed,) = one.take(0)[0]
    for _ in range(40):
        one.now += MINUTE
        assert one.run(one.queue(0).renew([pushed])) == []
        assert one.take(1)[0] == []
        one.now -= MINUTE - LEASE_SECONDS * 500
    one.ack([pushed], LIVE)
    assert stands(one).state == "live"


def test_one_that_is_removed_while_in_hand_leaves_nothing(one: Bench) -> None:
    lease, _ = next_turn(one)
    assert one.turns.remove([ANCHOR]) == 1
    one.run(one.queue(0).fail([Failed(lease, "no-such-user", "none", None)]))
    assert one.run(one.queue(0).counts()).drained
    assert not one.redis.exists(one.keys.dead, one.keys.tries, one.keys.turns)


def test_a_worker_that_does_not_serve_it_takes_none_and_finds_the_queue_drained(
    one: Bench,
) -> None:
    one.now += DAY
    lease, _ = next_turn(one)
    only_the_queue = one.queue(1)
    only_the_queue._list_every_ms = ""
    one.now += 1000
    assert one.run(only_the_queue.take(5)).leases == []
    assert one.run(only_the_queue.counts()).drained
    assert one.ack([lease]) == []


def test_a_dead_letter_put_back_is_a_turn_or_waits_in_the_queue(one: Bench) -> None:
    for is_watched in (True, False):
        lease, _ = next_turn(one)
        one.run(one.queue(0).fail([Failed(lease, "no-such-user", "none", None)]))
        if not is_watched:
            one.turns.remove([ANCHOR])
        script = one.turns._script
        assert script(keys=one.keys.of_script(), args=["requeue", one.now, ANCHOR]) == 1
        assert one.redis.llen(one.keys.queue) == (0 if is_watched else 1)
        if is_watched:
            lease, waited = next_turn(one)
            assert waited <= 15_000
            one.ack([lease], LIVE)


def test_what_hands_spoilt_is_no_error(one: Bench) -> None:
    one.redis.hset(one.keys.watched, ANCHOR, b"\xff")
    one.now += HOUR
    assert one.take(0)[0] == []
    assert len(one.turns) == 0
    one.redis.set(one.keys.watched, "text")
    one.redis.set(one.keys.turns, "text")
    assert one.take(0)[0] == []
    assert one.put([Watched(ANCHOR, 600, 7200)]) == [2]
    assert next_turn(one)[0].member == ANCHOR.encode()


def test_a_list_that_nobody_looked_at_is_seen_to_before_the_queue(one: Bench) -> None:
    for queue in one.queues:
        queue._list_every_ms = 30_000
    one.redis.rpush(one.keys.queue, "x", "y")
    first, second = one.take(0, count=2)[0]
    assert first.purpose == "list"
    assert first.is_of_list_alone  # nobody is due within minutes
    assert (second.member, second.purpose) == (b"x", "queue")
    (third,) = one.take(0)[0]
    assert third.member == b"y"
    one.ack([first, second, third])
    one.now += 29_000
    assert one.take(0)[0] == []
    one.now += 1000
    assert [lease.purpose for lease in one.take(1)[0]] == ["list"]
    assert one.take(0)[0] == []  # not by each worker, and whoever had it is killed
    one.now += LEASE_SECONDS * 1000
    one.run(one.queue(1).report_list(one.now, 0, ["another"]))  # some answer showed it
    one.now += 29_000
    assert one.take(0)[0] == []
    assert not one.redis.exists(one.keys.tries)


def test_a_look_at_the_list_takes_the_next_in_line_along(one: Bench) -> None:
    for queue in one.queues:
        queue._list_every_ms = 30_000
    due = one.redis.zscore(one.keys.turns, ANCHOR)
    one.now = int(due) - MINUTE
    (lease,) = one.take(0)[0]
    assert (lease.member, lease.purpose) == (ANCHOR.encode(), "list")
    assert not lease.is_of_list_alone
    assert one.redis.zscore(one.keys.turns, ANCHOR) > due


def test_there_is_no_look_at_the_list_without_a_watch_list_or_while_it_is_paused(
    one: Bench,
) -> None:
    for queue in one.queues:
        queue._list_every_ms = 30_000
    one.turns.pause(is_paused=True)
    assert one.take(0) == ([], None)
    one.turns.pause(is_paused=False)
    one.turns.remove([ANCHOR])
    assert one.take(0) == ([], None)
