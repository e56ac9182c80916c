"""Whole crawls while MongoDB is in trouble as real ones are, by a proxy in front of the server.

Each trouble lasts two seconds; ``TROUBLE_SECONDS=10`` makes them longer.
"""

import asyncio
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis

from rankspider.simulator.world import World, failing_sec_uid
from tests.support import processes
from tests.support.crawls import (
    Crawl,
    assert_accounted_for,
    ended,
    endpoint,
    left_over,
    letters,
    sec_uids,
    start_worker,
)
from tests.support.mongo_proxy import (
    DEPTH_RULE,
    INDEX_RULE,
    Act,
    Fault,
    MongoProxy,
    altered,
    closed_after,
    stepdown_in_mid_batch,
    whole_command,
    write_concern_error,
    write_errors,
)
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator
from tests.support.waiting import until

ANCHORS = 300
SECONDS = float(os.environ.get("TROUBLE_SECONDS", "2"))
OVERLOADED = ["SystemOverloadedError", "RetryableError"]
# Each of six collections has one batch on its way, which the driver sends twice by itself.
TOLD_AFTER = 13
COLLECTIONS = ("ranks", "rank_history", "users", "user_history")


class Trouble(NamedTuple):
    act: Act
    told: str
    """What the log says of it: a pattern."""


PASSING = {
    "stepdown": Trouble(
        stepdown_in_mid_batch, "11602 InterruptedDueToReplStateChange: said by the proxy"
    ),
    "of Atlas": Trouble(
        whole_command(8000, "AtlasError"),
        "8000 AtlasError: said by the proxy; to mend it, on Atlas, raise the quota",
    ),
    "operation killed": Trouble(
        whole_command(11601, "Interrupted"), "11601 Interrupted: said by the proxy"
    ),
    "no progress": Trouble(write_errors(82), "82: said by the proxy"),
    "overloaded": Trouble(
        whole_command(433, "AdmissionQueueOverflow", OVERLOADED),
        "433 AdmissionQueueOverflow: said by the proxy",
    ),
    "no majority": Trouble(
        write_concern_error(64, "WriteConcernFailed"),
        "64 WriteConcernFailed: said by the proxy; to mend it, start the members",
    ),
    "closed socket": Trouble(
        closed_after, "AutoReconnect: .*connection (closed|is already closed|pool paused)"
    ),
}


