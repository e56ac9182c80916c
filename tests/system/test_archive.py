"""`scrapy archive` and `scrapy replay` as processes."""

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import bson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis

from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.replay.comparison import COMPARED, compare
from rankspider.simulator.world import failing_sec_uid, synthetic_sec_uid
from tests.support import processes
from tests.support.archived_answers import Lake, answer, bodies, kept, replayed
from tests.support.crawls import crawl
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator

TOKEN = "licence-that-nobody-may-see"


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = scrapy(*arguments)
    ended = processes.run(
        command, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False
    )
    assert TOKEN.encode() not in ended.stdout + ended.stderr
    return ended


def killed_amid_its_work(environment: dict[str, str], database: Lake) -> None:
    worker = processes.Popen(
        scrapy("crawl", "goods_rank"), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while database.archive.count_documents({}) < 20:
            assert worker.poll() is None
            time.sleep(0.01)
    finally:
        worker.kill()
        worker.wait(timeout=30)


@pytest.mark.long
def test_a_replay_reproduces_the_lake(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    mongo_uri: str,
    database: Lake,
    database_name: str,
) -> None:
    simulator = simulate("--rows", "10", "--anchors", "300", "--change-seconds", "1", "--gzip")
    environment |= {
        "RANK_API_URL": simulator.url,
        "RANK_API_TOKENS": TOKEN,
        "RANK_LEASE_SECONDS": "2",
        "RANK_ARCHIVE": "1",
    }
    anchors = [synthetic_sec_uid(1, n) for n in range(100)]
    odd = ("no-user", "bad-begin-time", "dup-user", "odd-keys", "empty-list")
    anchors += map(failing_sec_uid, odd)
    redis_client.rpush(queue_key, *anchors)
    killed_amid_its_work(environment, database)
    ended = crawl(environment, "-a", "drain=1")
    assert ended.returncode == 0, ended.log
    refused = ended.stats.get("rank/answers/failed/no-such-user", 0)
    assert ended.stats["rank/answers/archived"] == ended.stats["rank/answers/ok"] + refused
    archived = list(ArchiveReader(database).answers(AnswerFilter()))
    assert {each.anchor for each in archived} == set(anchors)
    assert {each.failure for each in archived} == {None, "no-such-user"}
    for collection in ("archive", "archive_bases"):
        for document in database[collection].find():
            assert TOKEN.encode() not in bson.encode(document)
    assert not any(TOKEN.encode() in each.body for each in archived)
    shown = run(environment, "archive", "show", "--anchor", archived[7].anchor or "")
    assert shown.stdout == [each for each in archived if each.anchor == archived[7].anchor][-1].body
    assert (shown.returncode, shown.stderr) == (0, b"")

    # What the killed worker had archived and not stored yet. All else is there, so that nothing
    # below is only in the lake, or is said there to have been seen earlier.
    asyncio.run(replayed(database, mongo_uri, database_name))
    target = f"{database_name}_again"
    try:
        replay = run(environment, "replay", "--into", target, "--compare", "--json")
        assert replay.returncode == 0, (replay.stderr, replay.stdout)
        outcome = json.loads(replay.stdout)
        assert outcome["answers"] == len(archived)
        assert outcome["failures"] == {"no-such-user": 1}
        assert outcome["judged_anew"] == 0
        assert set(outcome["compared"]) == set(COMPARED)
        for name, each in outcome["compared"].items():
            total = database[name].count_documents({})
            assert each["same"] + each["seen_later"] == total > 0, (name, each)
        again = database.client[target]
        assert "archive" not in again.list_collection_names()
        victim = again.ranks.find_one({"rank": 1})
        again.ranks.update_one({"_id": victim["_id"]}, {"$inc": {"score": 1}})
        again.users.delete_one({"_id": victim["user_id"]})
        database.snapshots.delete_one(database.snapshots.find_one({}, ["_id"]))
        found = compare(database, again, lambda _: None)
        assert found["ranks"].different_ids == [f"{victim['_id']}: score"]
        assert found["users"].only_in_lake_ids == [victim["user_id"]]
        assert found["snapshots"].only_replayed == 1
    finally:
        database.client.drop_database(target)


async def test_times_are_those_of_the_zone_that_is_set(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    environment: dict[str, str],
) -> None:
    lists = bodies(3, rows=3, every=5)
    await kept(async_database, *(answer(body, synthetic_sec_uid(1, 7)) for body in lists))
    environment |= {"RANK_TIMEZONE": "America/New_York"}

    async def said(*arguments: str) -> bytes:
        ended = await asyncio.to_thread(run, environment, *arguments)
        assert (ended.returncode, ended.stderr) == (0, b"")
        return bytes(ended.stdout)

    assert b"\n2026-01-01 07:00-05:00 " in await said("archive")
    assert await said("archive", "show", "--at", "2026-01-01T07:00:05") == lists[1]
    target = f"{database.name}_again"
    try:
        replayed = await said("replay", "--into", target, "--to", "2026-01-01T07:00:10")
        assert b"2 answers replayed" in replayed
        assert b", observed up to 2026-01-01T07:00:05.000-05:00\n" in replayed
    finally:
        database.client.drop_database(target)


def test_a_replay_ends_with_the_reason_why_not(environment: dict[str, str], database: Lake) -> None:
    database.meta.insert_one({"_id": "schema", "version": 99})
    ended = run(environment, "replay", "--in-place")
    assert (ended.returncode, ended.stdout) == (1, b"")
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"scrapy replay: the database {database.name} is of version 99")
