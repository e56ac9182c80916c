"""``scrapy queue`` as its user meets it: a process, its output, its exit code and the queue."""

import datetime as dt
import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.queue.anchor_queue import AnchorQueue, Failed
from tests.support import processes
from tests.support.anchors_to_queue import IDS, A, B, C, D, waiting
from tests.support.project import ROOT, scrapy

PATIENCE = 120  # seconds until a process that hangs fails its test
KINDS = pytest.mark.parametrize("kind", ["list", "set", "zset"])
NOON = int(dt.datetime(2030, 1, 31, 4, tzinfo=dt.UTC).timestamp() * 1000)  # in Shanghai


def run(settings: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    command = scrapy("queue", *options)
    return processes.run(
        command,
        cwd=ROOT,
        env=settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def worker(client: "redis_asyncio.Redis", key: str, name: str, now: int) -> AnchorQueue:
    return AnchorQueue(
        client, Keys.of(key), owner=name, lease_seconds=60, max_deliveries=3, clock_ms=now
    )


def push(client: Redis, key: str, kind: str, members: list[str]) -> None:
    for place, member in enumerate(members):
        if kind == "list":
            client.rpush(key, member)
        elif kind == "set":
            client.sadd(key, member)
        else:
            client.zadd(key, {member: 10 - place})


@KINDS
async def test_what_stands_where(
    environment: dict[str, str],
    redis_client: Redis,
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    kind: str,
) -> None:
    empty = run(environment)
    assert empty.stdout == (f"{queue_key} (empty): 0 waiting, 0 leased, 0 delayed, 0 dead\n")
    push(redis_client, queue_key, kind, IDS)
    first = (await worker(async_redis, queue_key, "one:1", NOON).take(2)).leases
    (third,) = (await worker(async_redis, queue_key, "two:2", NOON + 9000).take(1)).leases
    queue = worker(async_redis, queue_key, "one:1", NOON + 20_000)
    await queue.renew(first)
    redis_client.hset(Keys.of(queue_key).held, first[1].member, "garbage")
    ended = run(environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    head, _, _, *holders = ended.stdout.splitlines()
    assert head == f"{queue_key} ({kind}): 1 waiting, 3 leased, 0 delayed, 0 dead"
    assert [line.split() for line in holders] == [
        ["(unknown)", "1", "-", "2030-01-31", "12:01:20"],
        ["one:1", "1", "2030-01-31", "12:00:00", "2030-01-31", "12:01:20"],
        ["two:2", "1", "2030-01-31", "12:00:09", "2030-01-31", "12:01:09"],
    ]
    await queue.fail(
        [Failed(first[0], "network", "…", 30), Failed(third, "no-such-user", "…", None)]
    )
    ended = run(environment)
    assert "1 waiting, 1 leased, 1 delayed, 1 dead" in ended.stdout
    assert "the next try is due at 2030-01-31 12:00:50" in ended.stdout
    assert "dead: 1 no-such-user; 'scrapy dead-letters' shows them" in ended.stdout
    told = json.loads(run(environment, "--json").stdout)
    assert told == {
        "queue": queue_key,
        "kind": kind,
        "waiting": 1,
        "leased": 1,
        "delayed": 1,
        "dead": 1,
        "workers": [
            {
                "worker": "(unknown)",
                "leased": 1,
                "since": None,
                "until": "2030-01-31T04:01:20.000+00:00",
            }
        ],
        "next_try_at": "2030-01-31T04:00:50.000+00:00",
        "reasons": {"no-such-user": 1},
    }


@KINDS
def test_peek_shows_what_is_taken_next(
    environment: dict[str, str], redis_client: Redis, queue_key: str, kind: str
) -> None:
    assert run(environment, "peek").stdout == "Nothing waits.\n"
    link = f"https://www.douyin.com/user/{B}"
    push(redis_client, queue_key, kind, [A, link, "\x1b[2Jx", D])
    ended = run(environment, "peek", "-n", "3")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
    rows = [line.split(maxsplit=3) for line in ended.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    if kind != "set":
        priorities = ["10", "9", "8"] if kind == "zset" else ["-"] * 3
        assert [row[1] for row in rows] == priorities
        assert [row[2] for row in rows] == [A, link, r"\x1b[2Jx"]
        assert rows[2][3].startswith("no sec_id")
    told = [json.loads(line) for line in run(environment, "peek", "--json").stdout.splitlines()]
    assert {each["member"]: each["sec_uid"] for each in told} == {
        A: A,
        link: B,
        r"\x1b[2Jx": None,
        D: D,
    }
    assert len(waiting(redis_client, queue_key)) == 4


@KINDS
async def test_clear_leaves_what_is_leased(
    environment: dict[str, str],
    redis_client: Redis,
    async_redis: "redis_asyncio.Redis",
    queue_key: str,
    kind: str,
) -> None:
    push(redis_client, queue_key, kind, IDS)
    queue = worker(async_redis, queue_key, "one:1", NOON)
    held, late, dead = (await queue.take(3)).leases
    await queue.fail([Failed(late, "network", "…", 30), Failed(dead, "no-such-user", "…", None)])
    unsure = run(environment, "clear")
    assert unsure.returncode == 2
    assert "Forget 1 waiting and 1 delayed anchors" in unsure.stderr
    assert "say --yes" in unsure.stderr
    assert (await queue.counts()).delayed == 1
    ended = run(environment, "clear", "--yes")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"1 waiting and 1 delayed forgotten ({queue_key})\n"
    counts = await queue.counts()
    assert (counts.waiting, counts.leased, counts.delayed, counts.dead) == (0, 1, 0, 1)
    assert await queue.ack([held]) == []
    # Nothing is known of what was forgotten: pushed again, it begins anew.
    push(redis_client, queue_key, kind, [late.member.decode()])
    (again,) = (await queue.take(1)).leases
    assert again.delivery == 1


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_clear_asks(
    environment: dict[str, str], redis_client: Redis, queue_key: str, answer: str, code: int
) -> None:
    redis_client.rpush(queue_key, A, B, C)
    ours, its = pty.openpty()
    try:
        process = processes.Popen(
            scrapy("queue", "clear"), cwd=ROOT, env=environment, stdin=its, stderr=subprocess.PIPE
        )
        os.write(ours, f"{answer}\n".encode())
        _, stderr = process.communicate(timeout=PATIENCE)
    finally:
        os.close(ours)
        os.close(its)
    assert process.returncode == code
    assert b"Forget 3 waiting and 0 delayed anchors" in stderr
    assert redis_client.llen(queue_key) == (3 if code else 0)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["peak"], "choose one of show, peek, clear, servers, not peak"),
        (["peek", "3"], "not peek 3"),
        (["peek", "-n", "0"], "-n must be 1 or more"),
        (["--yes"], "--yes is an option of 'scrapy queue clear'"),
        (["show", "--hold"], "--hold is an option of 'scrapy queue servers'"),
    ],
)
def test_what_makes_no_sense(
    environment: dict[str, str], options: list[str], complaint: str
) -> None:
    ended = run(environment, *options)
    assert ended.returncode == 2
    assert complaint in ended.stderr


@pytest.mark.parametrize("options", [[], ["peek"], ["clear", "--yes"]])
def test_a_key_that_holds_something_else(
    environment: dict[str, str], redis_client: Redis, queue_key: str, options: list[str]
) -> None:
    redis_client.hset(queue_key, "a", "b")
    ended = run(environment, *options)
    assert ended.returncode == 2
    assert f"RANK_QUEUE_KEY: {queue_key} holds a Redis hash" in ended.stderr
    assert redis_client.hgetall(queue_key) == {b"a": b"b"}


def test_where_the_servers_are(environment: dict[str, str], tmp_path: Path) -> None:
    own = run(environment, "servers")
    assert (
        own.stdout
        == 'redis-cli -u "$REDIS_URL"    # your own\nmongosh "$MONGO_URI"    # your own\n'
    )
    embedded = {**environment, "RANK_DATA_DIR": str(tmp_path)}
    del embedded["REDIS_URL"], embedded["MONGO_URI"]
    command = scrapy("queue", "servers", "--hold", "--json")
    process = processes.Popen(
        command, cwd=ROOT, env=embedded, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())
        with Redis.from_url(urls["redis"]) as client:
            assert client.ping()
        assert urls["mongo"].startswith("mongodb://")
        shown = run(embedded, "servers")
        assert f'redis-cli -u "{urls["redis"]}"\nmongosh "{urls["mongo"]}"\n' in shown.stdout
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