class Fleet:
    """One worker, behind a proxy, and what came of it."""

    def __init__(
        self, proxy: MongoProxy, environment: dict[str, str], simulator: Simulator, record: Path
    ) -> None:
        self.proxy = proxy
        self.simulator = simulator
        self._record = record
        self._environment = {
            **endpoint(environment, simulator),
            "MONGO_URI": proxy.uri,
            "CONCURRENT_REQUESTS": "16",
        }

    def start(self) -> "asyncio.Task[Crawl]":
        self._worker = start_worker(self._environment)
        return asyncio.create_task(asyncio.to_thread(ended, self._worker))

    def doctor(self) -> "subprocess.CompletedProcess[str]":
        return processes.run(
            scrapy("doctor", "--no-calls"),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def set_shutdown_seconds(self, seconds: int) -> None:
        self._environment["RANK_SHUTDOWN_SECONDS"] = str(seconds)

    def stop(self) -> None:
        self._worker.terminate()

    def end(self) -> None:
        """The worker, of a test that failed."""
        self._worker.kill()

    async def is_under_way(self) -> None:
        await asyncio.to_thread(until, lambda: self.simulator.answers() >= ANCHORS // 6)

    def calls(self) -> Counter[str]:
        lines = self._record.read_text().splitlines()
        return Counter(json.loads(line)["asked"] for line in lines)


@pytest.fixture
async def fleet(
    mongo_uri: str,
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    tmp_path: Path,
) -> Any:
    record = tmp_path / "record"
    # So slow that there is something left to ask for when the trouble comes.
    options = ("--rows", "3", "--latency", "150", "--change-seconds", "3600")
    simulator = simulate(*options, "--anchors", str(ANCHORS), "--record", str(record))
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(INDEX_RULE(), DEPTH_RULE())
        fleet = Fleet(proxy, environment, simulator, record)
        yield fleet
        fleet.end()


def assert_all_is_stored_once(database: Any, but: tuple[str, ...] = ()) -> None:
    """Every anchor's standing and profile, each of them once, and the call."""
    world = World(seed=1, anchors=ANCHORS, rows=3)
    anchors = {str(world.anchor(n).user_id) for n in range(ANCHORS)}
    for collection in COLLECTIONS:
        counts = Counter(each["user_id"] for each in database[collection].find({}, ["user_id"]))
        counts.pop("theirs", None)
        missing = {who for who in anchors if not counts[who]}
        assert missing == (set(but) if collection == "users" else set()), collection
        hours = len(database.ranks.distinct("begin_time"))
        assert set(counts.values()) <= set(range(1, hours + 1)), collection
    asked = Counter(call["anchor"] for call in database.calls.find({}, ["anchor"]))
    assert asked.keys() >= {*sec_uids(ANCHORS)}
    assert set(asked.values()) == {1}


def assert_nothing_was_paid_for_twice(fleet: Fleet, run: Crawl) -> None:
    assert run.returncode == 0, run.log
    assert set(fleet.calls().values()) == {1}
    assert_accounted_for(run)


@pytest.mark.parametrize("name", PASSING)
async def test_a_trouble_that_passes(
    fleet: Fleet, redis_client: Redis, queue_key: str, database: Any, name: str
) -> None:
    trouble = PASSING[name]
    redis_client.rpush(queue_key, *sec_uids(ANCHORS))
    crawling = fleet.start()
    await fleet.is_under_way()
    fault = fleet.proxy.add(Fault(trouble.act, seconds=SECONDS, times=TOLD_AFTER))
    run = await crawling
    assert fault.struck >= TOLD_AFTER
    assert_nothing_was_paid_for_twice(fleet, run)
    assert_all_is_stored_once(database)
    assert database.rejected.find_one() is None
    assert letters(redis_client, queue_key) == {}
    assert left_over(redis_client, queue_key) == []
    assert re.search(rf"MongoDB is away \({trouble.told}", run.log), run.log
    assert "MongoDB is back after" in run.log


async def test_a_quota_that_is_exceeded_until_somebody_raises_it(
    fleet: Fleet, redis_client: Redis, queue_key: str, database: Any
) -> None:
    """No call is paid for meanwhile."""
    redis_client.rpush(queue_key, *sec_uids(ANCHORS))
    crawling = fleet.start()
    await fleet.is_under_way()
    fault = fleet.proxy.add(Fault(write_errors(8000, errmsg="you are over your space quota")))
    await asyncio.to_thread(until, lambda: fleet.simulator.stood_still(SECONDS))
    assert fleet.simulator.calls() < ANCHORS
    assert not crawling.done()
    fleet.proxy.remove(fault)
    run = await crawling
    assert_nothing_was_paid_for_twice(fleet, run)
    assert_all_is_stored_once(database)
    assert database.rejected.find_one() is None
    assert letters(redis_client, queue_key) == {}
    told = "8000: you are over your space quota; to mend it, on Atlas, raise the quota"
    assert f"MongoDB is away ({told}" in run.log


@pytest.mark.parametrize("waiting", ["calls", "listCollections"])
async def test_a_signal_ends_a_worker_that_waits_with_the_calls_alone(
    fleet: Fleet, redis_client: Redis, queue_key: str, waiting: str
) -> None:
    """Every record is stored: Scrapy closes the spider at once, and the worker waits."""
    fleet.set_shutdown_seconds(1)
    redis_client.rpush(queue_key, *sec_uids(60))
    crawling = fleet.start()
    await fleet.is_under_way()
    if waiting == "calls":
        fleet.proxy.add(Fault(write_errors(8000), collection=waiting))
    else:
        fleet.proxy.add(Fault(whole_command(13), (waiting,)))
    await asyncio.to_thread(until, lambda: fleet.simulator.stood_still(SECONDS))
    fleet.stop()
    run = await crawling
    assert run.returncode == 0
    assert "anchors not finished 1 s after the signal" in run.log
    assert redis_client.llen(queue_key) > 0
    assert letters(redis_client, queue_key) == {}


async def test_one_answer_that_is_nested_too_deep(
    fleet: Fleet, redis_client: Redis, queue_key: str, database: Any
) -> None:
    deep = failing_sec_uid("deep")
    members = sec_uids(ANCHORS)
    redis_client.rpush(queue_key, *members[:200], deep, *members[200:])
    run = await fleet.start()
    assert_nothing_was_paid_for_twice(fleet, run)
    assert_all_is_stored_once(database)
    assert database.users.find_one({"sec_uid": deep})["profile"]["nested"]
    assert database.rejected.find_one() is None
    assert letters(redis_client, queue_key) == {}
    assert "MongoDB is away" not in run.log


async def test_a_unique_index_of_the_operators_own(
    fleet: Fleet, redis_client: Redis, queue_key: str, database: Any
) -> None:
    """One profile has what another document has already: that one is refused, and told."""
    members = sec_uids(ANCHORS)
    taken = members[200]
    redis_client.rpush(queue_key, *members)
    crawling = fleet.start()
    await fleet.is_under_way()
    theirs = {"_id": "theirs", "user_id": "theirs", "sec_uid": taken}
    database.users.insert_one(theirs, bypass_document_validation=True)
    database.users.create_index(["sec_uid", "theirs"], unique=True)
    run = await crawling
    assert_nothing_was_paid_for_twice(fleet, run)
    refused = database.rejected.find_one()
    assert refused["anchor"] == taken
    assert "a unique index on sec_uid, theirs has its value already" in str(refused)
    assert database.rejected.count_documents({}) == 1
    world = World(seed=1, anchors=ANCHORS, rows=3)
    assert_all_is_stored_once(database, but=(str(world.anchor(200).user_id),))
    assert letters(redis_client, queue_key) == {}
    assert "MongoDB is away" not in run.log


UNUSABLE = {
    "no rights": (
        Fault(whole_command(13, "Unauthorized"), ("create", "createIndexes", "insert", "update")),
        "grant the user of MONGO_URI the role readWrite",
    ),
    "a wrong password": (
        Fault(whole_command(18, "AuthenticationFailed"), ("buildInfo",)),
        "check the user, the password",
    ),
    "an old one": (
        Fault(altered(version="4.4.29", versionArray=[4, 4, 29, 0]), ("buildInfo",)),
        "5.0 or newer is needed",
    ),
    "Cosmos DB": (Fault(altered(_t="BuildInfoResponse"), ("buildInfo",)), "Azure Cosmos DB"),
    "DocumentDB": (
        Fault(altered(hosts=["d.eu-west-1.docdb.amazonaws.com:27017"]), ("hello",)),
        "Amazon DocumentDB",
    ),
    "one without updates by pipelines": (
        Fault(whole_command(40324, "Location40324"), ("update",)),
        "name a MongoDB 5.0 or newer",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_one_that_cannot_be_used_is_told_alike_by_worker_and_doctor(
    fleet: Fleet, redis_client: Redis, queue_key: str, name: str
) -> None:
    fault, said = UNUSABLE[name]
    fleet.proxy.add(fault)
    redis_client.rpush(queue_key, *sec_uids(1))
    run, doctor = await fleet.start(), await asyncio.to_thread(fleet.doctor)
    assert (run.returncode, doctor.returncode) == (3, 3), run.log
    assert sum(said in line for line in run.log.splitlines()) == 1
    assert said in " ".join(doctor.stdout.split())
    assert "Traceback" not in run.log + doctor.stdout + doctor.stderr
    assert redis_client.llen(queue_key) == 1
    assert fleet.simulator.calls() == 0
