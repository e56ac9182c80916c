"""What a worker counts of its anchors is what Redis did, whatever comes between them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
from redis import Redis
from redis import asyncio as redis_asyncio
from scrapy.statscollectors import StatsCollector
from scrapy.utils.test import get_crawler

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import AnchorQueue, Lease
from rankspider.queue.deliveries import Deliveries, Delivery

START_MS = 1_000_000


def make_queue(client: "redis_asyncio.Redis", key: str, now_ms: int = START_MS) -> AnchorQueue:
    return AnchorQueue(
        client, Keys.of(key), owner="worker", lease_seconds=60, max_deliveries=3, clock_ms=now_ms
    )


@pytest.fixture
def queue(async_redis: "redis_asyncio.Redis", queue_key: str, redis_client: Redis) -> AnchorQueue:
    redis_client.rpush(queue_key, "a", "b")
    return make_queue(async_redis, queue_key)


@pytest.fixture
def stats() -> StatsCollector:
    return StatsCollector(get_crawler())


def started(
    queue: AnchorQueue, stats: StatsCollector, *, lease_seconds: float = 60, room: int = 2
) -> Deliveries:
    deliveries = Deliveries(
        queue,
        stats,
        room=room,
        lease_seconds=lease_seconds,
        backoff_seconds=0.1,
        on_crash=lambda: None,
    )
    deliveries.start()
    return deliveries


def counted(stats: StatsCollector) -> dict[str, Any]:
    prefix = "rank/anchors/"
    found = {name.removeprefix(prefix): count for name, count in stats.get_stats().items()}
    return {name: count for name, count in found.items() if count}


async def given_to_another(client: "redis_asyncio.Redis", key: str) -> list[Lease]:
    """The leases have run out by the clock of another worker, which takes the anchors."""
    other = make_queue(client, key, START_MS + 60_001)
    leases = (await other.take(2)).leases
    assert len(leases) == 2
    return leases


def loses_its_first_answer(
    monkeypatch: pytest.MonkeyPatch, queue: AnchorQueue, name: str
) -> Callable[[], int]:
    """Redis does what is asked, and the connection ends before it can say so."""
    call, calls = getattr(queue, name), 0

    async def cut(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await call(*arguments, **options)
        if calls == 1:
            raise redis.ConnectionError("cut")
        return answer

    monkeypatch.setattr(queue, name, cut)
    return lambda: calls


def end(deliveries: Deliveries, ended: list[Delivery], how: str) -> None:
    for delivery in ended:
        if how == "fail":
            delivery.fail("network", "cut")
        elif how == "bury":
            delivery.fail("no-such-user", "gone", hopeless=True)
        delivery.is_blameless = how == "release"
        deliveries.complete(delivery)


WAYS = {"ack": "acked", "fail": "delayed", "bury": "buried", "release": "released"}


@pytest.mark.parametrize("how", WAYS)
async def test_what_was_done_when_the_answer_was_lost_is_no_refusal(
    queue: AnchorQueue,
    stats: StatsCollector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    calls = loses_its_first_answer(monkeypatch, queue, "fail" if how == "bury" else how)
    deliveries = started(queue, stats)
    taken, _ = await deliveries.take()
    end(deliveries, taken, how)
    await deliveries.close(10)
    assert calls() == 2
    assert counted(stats) == {"taken": 2, WAYS[how]: 2}
    assert "too late" not in caplog.text
    assert caplog.text.count("Dead letter") == (2 if how == "bury" else 0)


@pytest.mark.parametrize("lease_seconds", [0.05, 60])
async def test_what_another_worker_has_is_a_refusal(
    queue: AnchorQueue,
    stats: StatsCollector,
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
    lease_seconds: float,
) -> None:
    """At once, or when the worker has been cut off from Redis for longer than a lease."""
    deliveries = started(queue, stats, lease_seconds=lease_seconds)
    taken, _ = await deliveries.take()
    await given_to_another(async_redis, queue_key)
    if lease_seconds < 1:
        loses_its_first_answer(monkeypatch, queue, "ack")
        await asyncio.sleep(2 * lease_seconds)
    end(deliveries, taken, "ack")
    await deliveries.close(10)
    assert counted(stats)["ack_refused"] == 2
    assert "acked" not in counted(stats)


@pytest.mark.parametrize("how", ["fail", "bury", "release"])
async def test_a_failure_of_what_another_worker_has_delays_and_buries_nothing(
    queue: AnchorQueue,
    stats: StatsCollector,
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    deliveries = started(queue, stats)
    taken, _ = await deliveries.take()
    await given_to_another(async_redis, queue_key)
    end(deliveries, taken, how)
    await deliveries.close(10)
    assert counted(stats) == {"taken": 2}
    assert "Dead letter" not in caplog.text


async def test_a_lost_lease_is_counted_once_and_renewed_no_more(
    queue: AnchorQueue,
    stats: StatsCollector,
    redis_client: Redis,
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed: asyncio.Queue[list[bytes]] = asyncio.Queue()
    renew = queue.renew

    async def noted(leases: Sequence[Lease]) -> list[Lease]:
        lost = await renew(leases)
        renewed.put_nowait([lease.member for lease in leases])
        return lost

    monkeypatch.setattr(queue, "renew", noted)
    deliveries = started(queue, stats, lease_seconds=0.06)
    await deliveries.take()
    redis_client.hdel(Keys.of(queue_key).held, "a")
    async with asyncio.timeout(30):
        while await renewed.get() != [b"b"]:
            pass
        assert [await renewed.get() for _ in range(3)] == [[b"b"]] * 3
    assert counted(stats)["lease_lost"] == 1
    await deliveries.close(10)


async def test_what_was_settled_just_before_a_renewal_is_not_lost(
    queue: AnchorQueue, stats: StatsCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewal's answer comes before that of the acknowledgement."""
    renewed, done = asyncio.Event(), asyncio.Event()
    ack, renew = queue.ack, queue.renew

    async def slow(leases: Sequence[Lease], *observed: Any) -> list[Lease]:
        refused = await ack(leases, *observed)
        done.set()
        await renewed.wait()
        return refused

    async def late(leases: Sequence[Lease]) -> list[Lease]:
        await done.wait()
        lost = await renew(leases)
        asyncio.get_running_loop().call_later(0.05, renewed.set)
        return lost

    monkeypatch.setattr(queue, "ack", slow)
    monkeypatch.setattr(queue, "renew", late)
    deliveries = started(queue, stats, lease_seconds=0.06)
    taken, _ = await deliveries.take()
    end(deliveries, taken, "ack")
    await renewed.wait()
    await deliveries.close(10)
    assert counted(stats) == {"taken": 2, "acked": 2}


