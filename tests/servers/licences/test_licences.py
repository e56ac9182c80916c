"""The fleet's licences on a real Redis: turns, pace, what sets one aside, the circuit."""

import asyncio
import logging
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import (
    CallOutcome,
    CallReport,
    Change,
    Grant,
    Ledger,
    Policy,
    Rates,
    Slot,
)
from rankspider.licences.pool import AllLicencesRefused, Licence, LicencePool, WorkerStopping
from tests.support.departures import most_in_a_second

START_MS = 1_700_000_000_000.0
A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
UNLIMITED = Rates()


class Fleet:
    """The ledger under a clock of its own."""

    def __init__(self, client: "redis_asyncio.Redis", key: str, policy: Policy | None = None):
        self.policy = policy or Policy()
        self.ledger = Ledger(client, Keys.of(key), self.policy, clock_ms=START_MS)

    def later(self, seconds: float) -> None:
        assert self.ledger.clock_ms is not None
        self.ledger.clock_ms += seconds * 1000

    async def take(self, *who: str, rates: Rates = UNLIMITED, count: int = 1) -> Grant:
        return await self.ledger.take(who or (A,), rates, count)

    async def slot(self, *who: str, rates: Rates = UNLIMITED) -> Slot:
        (slot,) = (await self.take(*who, rates=rates)).slots
        return slot

    async def report(
        self, slot: Slot, outcome: CallOutcome, who: str = A, retry_after: float | None = None
    ) -> list[Change]:
        return await self.ledger.report([CallReport(who, outcome, slot.turn, retry_after)])

    async def ask(
        self,
        outcome: CallOutcome,
        who: str = A,
        rates: Rates = UNLIMITED,
        retry_after: float | None = None,
    ) -> list[Change]:
        return await self.report(await self.slot(who, rates=rates), outcome, who, retry_after)

    async def why(self, *who: str) -> tuple[str, float]:
        grant = await self.take(*who)
        assert not grant.slots
        return grant.why, grant.wait

    async def state(self, who: str = A) -> str:
        return (await self.ledger.states([who])).licences[0].state


@pytest.fixture
def fleet(async_redis: "redis_asyncio.Redis", queue_key: str) -> Fleet:
    return Fleet(async_redis, queue_key)


# --- Turns and pace -----------------------------------------------------------------------------


async def test_good_licences_take_turns(fleet: Fleet) -> None:
    grant = await fleet.take(A, B, C, count=7)
    assert [slot.index for slot in grant.slots] == [0, 1, 2, 0, 1, 2, 0]
    assert (grant.why, grant.wait) == ("granted", 0)
    assert (await fleet.slot(A, B, C)).index == 1


async def test_spare_slots_only_without_a_limit(fleet: Fleet) -> None:
    assert len((await fleet.ledger.take([A], UNLIMITED, 1, 8)).slots) == 9
    assert len((await fleet.ledger.take([A], Rates(each=50), 1, 8)).slots) == 1
    assert len((await fleet.ledger.take([B], Rates(total=50), 1, 8)).slots) == 1


async def departures(fleet: Fleet, rates: Rates, who: list[str], seconds: float) -> list[float]:
    """When requests of a fleet that always has more of them would leave."""
    left: list[tuple[float, int]] = []
    start = fleet.ledger.clock_ms or 0
    while True:
        grant = await fleet.take(*who, rates=rates, count=16)
        elapsed = ((fleet.ledger.clock_ms or 0) - start) / 1000
        if elapsed >= seconds:
            return sorted(moment for moment, _ in left)
        left += [(elapsed + slot.wait, slot.index) for slot in grant.slots]
        fleet.later(grant.wait)


@pytest.mark.parametrize(
    ("rates", "licences", "expected"),
    [
        (Rates(each=50), 1, 50),
        (Rates(total=50), 3, 50),
        (Rates(each=20), 3, 60),
        (Rates(each=20, total=50), 3, 50),
        (Rates(each=3, total=50), 2, 6),
    ],
)
async def test_the_pace_is_kept(fleet: Fleet, rates: Rates, licences: int, expected: float) -> None:
    left = await departures(fleet, rates, [A, B, C][:licences], 10)
    within = [moment for moment in left if moment < 10]
    assert len(within) == pytest.approx(expected * 10, abs=licences + 1)
    assert most_in_a_second(left) <= expected + licences


