"""The queue when Redis evicts its records, or hands edit them: nothing is lost, nothing stops."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.demo import run
from rankspider.queue.anchor_queue import SCRIPT, AnchorQueue, Failed, Lease
from rankspider.queue.producer import Producer
from tests.support.redis_servers import local_redis

MEMBERS = [b"a", b"b", b"c", b"", b"\xff\x00{\n"]
SOUND = {"receipt": 1, "tries": 1, "silent": 0, "first": 1, "owner": "hand", "kind": "zset"}
GARBAGE = [
    b"",
    b"\xc1 no msgpack",
    b"\xdc\xff\xff",
    *(
        msgspec.msgpack.encode(each)
        for each in (
            None,
            7,
            [],
            {},
            SOUND,
            SOUND | {"score": "high"},
            SOUND | {"score": "nan"},
            SOUND | {"score": float("nan")},
            SOUND | {"tries": -3, "silent": -1},
            SOUND | {"tries": float("nan")},
            SOUND | {"first": float("inf")},
            SOUND | {"receipt": "1"},
            SOUND | {"owner": {"a": 1}},
            SOUND | {"score": "nan", "kind": ["list"]},
        )
    ),
]


class SpoiltHistory(RuleBasedStateMachine):
    def __init__(
        self, runner: asyncio.Runner, client: "redis_asyncio.Redis", blocking: Redis
    ) -> None:
        super().__init__()
        self.run, self.redis = runner.run, blocking
        self.keys = Keys.of(f"test:{uuid.uuid4().hex}")
        self.queue = AnchorQueue(
            client, self.keys, owner="w", lease_seconds=60, max_deliveries=3, clock_ms=10**12
        )
        self.leases: list[Lease] = []
        self.owed: set[bytes] = set()
        self.pushed_since: set[bytes] = set()

    @rule(kind=st.sampled_from(["list", "set", "zset"]), member=st.sampled_from(MEMBERS))
    def push(self, kind: str, member: bytes) -> None:
        there = self.redis.type(self.keys.queue).decode()
        kind = kind if there == "none" else there
        if kind == "list":
            self.redis.rpush(self.keys.queue, member)
        elif kind == "set":
            self.redis.sadd(self.keys.queue, member)
        else:
            self.redis.zadd(self.keys.queue, {member: 1.5})
        self.owed.add(member)
        self.pushed_since.add(member)

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        taken = self.run(self.queue.take(count)).leases
        self.leases += taken
        self.pushed_since -= {lease.member for lease in taken}

    @rule(
        name=st.sampled_from(["held", "tries"]),
        member=st.sampled_from(MEMBERS),
        garbage=st.sampled_from([None, *GARBAGE]),
    )
    def spoil(self, name: str, member: bytes, garbage: bytes | None) -> None:
        key = getattr(self.keys, name)
        if garbage is None:
            self.redis.hdel(key, member)
        elif self.redis.hexists(key, member):
            self.redis.hset(key, member, garbage)

    @rule(
        name=st.sampled_from(["held", "tries", "leases", "delayed", "sizes"]),
        text=st.sampled_from([None, "garbage"]),
    )
    def spoil_a_key(self, name: str, text: str | None) -> None:
        key = getattr(self.keys, name)
        beside = {"leases": self.keys.held, "delayed": self.keys.tries}.get(name)
        if beside and not {*self.redis.zrange(key, 0, -1)} <= {*self.redis.hkeys(beside)}:
            return  # that was spoilt before, and nothing else knows of some
        self.redis.delete(key)
        if text is not None:
            self.redis.set(key, text)
        self.run(self.queue.counts())

    @precondition(lambda self: self.leases)
    @rule(how=st.sampled_from(["ack", "renew", "release", "fail", "bury"]), back=st.integers(0, 9))
    def settle(self, how: str, back: int) -> None:
        lease = self.leases[-1 - back % len(self.leases)]
        if how in ("fail", "bury"):
            self.run(self.queue.fail([Failed(lease, "no", "no", 5 if how == "fail" else None)]))
            return
        refused = self.run(getattr(self.queue, how)([lease]))
        if how == "ack" and not refused and lease.member not in self.pushed_since:
            self.owed.discard(lease.member)

    @rule(member=st.sampled_from(MEMBERS))
    def requeue(self, member: bytes) -> None:
        script = self.redis.register_script(SCRIPT)
        script(keys=self.keys.all(), args=["requeue", self.queue.clock_ms, member])

    @rule(ms=st.sampled_from([1, 5000, 60_000]))
    def step_the_clock(self, ms: int) -> None:
        assert self.queue.clock_ms is not None
        self.queue.clock_ms += ms
        self.run(self.queue.counts())

    @invariant()
    def none_is_lost(self) -> None:
        read: dict[bytes, Callable[[str], Any]] = {
            b"list": lambda key: self.redis.lrange(key, 0, -1),
            b"set": self.redis.smembers,
            b"zset": lambda key: self.redis.zrange(key, 0, -1),
            b"none": lambda key: [],
        }
        keys = self.keys
        places = set(read[self.redis.type(keys.queue)](keys.queue))
        places |= {*self.redis.zrange(keys.leases, 0, -1), *self.redis.zrange(keys.delayed, 0, -1)}
        dead = self.redis.hgetall(keys.dead)
        assert self.owed <= places | set(dead)
        for letter in dead.values():
            json.loads(letter)

    def teardown(self) -> None:
        self.redis.delete(*self.keys.all())


@pytest.fixture
def servers_of_its_own(
    tmp_path: Path,
) -> Iterator[tuple[asyncio.Runner, "redis_asyncio.Redis", Redis]]:
    with (
        local_redis(tmp_path / "redis", []) as server,
        Redis(port=server.port) as blocking,
        asyncio.Runner() as runner,
    ):
        client = redis_asyncio.Redis(port=server.port)
        try:
            yield runner, client, blocking
        finally:
            runner.run(client.aclose())


@pytest.mark.hypothesis
def test_what_is_spoilt_loses_no_member(servers_of_its_own: Any) -> None:
    settings = hypothesis.settings(
        max_examples=150, stateful_step_count=30, suppress_health_check=list(HealthCheck)
    )
    history: Any = partial(SpoiltHistory, *servers_of_its_own)
    run_state_machine_as_test(history, settings=settings)


@pytest.mark.parametrize("garbage", [None, *GARBAGE])
@pytest.mark.parametrize("kind", ["list", "zset"])
async def test_no_record_of_any_text_loses_its_member(
    async_redis: "redis_asyncio.Redis",
    redis_client: Redis,
    queue_key: str,
    kind: str,
    garbage: bytes | None,
) -> None:
    """Each call meets it, in ``held`` and in ``tries``; then the anchor goes on as any other."""
    keys = Keys.of(queue_key)
    queue = AnchorQueue(
        async_redis, keys, owner="w", lease_seconds=60, max_deliveries=9, clock_ms=10**12
    )

    def spoil(key: str, member: bytes = b"a") -> None:
        if garbage is None:
            redis_client.hdel(key, member)
        else:
            redis_client.hset(key, member, garbage)

    async def take_again(delay_ms: int) -> list[Lease]:
        queue.clock_ms = (queue.clock_ms or 0) + delay_ms
        taken = (await queue.take(1)).leases
        assert [lease.member for lease in taken] == [b"a"]
        return taken

    if kind == "list":
        redis_client.rpush(queue_key, "a")
    else:
        redis_client.zadd(queue_key, {"a": 2.5})
    leases = await take_again(0)
    spoil(keys.held)
    for call in (queue.renew, queue.release, queue.ack):
        await call([Lease(b"a", 10**9, 1)])
    leases = await take_again(60_000)  # its lease ran out
    await queue.fail([Failed(leases[0], "no", "no", 5)])
    spoil(keys.tries)
    leases = await take_again(5000)  # its delay is over
    spoil(keys.tries)
    await queue.release(leases)
    leases = await take_again(0)
    spoil(keys.tries)
    leases = await take_again(60_000)
    spoil(keys.held)
    spoil(keys.tries)
    leases = await take_again(60_000)
    assert await queue.fail([Failed(leases[0], "no", "no", None)]) == {leases[0]: True}
    assert json.loads(redis_client.hget(keys.dead, "a") or b"")["reason"] == "no"
    assert (await queue.counts()).drained


async def test_what_waited_and_is_gone_is_told_once(
    async_redis: "redis_asyncio.Redis", redis_client: Redis, queue_key: str
) -> None:
    queue = AnchorQueue(
        async_redis, Keys.of(queue_key), owner="w", lease_seconds=60, max_deliveries=3
    )
    redis_client.rpush(queue_key, *"abcde")
    assert (await queue.take(1)).fewer == 0
    redis_client.rpush(queue_key, *"fg")
    assert (await queue.take(1)).fewer == 0
    redis_client.lrem(queue_key, 1, "d")
    await queue.counts()
    assert (await queue.take(1)).fewer == 1
    redis_client.delete(queue_key)
    redis_client.rpush(queue_key, "h")
    assert (await queue.take(1)).fewer == 2
    assert (await queue.take(1)).fewer == 0


async def test_leases_that_are_gone_run_out_all_the_same(
    async_redis: "redis_asyncio.Redis", redis_client: Redis, queue_key: str
) -> None:
    keys = Keys.of(queue_key)
    queue = AnchorQueue(
        async_redis, keys, owner="w", lease_seconds=60, max_deliveries=3, clock_ms=10**12
    )
    redis_client.rpush(queue_key, "a", "b")
    (lease, other) = (await queue.take(2)).leases
    await queue.fail([Failed(other, "no", "no", 5)])
    redis_client.delete(keys.leases, keys.delayed)
    assert await queue.renew([lease]) == []
    queue.clock_ms = 10**12 + 59_999
    assert (await queue.take(2)).leases == []
    queue.clock_ms = 10**12 + 60_000
    assert {each.member for each in (await queue.take(2)).leases} == {b"a", b"b"}


@pytest.mark.parametrize("letter", [b"no JSON", b"[]", b'{"kind": "zset", "score": null}'])
def test_a_dead_letter_of_any_text_waits_again(
    redis_client: Redis, queue_key: str, letter: bytes
) -> None:
    keys = Keys.of(queue_key)
    redis_client.hset(keys.dead, "a", letter)
    script = redis_client.register_script(SCRIPT)
    assert script(keys=keys.all(), args=["requeue", "", "a"]) == 1
    assert redis_client.type(queue_key) == (b"zset" if b"zset" in letter else b"list")


async def test_a_note_of_what_was_cut_off_may_be_garbage(
    async_redis: "redis_asyncio.Redis", redis_client: Redis, queue_key: str
) -> None:
    queue = AnchorQueue(
        async_redis, Keys.of(queue_key), owner="w", lease_seconds=60, max_deliveries=3
    )
    redis_client.rpush(queue_key, "a")
    leases = (await queue.take(1)).leases
    redis_client.hset(Keys.of(queue_key).cut_off, "times", "often")
    assert await queue.release(leases, are_cut_off=True) == []
    assert redis_client.lrange(queue_key, 0, -1) == [b"a"]
    assert await queue.claim_cut_off() == 1


def test_what_could_not_be_put_is_no_repeat(
    redis_client: Redis, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(redis_client, queue_key, "list")

    def cut(*_: Any) -> None:
        raise redis.ConnectionError("cut")

    monkeypatch.setattr(redis_client, "rpush", cut)
    with pytest.raises(redis.ConnectionError):
        producer.put(["a", "b"])
    monkeypatch.undo()
    assert producer.put(["a", "b", "a"]) == 1
    assert redis_client.lrange(queue_key, 0, -1) == [b"a", b"b"]


def test_the_demo_drops_every_key_of_its_queue_and_no_other(
    redis_client: Redis, redis_url: str, mongo_uri: str, queue_key: str, tmp_path: Path
) -> None:
    class Configuration:
        data_dir = tmp_path

    class Servers:
        def __init__(self) -> None:
            self.redis_url, self.mongo_uri = redis_url, mongo_uri

    keys, other = Keys.of(run.QUEUE), Keys.of(queue_key)
    for each in (keys, other):
        left = (each.queue, *each.all()[1:], each.licences, f"{each.dedupe}:1:2")
        redis_client.mset(dict.fromkeys(left, "left"))
    demo: Any = run.Demo(Configuration(), Servers())  # type: ignore[arg-type]
    demo.clean_up()
    assert redis_client.keys(f"*{run.QUEUE}*") == []
    assert len(redis_client.keys(f"*{queue_key}*")) == 12
