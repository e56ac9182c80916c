"""``scrapy dead-letters`` as its user meets it, on letters that the queue itself buried."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import AnchorQueue, Failed, Lease
from rankspider.simulator.world import synthetic_sec_uid
from tests.support import processes
from tests.support.project import ROOT, scrapy

PATIENCE = 120  # seconds until a process that hangs fails its test
A, B, C, D = (synthetic_sec_uid(1, index) for index in range(4))
LINK = f"https://www.douyin.com/user/{C}?from=x"
ROW = b"\xff\x1b[2J" + "抖".encode()

Bury = Callable[..., None]


@pytest.fixture
def settings(redis_url: str, queue_key: str) -> dict[str, str]:
    return {**os.environ, "REDIS_URL": redis_url, "RANK_QUEUE_KEY": queue_key}


def run(settings: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return processes.run(
        scrapy("dead-letters", *words),
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def listed(settings: dict[str, str], *words: str) -> dict[str, dict[str, Any]]:
    """The letters by member, from the command's JSON."""
    ended = run(settings, "list", "--json", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    letters = [json.loads(line) for line in ended.stdout.splitlines()]
    return {letter["member"]: letter for letter in letters}


@pytest.fixture
def with_queue(redis_url: str, queue_key: str) -> Callable[[Callable[[AnchorQueue], Any]], Any]:
    """Run a coroutine function on the queue, as a worker."""

    async def call(work: Callable[[AnchorQueue], Any]) -> Any:
        async with redis_asyncio.Redis.from_url(redis_url) as client:
            keys = Keys.of(queue_key)
            queue = AnchorQueue(client, keys, owner="test", lease_seconds=60, max_deliveries=5)
            return await work(queue)

    return lambda work: asyncio.run(call(work))


@pytest.fixture
def take(with_queue: Callable[..., Any]) -> Callable[[], list[Lease]]:
    async def work(queue: AnchorQueue) -> list[Lease]:
        return (await queue.take(500)).leases

    return lambda: with_queue(work)


@pytest.fixture
def bury(redis_client: Redis, queue_key: str, with_queue: Callable[..., Any]) -> Bury:
    """Push members to an empty queue and fail them, once with another try ahead, then for good."""

    async def fail(queue: AnchorQueue, delay: float | None, reason: str) -> None:
        while leases := (await queue.take(500)).leases:
            await queue.fail([Failed(each, reason, f"{reason}!", delay) for each in leases])

    def work(*members: str | bytes, reason: str = "no-such-user") -> None:
        redis_client.rpush(queue_key, *members)

        async def both(queue: AnchorQueue) -> None:
            await fail(queue, 3600, reason)
            for member in members:
                redis_client.zadd(Keys.of(queue_key).delayed, {member: 0})
            await fail(queue, None, reason)

        with_queue(both)

    return work


def waiting(client: Redis, key: str) -> list[bytes]:
    return list(client.lrange(key, 0, -1))


def test_none(settings: dict[str, str], queue_key: str) -> None:
    ended = run(settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"0 dead letters listed ({queue_key})\n"


def test_a_reason_that_none_has_is_told(settings: dict[str, str], bury: Bury) -> None:
    bury(A)
    ended = run(settings, "requeue", "--reason", "no-such-usr")
    assert ended.returncode == 0
    assert ended.stderr == "The reasons of the dead letters are no-such-user\n"


def test_listed_for_people_and_programs(settings: dict[str, str], bury: Bury) -> None:
    bury(A, LINK)
    bury(ROW, reason="invalid-member")
    lines = run(settings).stdout.splitlines()
    assert lines[0].split() == ["age", "tries", "reason", "anchor", "error"]
    rows = {line.split()[4]: line.split()[2:] for line in lines[1:-1]}
    assert rows[A] == ["2", "no-such-user", A, "no-such-user!"]
    assert rows[r"\xff\x1b[2J抖"][1] == "invalid-member"
    assert lines[-1].startswith("3 dead letters listed")
    letters = listed(settings)
    assert set(letters) == {A, LINK, r"\xff\x1b[2J抖"}
    link = letters[LINK]
    assert (link["sec_id"], link["tries"], link["error"]) == (C, 2, "no-such-user!")
    assert link["first_at"] <= link["died_at"]
    assert link["died_at"].endswith("+00:00")
    assert 0 <= link["age_seconds"] < PATIENCE
    assert letters[r"\xff\x1b[2J抖"]["sec_id"] is None


def test_chosen_by_reason_and_by_name(settings: dict[str, str], bury: Bury) -> None:
    bury(A, LINK)
    bury(B, ROW, reason="max-deliveries")
    assert set(listed(settings, "--reason", "no-such-user")) == {A, LINK}
    # A link by the sec_id in it, and the other way round.
    assert set(listed(settings, C)) == {LINK}
    assert set(listed(settings, f"https://www.douyin.com/user/{A}", B)) == {A, B}
    assert set(listed(settings, r"\xff\x1b[2J抖")) == {r"\xff\x1b[2J抖"}
    ended = run(settings, "list", "--reason", "no-such-user", A, B)
    assert ended.returncode == 1
    assert ended.stderr == f"scrapy dead-letters: no such dead letter: {B}\n"
    assert "1 dead letters listed" in ended.stdout


def test_requeued_by_reason_first_in_line_and_as_if_never_tried(
    settings: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    bury: Bury,
    take: Callable[[], list[Lease]],
) -> None:
    bury(A, reason="max-deliveries")
    bury(B)
    redis_client.rpush(queue_key, D)
    ended = run(settings, "requeue", "--reason", "max-deliveries")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"1 dead letters requeued ({queue_key})\n"
    assert waiting(redis_client, queue_key) == [A.encode(), D.encode()]
    assert redis_client.hkeys(Keys.of(queue_key).dead) == [B.encode()]
    assert [lease.delivery for lease in take()] == [1, 1]


def test_requeued_and_dropped_by_name(
    settings: dict[str, str], redis_client: Redis, queue_key: str, bury: Bury
) -> None:
    bury(A, B, LINK, ROW)
    dead = Keys.of(queue_key).dead
    ended = run(settings, "requeue", "--json", r"\xff\x1b[2J抖", C)
    assert json.loads(ended.stdout) == {"requeued": 2, "queue": queue_key}
    assert sorted(waiting(redis_client, queue_key)) == sorted([ROW, LINK.encode()])
    ended = run(settings, "drop", "--json", A)
    assert json.loads(ended.stdout) == {"dropped": 1, "queue": queue_key}
    assert redis_client.hkeys(dead) == [B.encode()]
    assert redis_client.llen(queue_key) == 2
    assert run(settings, "drop", "--all").stdout.startswith("1 dead letters dropped")
    assert not redis_client.exists(dead)


def test_a_zset_takes_a_letter_back_with_its_priority(
    settings: dict[str, str], redis_client: Redis, queue_key: str, with_queue: Callable[..., Any]
) -> None:
    redis_client.zadd(queue_key, {A: 12.5})

    async def work(queue: AnchorQueue) -> None:
        leases = (await queue.take(1)).leases
        await queue.fail([Failed(leases[0], "no-such-user", "", None)])

    with_queue(work)
    assert run(settings, "requeue", A).returncode == 0
    assert redis_client.zrange(queue_key, 0, -1, withscores=True) == [(A.encode(), 12.5)]


def test_more_than_one_batch(
    settings: dict[str, str], redis_client: Redis, queue_key: str, bury: Bury
) -> None:
    members = [synthetic_sec_uid(3, index) for index in range(1700)]
    bury(*members)
    assert run(settings).stdout.endswith(f"1,700 dead letters listed ({queue_key})\n")
    assert run(settings, "requeue", "--all").stdout.startswith("1,700 dead letters requeued")
    assert sorted(waiting(redis_client, queue_key)) == sorted(each.encode() for each in members)
    assert not redis_client.exists(Keys.of(queue_key).dead)


def test_a_reader_that_has_seen_enough(settings: dict[str, str], bury: Bury) -> None:
    bury(*(synthetic_sec_uid(3, index) for index in range(1700)))
    command = scrapy("dead-letters", "--json")
    with processes.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["tries"] == 2
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_key_that_is_no_queue_costs_no_letter(
    settings: dict[str, str], redis_client: Redis, queue_key: str, bury: Bury
) -> None:
    bury(A)
    redis_client.set(queue_key, "something else")
    ended = run(settings, "requeue", "--all")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"scrapy dead-letters: RANK_QUEUE_KEY: {queue_key} holds")
    assert redis_client.hkeys(Keys.of(queue_key).dead) == [A.encode()]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["requeue"], "Name anchors, or give --reason R or --all, to requeue"),
        (["drop"], "Name anchors, or give --reason R or --all, to drop"),
        (["drop", "--all", A], "--all leaves no choice"),
        (["drop", "--al", "--reason", "x"], "--all leaves no choice"),
        (["forget"], "must be list, requeue or drop, not forget"),
        (["drop", "--raeson", "x"], "not understood: --raeson"),
        (["-s", "RANK_QUEUE_KEY="], "RANK_QUEUE_KEY must name a Redis key"),
    ],
)
def test_what_makes_no_sense(
    settings: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    bury: Bury,
    words: list[str],
    complaint: str,
) -> None:
    bury(A)
    ended = run(settings, *words)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr
    assert redis_client.hlen(Keys.of(queue_key).dead) == 1


def test_redis_that_cannot_be_reached(settings: dict[str, str]) -> None:
    ended = run({**settings, "REDIS_URL": "redis://:s3cret@127.0.0.1:1"})
    assert ended.returncode == 3
    assert ended.stderr.startswith("scrapy dead-letters: Redis cannot be reached")
    assert ended.stderr.count("\n") == 1
    assert "s3cret" not in ended.stderr


def test_help_teaches(settings: dict[str, str]) -> None:
    text = " ".join(run(settings, "--help").stdout.split())
    for taught in ("requeue --reason network", "drop MS4wLjABAAAA...", "Exit codes"):
        assert taught in text