async def test_a_limit_in_all_is_smooth(fleet: Fleet) -> None:
    left = await departures(fleet, Rates(total=50), [A, B], 3)
    gaps = [later - earlier for earlier, later in pairwise(left)]
    assert max(gaps) == pytest.approx(0.02, abs=1e-5)
    assert min(gaps) == pytest.approx(0.02, abs=1e-5)


@pytest.mark.parametrize("rates", [Rates(total=50), Rates(each=50)])
async def test_slots_given_back_make_no_burst(fleet: Fleet, rates: Rates) -> None:
    """Workers on a busy machine, which are late for every 25th slot."""
    left: list[float] = []
    start = fleet.ledger.clock_ms or 0
    while (elapsed := ((fleet.ledger.clock_ms or 0) - start) / 1000) < 30:
        grant = await fleet.take(rates=rates, count=16)
        for slot in grant.slots:
            if slot.turn % 25:
                left.append(elapsed + slot.wait)
            else:
                await fleet.report(slot, CallOutcome.UNSENT)
        fleet.later(grant.wait)
    within = [moment for moment in left if 1 <= moment < 29]
    assert len(within) / 28 == pytest.approx(48, rel=0.01)
    assert most_in_a_second(left) <= 51


async def test_no_burst_after_a_quiet_time(fleet: Fleet) -> None:
    await fleet.take(A, rates=Rates(each=10), count=1)
    fleet.later(60)
    grant = await fleet.take(A, rates=Rates(each=10), count=16)
    assert [slot.wait for slot in grant.slots] == [0, 0.1, 0.2, 0.3, 0.4]
    assert (grant.why, grant.wait) == ("pace", 0.3)


async def test_a_slow_rate_is_waited_for_and_a_raised_one_counts_at_once(fleet: Fleet) -> None:
    await fleet.slot(rates=Rates(each=0.1))
    grant = await fleet.take(rates=Rates(each=0.1))
    assert (grant.slots, grant.why, grant.wait) == ([], "pace", 9.8)
    grant = await fleet.take(rates=Rates(each=50))
    assert grant.wait == pytest.approx(0.22, abs=0.001)


async def test_a_clock_set_back_stops_nobody_for_long(fleet: Fleet) -> None:
    await fleet.slot(rates=Rates(total=50))
    fleet.later(-3600)
    grant = await fleet.take(rates=Rates(total=50))
    assert grant.wait + sum(slot.wait for slot in grant.slots) < 1


# --- What sets a licence aside ------------------------------------------------------------------


async def test_soft_bans_in_a_row_cool_a_licence_longer_each_time(fleet: Fleet) -> None:
    for _ in range(4):
        assert await fleet.ask(CallOutcome.SOFT_BAN) == []
    await fleet.ask(CallOutcome.OK)
    for _ in range(4):
        assert await fleet.ask(CallOutcome.SOFT_BAN) == []
    (change,) = await fleet.ask(CallOutcome.SOFT_BAN)
    assert (change.who, change.state, change.outcome) == (A, "cooling", "soft-ban")
    assert change.until == START_MS / 1000 + 30
    for seconds in (30, 60, 120, 240, 480, 960, 1800, 1800):
        assert await fleet.why(A) == ("cooling", seconds)
        fleet.later(seconds)
        await fleet.ask(CallOutcome.SOFT_BAN)


async def test_a_cool_down_is_a_first_one_again_only_after_steady_answers(fleet: Fleet) -> None:
    for seconds, answers in ((30, 5), (60, 20), (30, 0)):
        for _ in range(5):
            await fleet.ask(CallOutcome.SOFT_BAN)
        assert await fleet.why(A) == ("cooling", seconds)
        fleet.later(seconds)
        for _ in range(answers):
            await fleet.ask(CallOutcome.OK)


async def test_one_request_probes_a_licence_after_its_cool_down(fleet: Fleet) -> None:
    await fleet.ask(CallOutcome.OUT_OF_QUOTA)
    assert await fleet.state() == "out-of-quota"
    assert (await fleet.slot(A, B)).index == 1
    assert await fleet.why(A) == ("cooling", 3600)
    fleet.later(3600)
    grant = await fleet.take(A, count=5)
    assert (len(grant.slots), grant.why, grant.wait) == (1, "cooling", 0.25)
    (change,) = await fleet.report(grant.slots[0], CallOutcome.OK)
    assert (change.state, change.until) == ("good", 0)
    assert len((await fleet.take(A, count=5)).slots) == 5


