"""``scrapy crawl goods_rank`` from the queue to the lake, on real servers, as real processes."""

import datetime as dt
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.simulator.world import World, failing_sec_uid, synthetic_sec_uid
from tests.support import processes
from tests.support.crawls import (
    KINDS,
    Crawl,
    assert_accounted_for,
    crawl,
    endpoint,
    left_over,
    sec_uids,
)
from tests.support.project import ROOT, SAMPLE_FILE, scrapy
from tests.support.simulators import Simulator


def test_the_vendors_sample(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    environment = endpoint(environment, simulate("--sample", str(SAMPLE_FILE)))
    redis_client.rpush(queue_key, *sec_uids(50))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert_accounted_for(ended)
    ranks = list(database.ranks.find().sort("score", -1))
    said = [(row["rank"], row["score"], row["delta"]) for row in ranks]
    assert said == [(1, 49232, 0), (2, 29085, 20147), (0, 0, 1502)]
    users = {user["_id"]: user for user in database.users.find()}
    names = [users[row["user_id"]]["nickname"] for row in ranks]
    assert names == ["陈赫", "朱梓骁", "人民日报"]
    hour = dt.datetime(2021, 1, 19, 11, tzinfo=dt.UTC)
    observed = dt.datetime(2021, 1, 19, 11, 17, 29, 817000, tzinfo=dt.UTC)
    assert {row["begin_time"] for row in ranks} == {hour}
    assert {row["observed_at"] for row in ranks} == {observed}
    assert ranks[0]["room_id"] == "6919375969501465352"
    assert ranks[2]["room_id"] is None
    assert ranks[2]["best_rank"] == 0
    assert ranks[0]["list"]["currency"] == "热度"
    assert database.rank_history.count_documents({}) == 3
    assert database.user_history.count_documents({}) == 3
    snapshot = database.snapshots.find_one()
    assert snapshot["user_ids"] == [row["user_id"] for row in ranks[:2]]
    assert snapshot["delta_time"] == 2551
    assert database.snapshots.count_documents({}) == 1
    assert "telephone" not in users["84990209480"]["profile"]
    assert users["84990209480"]["profile"]["pay_grade"]["total_diamond_count"] == 1363356


def test_private_fields_are_kept_when_asked_for(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    environment = endpoint(environment, simulate("--sample", str(SAMPLE_FILE)))
    redis_client.rpush(queue_key, *sec_uids(1))
    ended = crawl({**environment, "RANK_KEEP_PRIVATE_FIELDS": "1"})
    assert ended.returncode == 0, ended.log
    profile = database.users.find_one({"_id": "84990209480"})["profile"]
    assert profile["telephone"] == ""
    assert profile["birthday"] == 0


@pytest.mark.long
def test_two_workers_share_a_queue(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    # Some seconds' work for one: the other may be slow to start on a busy machine.
    simulator = simulate("--rows", "10", "--anchors", "600", "--latency", "200")
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(500))
    command = scrapy("crawl", "goods_rank")
    workers = [
        processes.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    crawls = [
        Crawl(worker.returncode, log)
        for worker in workers
        for log in [worker.communicate(timeout=120)[1]]
    ]
    assert [worker.returncode for worker in workers] == [0, 0], crawls[0].log + crawls[1].log
    assert_accounted_for(*crawls)
    acked = [ended.stats["rank/anchors/acked"] for ended in crawls]
    assert sum(acked) == 500
    assert min(acked) > 50, acked
    world = World(seed=1, anchors=600, rows=10)
    asked = [str(world.anchor(n).user_id) for n in range(500)]
    standings = database.ranks.distinct("user_id")
    assert set(asked) <= set(standings)
    pairs = [(row["user_id"], row["begin_time"]) for row in database.ranks.find()]
    assert len(pairs) == len(set(pairs))
    assert left_over(redis_client, queue_key) == []


@pytest.mark.parametrize("kind", ["list", "set", "zset"])
def test_every_kind_of_queue_drains(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    kind: str,
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "50"))
    members = sec_uids(38)
    members.append(f"https://www.douyin.com/user/{synthetic_sec_uid(1, 38)}?vid=1")
    members.append(f'{{"sec_id": "{synthetic_sec_uid(1, 39)}"}}')
    for member in [*members, "not an anchor"]:
        if kind == "list":
            redis_client.lpush(queue_key, member)
        elif kind == "set":
            redis_client.sadd(queue_key, member)
        else:
            redis_client.zadd(queue_key, {member: len(member)})
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/anchors/acked"] == 40
    world = World(seed=1, anchors=50, rows=3)
    asked = {str(world.anchor(n).user_id) for n in range(40)}
    assert asked <= set(database.ranks.distinct("user_id"))
    dead = redis_client.hgetall(Keys.of(queue_key).dead)
    assert list(dead) == [b"not an anchor"]
    assert left_over(redis_client, queue_key) == [Keys.of(queue_key).dead.encode()]


def test_odd_profiles_lose_nothing(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "50"))
    for name in ("odd-keys", "huge", "list-maps"):
        redis_client.rpush(queue_key, failing_sec_uid(name))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert_accounted_for(ended)
    assert ended.stats["rank/anchors/acked"] == 3
    overlong = database.users.find_one({"overlong": {"$exists": True}})
    assert overlong["signature"] is None
    assert overlong["overlong"]["fields"] == ["signature"]
    file = database["overlong.files"].find_one({"_id": overlong["overlong"]["file"]})
    assert file["length"] > 17 * 1024 * 1024
    odd = database.users.find_one({"profile.%24where": {"$exists": True}})
    assert odd is not None
    for user in database.user_history.find({"profile.fans_club": {"$exists": True}}):
        assert isinstance(user["profile"]["fans_club"]["prefer_data"], dict)


def test_an_anchor_the_endpoint_refuses_is_a_dead_letter(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "50"))
    redis_client.rpush(queue_key, failing_sec_uid("no-user"), *sec_uids(5))
    ended = crawl(environment)
    assert ended.returncode == 0
    assert ended.stats["rank/anchors/acked"] == 5
    dead = redis_client.hgetall(Keys.of(queue_key).dead)
    assert list(dead) == [failing_sec_uid("no-user").encode()]
    assert b"no-such-user" in dead[failing_sec_uid("no-user").encode()]