async def test_a_worker_without_time_settles_all_the_same(
    queue: AnchorQueue,
    stats: StatsCollector,
    redis_client: Redis,
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    deliveries = started(queue, stats)
    taken, _ = await deliveries.take()
    end(deliveries, taken[:1], "ack")
    await deliveries.close(0)
    assert counted(stats) == {"taken": 2, "acked": 1, "released": 1}
    assert redis_client.lrange(queue_key, 0, -1) == [b"b"]
    assert redis_client.zcard(Keys.of(queue_key).leases) == 0
    assert caplog.records == []


async def test_what_an_error_left_halfway_is_not_settled_twice(
    queue: AnchorQueue, stats: StatsCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was acknowledged when the failure of the other met an error that waiting cannot mend."""
    fail, calls = queue.fail, 0

    async def broken(failures: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise redis.ResponseError("of the server's own")
        return await fail(failures)

    monkeypatch.setattr(queue, "fail", broken)
    deliveries = started(queue, stats)
    taken, _ = await deliveries.take()
    end(deliveries, taken[:1], "ack")
    end(deliveries, taken[1:], "fail")
    await deliveries.close(10)
    assert counted(stats) == {"taken": 2, "acked": 1, "delayed": 1}


@pytest.mark.parametrize("asked", [99999999999999.0, 1e308, float("inf")])
async def test_no_retry_after_parks_an_anchor_for_ever(
    queue: AnchorQueue,
    stats: StatsCollector,
    redis_client: Redis,
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
    asked: float,
) -> None:
    deliveries = started(queue, stats)
    taken, _ = await deliveries.take()
    for delivery in taken:
        delivery.fail("server-error", "503", retry_after=asked)
        deliveries.complete(delivery)
    await deliveries.close(10)
    due = redis_client.zrange(Keys.of(queue_key).delayed, 0, -1, withscores=True)
    assert [at - START_MS for _, at in due] == [1_800_000] * 2
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert ["Retry-After" in record.getMessage() for record in said] == [True]