@pytest.mark.parametrize("outcome", [CallOutcome.TROUBLE, CallOutcome.UNSENT])
async def test_a_probe_that_tells_nothing_is_made_again(fleet: Fleet, outcome: CallOutcome) -> None:
    await fleet.ask(CallOutcome.OUT_OF_QUOTA)
    fleet.later(3600)
    await fleet.ask(outcome)
    await fleet.ask(outcome)
    # A worker that died with its probe keeps the others waiting for a while only.
    await fleet.slot()
    fleet.later(59)
    assert (await fleet.why(A))[0] == "cooling"
    fleet.later(1)
    await fleet.slot()


async def test_what_was_in_flight_at_a_setback_tells_nothing_new(fleet: Fleet) -> None:
    slots = (await fleet.take(A, count=10)).slots
    for slot in slots:
        await fleet.report(slot, CallOutcome.REFUSED)
    assert await fleet.state() == "cooling"
    assert await fleet.why(A) == ("cooling", 10)
    fleet.later(10)
    assert [change.state for change in await fleet.ask(CallOutcome.REFUSED)] == ["refused"]
    assert await fleet.why(A) == ("refused", 0)
    assert (await fleet.slot(A, B)).index == 1


async def test_a_good_answer_between_two_refusals(fleet: Fleet) -> None:
    for _ in range(5):
        await fleet.ask(CallOutcome.REFUSED)
        fleet.later(10)
        await fleet.ask(CallOutcome.OK)
    assert await fleet.state() == "good"


async def test_refused_for_good_until_reconsidered_or_forgotten(fleet: Fleet) -> None:
    async def refuse() -> None:
        await fleet.ask(CallOutcome.REFUSED)
        if await fleet.state() != "refused":
            fleet.later(10)
            await fleet.ask(CallOutcome.REFUSED)

    await refuse()
    assert await fleet.ledger.reconsider([A, B], 60) == 0
    fleet.later(60)
    assert await fleet.ledger.reconsider([A, B], 60) == 1
    await refuse()
    assert await fleet.why(A) == ("refused", 0)
    assert (await fleet.ledger.states([A])).licences[0].until == 0
    fleet.later(24 * 3600 + 1)
    assert await fleet.state() == "good"


async def test_retry_after_is_waited_for_and_not_believed_for_ever(fleet: Fleet) -> None:
    await fleet.ask(CallOutcome.THROTTLED, retry_after=7.5)
    assert await fleet.why(A) == ("cooling", 7.5)
    fleet.later(7.5)
    for absurd in (10**9, 1e308, float("inf")):
        await fleet.ask(CallOutcome.THROTTLED, retry_after=absurd)
        assert await fleet.why(A) == ("cooling", 1800)
        fleet.later(1800)
    await fleet.ask(CallOutcome.THROTTLED, retry_after=float("nan"))
    await fleet.slot()


async def test_429_halves_the_pace_once_and_good_answers_widen_it(fleet: Fleet) -> None:
    rates = Rates(each=50)
    slots = (await fleet.take(A, rates=rates, count=5)).slots
    for slot in slots:
        assert await fleet.report(slot, CallOutcome.THROTTLED) == []
    fleet.later(1)
    gaps = []
    for _ in range(110):
        first, second = (await fleet.take(A, rates=rates, count=2)).slots
        gaps.append(second.wait - first.wait)
        await fleet.report(second, CallOutcome.OK)
        fleet.later(1)
    assert gaps[0] == pytest.approx(0.04, abs=1e-5)
    assert gaps[50] == pytest.approx(1 / (50 * 0.75), abs=1e-5)
    assert gaps[-1] == pytest.approx(0.02, abs=1e-5)


async def test_429_without_a_pace_pauses_longer_each_time(fleet: Fleet) -> None:
    for seconds in (1, 2, 4, 8):
        await fleet.ask(CallOutcome.THROTTLED)
        assert await fleet.why(A) == ("cooling", seconds)
        fleet.later(seconds)


