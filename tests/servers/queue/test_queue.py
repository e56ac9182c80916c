"""The queue's state changes on a real Redis."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio
from scrapy.statscollectors import StatsCollector
from scrapy.utils.test import get_crawler

from rankspider.connections.redis_keys import Keys
from rankspider.errors import ConfigurationError
from rankspider.queue.anchor_queue import AnchorQueue, Count, Failed, Lease, QueueLost, Taken
from rankspider.queue.deliveries import Deliveries, Delivery
from tests.support.waiting import until


@pytest.fixture
def queue(async_redis: "redis_asyncio.Redis", queue_key: str) -> AnchorQueue:
    return make_queue(async_redis, queue_key, "worker-1")


def make_queue(
    client: "redis_asyncio.Redis", key: str, owner: str, now_ms: int = 1_000_000
) -> AnchorQueue:
    return AnchorQueue(
        client, Keys.of(key), owner=owner, lease_seconds=60, max_deliveries=3, clock_ms=now_ms
    )


async def take(queue: AnchorQueue, count: int) -> list[Lease]:
    return (await queue.take(count)).leases


def fill(client: Redis, key: str, kind: str, members: list[str]) -> None:
    """In the order in which they are to be taken."""
    for place, member in enumerate(members):
        if kind == "list":
            client.rpush(key, member)
        elif kind == "set":
            client.sadd(key, member)
        else:
            client.zadd(key, {member: -place})


KINDS = pytest.mark.parametrize("kind", ["list", "set", "zset"])


@KINDS
async def test_take_and_ack_drain_the_queue(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, kind: str
) -> None:
    fill(redis_client, queue_key, kind, ["a", "b", "c"])
    first = await queue.take(2)
    assert len(first.leases) == 2
    assert first.waiting == 1
    second = await queue.take(5)
    assert second.waiting == 0
    leases = first.leases + second.leases
    assert sorted(lease.member for lease in leases) == [b"a", b"b", b"c"]
    assert (await queue.counts()).leased == 3
    assert await queue.ack(leases) == []
    assert (await queue.counts()).drained
    # Nothing but the counter of receipts and the epoch is left behind.
    keys = Keys.of(queue_key)
    left = {keys.receipts.encode(), keys.epoch.encode(), keys.sizes.encode()}
    assert set(redis_client.keys(f"*{queue_key}*")) == left


@pytest.mark.parametrize("kind", ["list", "zset"])
async def test_order_survives_release_and_expiry(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, kind: str
) -> None:
    members = ["a", "b", "c", "d"]
    fill(redis_client, queue_key, kind, members)
    leases = await take(queue, 3)
    assert await queue.release(leases) == []
    leases = await take(queue, 3)
    assert [lease.member.decode() for lease in leases] == members[:3]
    assert queue.clock_ms is not None
    queue.clock_ms += 60_001
    leases = await take(queue, 4)
    assert [lease.member.decode() for lease in leases] == members


async def test_highest_score_first_and_score_survives(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    redis_client.zadd(queue_key, {"low": 1, "high": 12345678.875, "middle": 7})
    leases = await take(queue, 1)
    assert leases[0].member == b"high"
    await queue.release(leases)
    assert redis_client.zscore(queue_key, "high") == 12345678.875


@KINDS
async def test_pushed_again_in_flight_is_delivered_once_more(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, kind: str
) -> None:
    fill(redis_client, queue_key, kind, ["a"])
    first = await take(queue, 1)
    fill(redis_client, queue_key, kind, ["a"])
    assert await queue.take(1) == Taken([], 0)
    assert not (await queue.counts()).drained
    await queue.ack(first)
    second = await take(queue, 1)
    assert [lease.member for lease in second] == [b"a"]
    assert second[0].delivery == 1
    await queue.ack(second)
    assert (await queue.counts()).drained


async def test_waiting_twice_in_a_list_is_one_delivery_a_batch(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a", "a", "b"])
    leases = await take(queue, 3)
    assert [lease.member for lease in leases] == [b"a", b"b"]
    await queue.ack(leases)
    assert (await queue.counts()).drained


async def test_a_late_call_with_an_old_receipt_changes_nothing(
    async_redis: "redis_asyncio.Redis", redis_client: Redis, queue_key: str
) -> None:
    frozen = make_queue(async_redis, queue_key, "frozen")
    other = make_queue(async_redis, queue_key, "other", now_ms=1_060_001)
    fill(redis_client, queue_key, "list", ["a"])
    old = await take(frozen, 1)
    new = await take(other, 1)
    assert new[0].member == b"a"
    assert new[0].delivery == 2
    frozen.clock_ms = 1_060_002
    assert await frozen.renew(old) == old
    assert await frozen.ack(old) == old
    assert await frozen.release(old) == old
    assert await frozen.fail([Failed(old[0], "late", "late", None)]) == {}
    assert (await other.counts()).leased == 1
    assert await other.ack(new) == []


async def test_renewed_leases_do_not_come_back(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a"])
    leases = await take(queue, 1)
    for _ in range(5):
        assert queue.clock_ms is not None
        queue.clock_ms += 50_000
        assert await queue.renew(leases) == []
        assert await queue.take(1) == Taken([], 0)
    assert await queue.ack(leases) == []


async def test_failed_waits_then_comes_back_then_is_buried(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "zset", ["a"])
    assert queue.clock_ms is not None
    for delivery in (1, 2):
        leases = await take(queue, 1)
        assert leases[0].delivery == delivery
        failed = Failed(leases[0], "network", "refused", delay_seconds=5)
        assert await queue.fail([failed]) == {leases[0]: False}
        assert await queue.take(1) == Taken([], 0)
        counts = await queue.counts()
        assert (counts.delayed, counts.drained) == (1, False)
        queue.clock_ms += 5000
    leases = await take(queue, 1)
    assert await queue.fail([Failed(leases[0], "network", "refused", 5)]) == {leases[0]: True}
    counts = await queue.counts()
    assert (counts.dead, counts.drained) == (1, True)
    letter = json.loads(redis_client.hget(Keys.of(queue_key).dead, "a") or b"")
    assert letter["reason"] == "network"
    assert letter["error"] == "refused"
    assert letter["tries"] == 3
    assert letter["first_at"] == 1_000_000
    assert letter["died_at"] == 1_010_000


async def test_silent_workers_count_as_tries(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "set", ["poison"])
    for delivery in (1, 2, 3):
        leases = await take(queue, 1)
        assert leases[0].delivery == delivery
        assert queue.clock_ms is not None
        queue.clock_ms += 60_001
    assert await queue.take(1) == Taken([], 0)
    letter = json.loads(redis_client.hget(Keys.of(queue_key).dead, "poison") or b"")
    assert letter["reason"] == "max-deliveries"
    assert "worker-1" in letter["error"]


@pytest.mark.parametrize("kind", ["list", "zset"])
async def test_a_suspect_is_leased_alone(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, kind: str
) -> None:
    """Twice in the hands of a worker that went silent: its last try is made alone."""
    fill(redis_client, queue_key, kind, ["a", "b"])
    assert queue.clock_ms is not None
    for _ in range(2):
        assert len(await take(queue, 2)) == 2
        queue.clock_ms += 60_001
    if kind == "list":
        redis_client.rpush(queue_key, "c")
    else:
        redis_client.zadd(queue_key, {"c": -9})
    assert await queue.take(3, in_hand=1) == Taken([], 3, most_in_hand=1)
    for member in (b"a", b"b"):
        taken = await queue.take(3)
        assert [lease.member for lease in taken.leases] == [member]
        assert taken.most_in_hand == 1
        await queue.ack(taken.leases)
    taken = await queue.take(3)
    assert [lease.member for lease in taken.leases] == [b"c"]
    assert taken.most_in_hand is None


async def test_release_does_not_count(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a"])
    for _ in range(10):
        leases = await take(queue, 1)
        assert leases[0].delivery == 1
        await queue.release(leases)


async def test_one_worker_sees_to_what_was_cut_off(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    assert await queue.claim_cut_off() == 0
    fill(redis_client, queue_key, "list", ["a", "b"])
    await queue.take(2)
    queue.clock_ms += 60_000
    await queue.counts()  # both leases have run out
    assert await queue.claim_cut_off() == 2
    assert await queue.claim_cut_off() == -1
    queue.clock_ms += 60_000  # whoever saw to it went silent
    assert await queue.claim_cut_off() == 2
    await queue.repair_done(2)
    assert await queue.claim_cut_off() == 0


async def test_what_is_cut_off_meanwhile_is_seen_to_again(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a"])
    await queue.release(await take(queue, 1), are_cut_off=True)
    assert await queue.claim_cut_off() == 1
    await queue.release(await take(queue, 1), are_cut_off=True)
    await queue.repair_done(1)
    assert await queue.claim_cut_off() == 2
    await queue.repair_done(2)
    assert redis_client.exists(Keys.of(queue_key).cut_off) == 0
    await queue.release(await take(queue, 1))
    assert await queue.claim_cut_off() == 0


async def test_members_are_bytes(queue: AnchorQueue, redis_client: Redis, queue_key: str) -> None:
    member = bytes(range(256))
    redis_client.rpush(queue_key, member)
    leases = await take(queue, 1)
    assert leases[0].member == member
    await queue.release(leases)
    assert redis_client.lrange(queue_key, 0, -1) == [member]


async def test_wrong_kind_of_key(queue: AnchorQueue, redis_client: Redis, queue_key: str) -> None:
    redis_client.set(queue_key, "text")
    with pytest.raises(ConfigurationError, match=r"RANK_QUEUE_KEY.*string"):
        await queue.take(1)


async def test_nothing_is_lost_while_the_key_is_something_else(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    redis_client.rpush(queue_key, "a", "b", "c")
    leases = await take(queue, 3)
    redis_client.set(queue_key, "text")
    assert queue.clock_ms is not None
    queue.clock_ms += 60_001
    for call in (queue.counts(), queue.release(leases), queue.ack(leases), queue.renew(leases)):
        with pytest.raises(ConfigurationError, match=r"RANK_QUEUE_KEY.*string"):
            await call
    redis_client.delete(queue_key)
    assert [lease.member for lease in await take(queue, 3)] == [b"a", b"b", b"c"]


async def test_an_error_of_any_text(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    redis_client.rpush(queue_key, "a")
    leases = await take(queue, 1)
    failed = Failed(leases[0], "reason", "half a pair: \ud83d, a zero: \0", None)
    assert await queue.fail([failed]) == {leases[0]: True}
    letter = json.loads(redis_client.hget(Keys.of(queue_key).dead, "a") or b"")
    assert letter["error"] == "half a pair: \\ud83d, a zero: \0"


async def test_many_at_once(queue: AnchorQueue, redis_client: Redis, queue_key: str) -> None:
    redis_client.rpush(queue_key, *(f"m{n}" for n in range(1200)))
    leases = []
    while True:
        taken = await queue.take(1200)
        leases += taken.leases
        if not taken.waiting:
            break
    assert [lease.member for lease in leases] == [b"m%d" % n for n in range(1200)]
    assert await queue.renew(leases) == []
    assert await queue.ack(leases) == []
    assert (await queue.counts()).drained


def deliveries_on(
    queue: AnchorQueue,
    stats: StatsCollector | None = None,
    *,
    storing_room: Callable[[], int] = lambda: 0,
) -> Deliveries:
    return Deliveries(
        queue,
        stats or StatsCollector(get_crawler()),
        room=2,
        lease_seconds=60,
        backoff_seconds=0.1,
        on_crash=lambda: None,
        storing_room=storing_room,
    )


async def test_what_waits_to_be_stored_makes_room_while_it_may(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", [str(n) for n in range(20)])
    storing_room = 3
    deliveries = deliveries_on(queue, storing_room=lambda: storing_room)
    deliveries.start()
    waiting: list[Delivery] = []
    under_way: list[Delivery] = []
    for taken in (2, 2, 1):
        group, _ = await deliveries.take()
        assert len(group) == taken
        under_way += group[3 - len(waiting) :]
        for delivery in group[: 3 - len(waiting)]:
            delivery.open_items += 1
            deliveries.complete(delivery)
            waiting.append(delivery)
    assert deliveries.in_hand == 5
    # An outage: what waits counts as in hand again, whatever room there was.
    storing_room = 0
    more = asyncio.create_task(deliveries.take())
    for delivery in waiting[:2]:
        deliveries.item_ended(delivery)
    await asyncio.to_thread(until, lambda: deliveries.in_hand == 3)
    assert not (await asyncio.wait([more], timeout=0.2))[0]
    deliveries.item_ended(waiting[2])
    storing_room = 3
    for delivery in under_way:
        deliveries.complete(delivery)
    group, _ = await more
    assert len(group) == 2
    await deliveries.close(5)


@pytest.mark.parametrize("ending", ["release_unasked", "close"])
async def test_what_redis_gives_out_while_the_worker_stops_goes_back_at_once(
    queue: AnchorQueue,
    redis_client: Redis,
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    fill(redis_client, queue_key, "list", ["a", "b", "c"])
    given_out = asyncio.Event()
    take = queue.take

    async def late(count: int, *, in_hand: int = 0) -> Taken:
        taken = await take(count, in_hand=in_hand)
        given_out.set()
        await asyncio.sleep(0.2)  # the answer is on its way
        return taken

    monkeypatch.setattr(queue, "take", late)
    deliveries = deliveries_on(queue)
    deliveries.start()
    taking = asyncio.create_task(deliveries.take())
    await given_out.wait()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    if ending == "release_unasked":
        await deliveries.release_unasked()
    else:
        await deliveries.close(5)
    assert redis_client.lrange(queue_key, 0, -1) == [b"a", b"b", b"c"]
    assert redis_client.zcard(Keys.of(queue_key).leases) == 0
    await deliveries.close(5)


async def test_an_acknowledgement_under_way_is_not_repeated_when_the_worker_ends(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(redis_client, queue_key, "list", ["a", "b"])
    acknowledged = asyncio.Event()
    ack = queue.ack

    async def late(leases: Sequence[Lease], *observed: Any) -> list[Lease]:
        refused = await ack(leases, *observed)
        acknowledged.set()
        await asyncio.sleep(0.2)  # the answer is on its way
        return refused

    monkeypatch.setattr(queue, "ack", late)
    stats = StatsCollector(get_crawler())
    deliveries = deliveries_on(queue, stats)
    deliveries.start()
    taken, _ = await deliveries.take()
    deliveries.complete(taken[0])
    await acknowledged.wait()
    deliveries.complete(taken[1])
    await deliveries.close(5)
    assert stats.get_value("rank/anchors/acked") == 2
    assert stats.get_value("rank/anchors/ack_refused") is None


@pytest.mark.parametrize("loss", ["everything", "the epoch", "the last receipts"])
async def test_a_lost_queue_is_told_and_what_is_in_hand_leased_again(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, loss: str
) -> None:
    keys = Keys.of(queue_key)
    fill(redis_client, queue_key, "list", ["a", "b", "c"])
    leases = (await queue.take(2)).leases
    if loss == "everything":
        redis_client.delete(*redis_client.keys(f"*{queue_key}*"))
        redis_client.rpush(queue_key, "d")
    elif loss == "the epoch":
        redis_client.delete(keys.epoch)
    else:
        redis_client.set(keys.receipts, 1)
    for call in (queue.take(1), queue.renew(leases), queue.ack(leases), queue.release(leases)):
        with pytest.raises(QueueLost):
            await call
    assert redis_client.llen(queue_key) == 1
    await queue.adopt(leases)
    assert await queue.renew(leases) == []
    assert await queue.ack(leases[:1]) == []
    assert await queue.release(leases[1:]) == []
    expected = {leases[1].member, b"d" if loss == "everything" else b"c"}
    assert {lease.member for lease in (await queue.take(5)).leases} == expected


async def test_an_empty_hand_adopts_an_empty_queue(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a"])
    await queue.ack((await queue.take(1)).leases)
    redis_client.delete(*redis_client.keys(f"*{queue_key}*"))
    with pytest.raises(QueueLost):
        await queue.take(1)
    await queue.adopt([])
    assert (await queue.take(1)).leases == []


async def test_a_list_that_an_operator_deletes_is_no_loss(
    queue: AnchorQueue, redis_client: Redis, queue_key: str
) -> None:
    fill(redis_client, queue_key, "list", ["a", "b", "c"])
    leases = (await queue.take(1)).leases
    redis_client.delete(queue_key)
    assert (await queue.take(1)).leases == []
    assert await queue.ack(leases) == []


@pytest.mark.parametrize(("count", "free"), [("counted", 0), ("spared", 3), ("held", 50)])
async def test_which_failures_are_tries(
    queue: AnchorQueue, redis_client: Redis, queue_key: str, count: Count, free: int
) -> None:
    """``queue`` gives an anchor three."""
    fill(redis_client, queue_key, "list", ["a"])
    for nth in range(1, 51):
        (lease,) = (await queue.take(1)).leases
        buried = (await queue.fail([Failed(lease, "no", "no", 0, count)]))[lease]
        assert lease.delivery == max(1, nth - free)
        if buried:
            break
    assert nth == (50 if count == "held" else free + 3)