WRONG = [
    ({"RANK_API_URL": ""}, 2, "RANK_API_URL is not set"),
    ({"RANK_API_URL": "ftp://x"}, 2, "RANK_API_URL must begin with http:// or https://"),
    ({"RANK_API_URL": "http://host:80/path"}, 2, "RANK_API_URL must be"),
    ({"RANK_API_URL": "http://host:port"}, 2, "RANK_API_URL is not a URL"),
    ({"RANK_API_TOKENS": " , "}, 2, "RANK_API_TOKENS holds no licence"),
    ({"RANK_API_TOKENS": "'hunter2'"}, 2, "RANK_API_TOKENS has quotes around licence 1"),
    ({"RANK_API_TOKENS": "ok hunter2\u200b"}, 2, "RANK_API_TOKENS has in licence 2 a character"),
    ({"RANK_API_TOKENS_FILE": "/dev/null"}, 2, "RANK_API_TOKENS_FILE: /dev/null holds no licence"),
    ({"RANK_API_TOKENS_FILE": "/no/such/file"}, 2, "RANK_API_TOKENS_FILE: /no/such/file"),
    ({"RANK_LEASE_SECONDS": "soon"}, 2, "RANK_LEASE_SECONDS must be a number"),
    ({"RANK_MAX_DELIVERIES": "0"}, 2, "RANK_MAX_DELIVERIES must be a whole number"),
    ({"RANK_STOP_WHEN_DRAINED": "maybe"}, 2, "RANK_STOP_WHEN_DRAINED must be 1 or 0"),
    ({"MONGO_DATABASE": "a.b"}, 2, "MONGO_DATABASE must be"),
    ({"CONCURRENT_REQUESTS": "0"}, 2, "CONCURRENT_REQUESTS must be a whole number"),
    ({"CONCURRENT_REQUESTS": "abc"}, 2, "CONCURRENT_REQUESTS must be a whole number"),
    ({"LOG_LEVEL": "chatty"}, 2, "LOG_LEVEL must be one of DEBUG, INFO"),
    ({"MONGO_URI": "http://x"}, 2, "MONGO_URI must begin with mongodb://"),
    ({"REDIS_URL": "localhost"}, 2, "REDIS_URL must begin with redis://"),
    ({"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, 3, "Redis cannot be reached"),
    ({"MONGO_URI": "mongodb://u:hunter2@127.0.0.1:1/"}, 3, "MongoDB cannot be reached"),
]


@pytest.mark.parametrize(("changes", "code", "message"), WRONG)
def test_what_is_wrong_is_one_line(
    environment: dict[str, str], changes: dict[str, str], code: int, message: str
) -> None:
    sound = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": "demo"}
    ended = crawl({**environment, **sound, **changes})
    assert ended.returncode == code, ended.log
    complaints = [line for line in ended.log.splitlines() if "[scrapy.utils.log]" not in line]
    assert len(complaints) == 1, ended.log
    assert complaints[0].startswith(f"scrapy crawl: {message}")
    assert "hunter2" not in ended.log


def test_middlewares_with_nothing_to_do_are_off(environment: dict[str, str]) -> None:
    sound = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": "demo"}
    log = crawl({**environment, **sound, "LOG_LEVEL": "INFO"}, "-a", "drain=1").log
    idle = ("HttpAuthMiddleware", "OffsiteMiddleware", "HttpErrorMiddleware", "DepthMiddleware")
    assert [name for name in idle if name in log] == []
    assert "AcknowledgeMiddleware" in log
    assert "DownloaderStats" in log


def test_an_argument_that_nothing_reads(environment: dict[str, str]) -> None:
    ended = crawl(environment, "-a", "drian=1", "-L", "info")
    assert ended.returncode == 2
    assert ended.log.splitlines()[-1] == (
        "scrapy crawl: -a drian: goods_rank knows no such argument, only redis_key, drain; "
        "did you mean drain?"
    )


def test_a_queue_key_that_is_no_queue(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    redis_client.set(queue_key, "text")
    sound = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": "demo"}
    ended = crawl({**environment, **sound, "RANK_STOP_WHEN_DRAINED": "1"})
    assert ended.returncode == 1
    assert "RANK_QUEUE_KEY" in ended.log
    assert "Traceback" not in ended.log


def test_indexes_are_there(
    environment: dict[str, str], simulate: Callable[..., Simulator], mongo_uri: str, database: Any
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "5"))
    for _ in range(2):
        assert crawl(environment).returncode == 0
    with MongoClient[dict[str, Any]](mongo_uri):
        assert "hour_place" in database.ranks.index_information()


def test_a_fresh_worker_writes_nothing_that_the_lake_holds_but_its_calls(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
) -> None:
    record = tmp_path / "record.jsonl"
    simulator = simulate(
        *("--rows", "5", "--anchors", "100", "--change-every", "1000"),
        *("--start", "2026-03-01T10:05:00", "--record", str(record)),
    )
    environment = endpoint(environment, simulator)
    redis_client.rpush(queue_key, *sec_uids(60))
    assert crawl(environment).returncode == 0
    names = ("ranks", "rank_history", "users", "user_history", "snapshots")
    held = {name: list(database[name].find().sort("_id")) for name in names}
    redis_client.rpush(queue_key, *sec_uids(60))
    again = crawl(environment)
    assert again.returncode == 0, again.log
    for kind in KINDS:
        assert f"rank/{kind}/stored" not in again.stats, kind
        # Anchors that stand in the list say so twice.
        repeated = again.stats.get(f"rank/{kind}/duplicate", 0)
        assert repeated == (5 if kind == "rows" else 0)
        unchanged = again.stats[f"rank/{kind}/unchanged"]
        assert unchanged == again.stats[f"rank/{kind}/read"] - repeated, kind
    assert {name: list(database[name].find().sort("_id")) for name in names} == held

    served = [json.loads(line) for line in record.read_text().splitlines()]
    observed = sorted((line["asked"], line["now"]) for line in served)
    calls = [
        (call["anchor"], round(call["observed_at"].timestamp() * 1000))
        for call in database.calls.find()
    ]
    assert sorted(calls) == observed
    (state,) = held["snapshots"]
    assert database.calls.distinct("list_state") == [state["_id"]]
    sightings = list(database.sightings.find({"state": state["_id"]}))
    moments = [round(each["observed_at"].timestamp() * 1000) for each in sightings]
    lasts = [round(each["last_observed_at"].timestamp() * 1000) for each in sightings]
    assert (min(moments), max(lasts)) == (observed_times(served)[0], observed_times(served)[-1])


def observed_times(served: list[dict[str, Any]]) -> list[int]:
    return sorted(line["now"] for line in served)


@pytest.mark.parametrize("options", ["decode_responses=True&protocol=2", "protocol=3"])
def test_options_of_the_address_change_nothing_of_what_is_stored(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    options: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60")
    redis_client.rpush(queue_key, *sec_uids(3))
    url = f"{environment['REDIS_URL']}?{options}"
    ended = crawl({**endpoint(environment, simulator), "REDIS_URL": url})
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/anchors/acked"] == 3
    assert left_over(redis_client, queue_key) == []