async def test_429_narrows_to_a_floor(fleet: Fleet) -> None:
    rates = Rates(total=50)
    for _ in range(20):
        await fleet.ask(CallOutcome.THROTTLED, rates=rates)
        fleet.later(1)
    standing = (await fleet.ledger.states([A])).licences[0]
    assert standing.share == 1 / 16
    assert standing.counts == {"throttled": 20}


# --- The circuit --------------------------------------------------------------------------------


async def fail(
    fleet: Fleet, times: int, outcome: CallOutcome = CallOutcome.TROUBLE
) -> list[Change]:
    changes = []
    for _ in range(times):
        changes += await fleet.ask(outcome)
    return changes


async def test_the_circuit_opens_probes_and_closes(fleet: Fleet) -> None:
    assert await fail(fleet, 19) == []
    in_flight = await fleet.slot()
    (change,) = await fail(fleet, 1)
    assert (change.who, change.state) == ("circuit", "open")
    for wait in (5, 10, 20, 40, 80, 120, 120):
        assert await fleet.why(A, B) == ("circuit", wait)
        await fleet.report(in_flight, CallOutcome.OK)
        fleet.later(wait)
        grant = await fleet.take(A, count=4)
        assert (len(grant.slots), grant.why) == (1, "circuit")
        await fleet.report(grant.slots[0], CallOutcome.TROUBLE)
    assert (await fleet.ledger.states([A])).circuit_open
    fleet.later(120)
    (change,) = await fleet.ask(CallOutcome.OK)
    assert (change.who, change.state) == ("circuit", "closed")
    assert len((await fleet.take(A, count=4)).slots) == 4
    await fleet.report(in_flight, CallOutcome.TROUBLE)
    assert (await fleet.ledger.states([A])).answers == 0


async def test_the_circuit_looks_at_the_share_within_its_window(fleet: Fleet) -> None:
    await fail(fleet, 15)
    fleet.later(31)
    assert await fail(fleet, 15) == []
    for _ in range(4):
        await fleet.ask(CallOutcome.OK)
    # 16 of 20, then: the share is reached with the 20th answer.
    assert [change.state for change in await fail(fleet, 1)] == ["open"]


async def test_anchors_and_licences_are_no_failure_of_the_endpoint(fleet: Fleet) -> None:
    await fail(fleet, 100, CallOutcome.ANSWERED)
    for n in range(40):
        await fleet.ask(CallOutcome.OUT_OF_QUOTA, who=f"{n:012x}")
    states = await fleet.ledger.states([A])
    assert (states.circuit_open, states.answers) == (False, 0)


OUTCOMES = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.sampled_from(list(CallOutcome)),
        st.floats(0, 100),
        st.none() | st.floats(0, 1e6),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(steps=OUTCOMES, each=st.sampled_from([0, 0.5, 20]), total=st.sampled_from([0, 30]))
def test_any_history_leaves_a_fleet_that_goes_on(
    redis_url: str, steps: list[Any], each: float, total: float
) -> None:
    """Only refusals stop it for good; and what it waits for comes."""

    async def history() -> None:
        client = redis_asyncio.Redis.from_url(redis_url)
        key = f"test:{time.monotonic_ns()}"
        fleet, rates = Fleet(client, key), Rates(each, total)
        for who, outcome, seconds, retry_after in steps:
            grant = await fleet.take(A, B, rates=rates, count=3)
            reports = [CallReport(who, outcome, slot.turn, retry_after) for slot in grant.slots]
            await fleet.ledger.report(reports)
            fleet.later(seconds)
        waited = 0.0
        while not (grant := await fleet.take(A, B, rates=rates)).slots:
            if grant.why == "refused":
                assert {await fleet.state(A), await fleet.state(B)} == {"refused"}
                break
            assert grant.wait > 0
            waited += grant.wait
            fleet.later(grant.wait)
        assert waited <= 3600
        await client.delete(Keys.of(key).licences)
        await client.aclose()

    asyncio.run(history())


# --- The pool -----------------------------------------------------------------------------------


def make_pool(client: "redis_asyncio.Redis", key: str, *tokens: str, **options: Any) -> LicencePool:
    return LicencePool(client, Keys.of(key), tokens or ("secret-1",), **options)


async def settle(pool: LicencePool) -> None:
    """Until what was reported stands in Redis."""
    await pool._reports.close()


async def test_the_pool_hands_out_and_reports(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    pool = make_pool(async_redis, queue_key, "secret-1", "secret-2")
    taken = [await pool.take() for _ in range(20)]
    assert Counter(licence.token for licence in taken) == {"secret-1": 10, "secret-2": 10}
    for licence in taken:
        pool.report(licence, CallOutcome.OK)
    await settle(pool)
    assert [each.counts for each in (await pool.ledger.states(pool._fingerprints)).licences] == [
        {"ok": 10}
    ] * 2
    await pool.close()


async def test_all_refused(async_redis: "redis_asyncio.Redis", queue_key: str) -> None:
    changes: list[Change] = []
    policy = Policy(refusal_seconds=0.05)
    pool = make_pool(async_redis, queue_key, policy=policy, on_change=changes.append)
    for _ in range(2):
        pool.report(await pool.take(), CallOutcome.REFUSED)
        await settle(pool)
    takes = await asyncio.gather(*(pool.take() for _ in range(3)), return_exceptions=True)
    assert {type(take) for take in takes} == {AllLicencesRefused}
    assert [change.state for change in changes] == ["cooling", "refused"]
    pool.set_tokens(["secret-1", "secret-2"])
    assert (await pool.take()).token == "secret-2"
    await pool.close()


async def test_new_tokens_end_a_wait(async_redis: "redis_asyncio.Redis", queue_key: str) -> None:
    waits: asyncio.Queue[str] = asyncio.Queue()
    pool = make_pool(async_redis, queue_key, on_wait=lambda why, _: waits.put_nowait(why))
    pool.report(await pool.take(), CallOutcome.OUT_OF_QUOTA)
    await settle(pool)
    waiting = asyncio.create_task(pool.take())
    assert await waits.get() == "cooling"
    assert not waiting.done()
    pool.set_tokens(["secret-2"])
    assert (await waiting).token == "secret-2"
    await pool.close()


async def test_slots_of_a_licence_set_aside_are_not_used(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    pool = make_pool(async_redis, queue_key, "secret-1", "secret-2")
    licence = await pool.take()
    pool.report(licence, CallOutcome.OUT_OF_QUOTA)
    await settle(pool)
    assert {(await pool.take()).token for _ in range(20)} == {"secret-2"}
    await pool.close()


@pytest.mark.parametrize(
    "outcome", [CallOutcome.OUT_OF_QUOTA, CallOutcome.REFUSED, CallOutcome.THROTTLED]
)
async def test_nothing_leaves_before_the_fleet_knows_of_a_setback(
    async_redis: "redis_asyncio.Redis", queue_key: str, outcome: CallOutcome
) -> None:
    """A call with a licence that is used up or refused is one to pay for in vain."""
    pool = make_pool(async_redis, queue_key)
    pool.report(await pool.take(), outcome)
    assert pool._ready  # spare slots, had before
    takes = [asyncio.create_task(pool.take()) for _ in range(40)]
    done, waiting = await asyncio.wait(takes, timeout=0.3)
    assert not done
    for take in waiting:
        take.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    (met,) = (await pool.ledger.states(pool._fingerprints)).licences
    assert met.state != "good"
    assert met.counts == {outcome.value: 1}
    await pool.close()


async def test_a_take_given_up_frees_its_probe(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    pool = make_pool(async_redis, queue_key, policy=Policy(quota_seconds=0.01))
    pool.report(await pool.take(), CallOutcome.OUT_OF_QUOTA)
    await settle(pool)
    await asyncio.sleep(0.02)
    given_up = asyncio.create_task(pool.take())
    await asyncio.sleep(0)  # it waits; the slot is granted after it has gone
    given_up.cancel()
    async with asyncio.timeout(10):
        assert (await pool.take()).token == "secret-1"
    await pool.close()


async def test_without_redis_nobody_sends(
    async_redis: "redis_asyncio.Redis", queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(async_redis, queue_key)
    script, away = pool.ledger._script, True

    async def flaky(**arguments: Any) -> Any:
        if away:
            raise redis.ConnectionError("away")
        return await script(**arguments)

    monkeypatch.setattr(pool.ledger, "_script", flaky)
    takes = [asyncio.create_task(pool.take()) for _ in range(3)]
    done, _ = await asyncio.wait(takes, timeout=0.5)
    assert not done
    pool.report(Licence(A, "secret-1", 1), CallOutcome.OK)
    away = False
    assert len(await asyncio.gather(*takes)) == 3
    await settle(pool)
    assert (await pool.ledger.states([A])).licences[0].counts == {"ok": 1}
    await pool.close()


async def test_an_error_that_waiting_does_not_mend_is_raised(
    async_redis: "redis_asyncio.Redis", redis_client: Redis, queue_key: str
) -> None:
    redis_client.set(Keys.of(queue_key).licences, "text")
    pool = make_pool(async_redis, queue_key)
    with pytest.raises(redis.ResponseError):
        await pool.take()
    await pool.close()


async def test_any_error_is_raised_where_somebody_waits(
    async_redis: "redis_asyncio.Redis", queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(async_redis, queue_key)

    async def nonsense(**_: Any) -> bytes:
        return b"granted soon"

    monkeypatch.setattr(pool.ledger, "_script", nonsense)
    async with asyncio.timeout(30):
        takes = await asyncio.gather(*(pool.take() for _ in range(3)), return_exceptions=True)
    assert [type(take) for take in takes] == [ValueError] * 3
    monkeypatch.undo()
    assert (await pool.take()).token == "secret-1"
    await pool.close()


async def test_reports_that_cannot_be_noted_are_told_of(
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = make_pool(async_redis, queue_key)
    licence = await pool.take()

    async def nonsense(**_: Any) -> list[bytes]:
        return [b"half of a change"]

    monkeypatch.setattr(pool.ledger, "_script", nonsense)
    pool.report(licence, CallOutcome.OK)
    await settle(pool)
    assert "The outcome of 1 calls could not be recorded" in caplog.text
    monkeypatch.undo()
    pool.report(licence, CallOutcome.ANSWERED)
    await settle(pool)
    (met,) = (await pool.ledger.states(pool._fingerprints)).licences
    assert met.counts == {"answered": 1}
    await pool.close()


async def probe_of(pool: LicencePool) -> float:
    """What keeps others from a probe: the seconds until another may be made."""
    grant = await pool.ledger.take(pool._fingerprints, UNLIMITED, 1)
    return grant.wait if not grant.slots else 0


@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_worker_that_ends_gives_its_probe_back(
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
    is_under_way: bool,
) -> None:
    """Whether the answer that gives leave is there, or on its way."""
    pool = make_pool(async_redis, queue_key, policy=Policy(quota_seconds=0.01))
    pool.report(await pool.take(), CallOutcome.OUT_OF_QUOTA)
    await settle(pool)
    await asyncio.sleep(0.02)
    given_out, script = asyncio.Event(), pool.ledger._script

    async def late(**arguments: Any) -> Any:
        answer = await script(**arguments)
        given_out.set()
        if is_under_way:
            await asyncio.sleep(0.1)
        return answer

    monkeypatch.setattr(pool.ledger, "_script", late)
    taking = asyncio.create_task(pool.take())
    await given_out.wait()
    await pool.close()
    monkeypatch.undo()
    with pytest.raises(WorkerStopping):
        await taking
    assert await probe_of(pool) == 0


async def test_leave_for_later_is_given_back_before_the_worker_ends(
    async_redis: "redis_asyncio.Redis", queue_key: str
) -> None:
    pool = make_pool(async_redis, queue_key, rates=Rates(total=4))
    await pool.take()
    waiting = asyncio.create_task(pool.take())  # its turn is a quarter of a second away
    while not pool._takes or pool._waiting or not pool._feeding:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await settle(pool)
    await pool.close()
    assert waiting.done()
    with pytest.raises(WorkerStopping):
        await waiting
    assert not pool._reports._pending


async def test_the_token_goes_nowhere(
    async_redis: "redis_asyncio.Redis",
    redis_client: Redis,
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    pool = make_pool(async_redis, queue_key, policy=Policy(refusal_seconds=0.01))
    for _ in range(2):
        licence = await pool.take()
        pool.report(licence, CallOutcome.REFUSED)
        await settle(pool)
    with pytest.raises(AllLicencesRefused) as caught:
        await pool.take()
    kept = redis_client.hgetall(Keys.of(queue_key).licences)
    said = f"{licence!r} {licence} {pool!r} {caught.value!r} {caplog.text}"
    assert "secret-1" not in said
    assert b"secret-1" not in b"".join([*kept, *kept.values()])
    assert fingerprint("secret-1").encode() in kept
    await pool.close()
