"""What a worker's log and a command's complaint tell the person who must mend it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.embedded import embedded_servers
from rankspider.simulator.world import failing_sec_uid
from tests.support import processes
from tests.support.crawls import crawl, endpoint, sec_uids, start_worker, wait_for_line
from tests.support.project import ROOT, scrapy
from tests.support.redis_servers import free_port
from tests.support.simulators import Simulator
from tests.support.stored_lists import standing, store
from tests.support.suspending import suspended
from tests.support.waiting import until


def run(environment: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return processes.run(
        scrapy(*command),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "setting", "url", "named"),
    [
        ("queue", "REDIS_URL", "redis://:s3cret@127.0.0.1:1/0", ("127.0.0.1:1", "refused")),
        ("queue", "REDIS_URL", "redis://u:s3cret@nowhere.invalid", ("nowhere.invalid", "Name")),
        ("queue", "REDIS_URL", "unix:///nowhere/redis.sock?db=0", ("/nowhere/redis.sock", "file")),
        ("board", "MONGO_URI", "mongodb://u:s3cret@127.0.0.1:1", ("127.0.0.1:1", "refused")),
        ("board", "MONGO_URI", "mongodb://nowhere.invalid", ("nowhere.invalid:27017", "Name")),
    ],
)
def test_an_address_out_of_reach_is_named_with_the_reason(
    environment: dict[str, str], command: str, setting: str, url: str, named: tuple[str, str]
) -> None:
    ended = run({**environment, setting: url}, command)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.count("\n") == 1
    for part in named:
        assert part in ended.stderr
    assert "s3cret" not in ended.stderr
    assert "Topology" not in ended.stderr


def test_an_endpoint_out_of_reach_is_named_once(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    redis_client.rpush(queue_key, *sec_uids(5))
    given = {"RANK_API_URL": url, "RANK_API_TOKENS": "demo", "RANK_MAX_DELIVERIES": "1"}
    ended = crawl({**environment, **given}, "-a", "drain=1")
    (told,) = (line for line in ended.log.splitlines() if "cannot be reached" in line)
    assert "WARNING" in told
    assert url in told
    assert "Refused" in told
    assert "ssl.SSLContext" not in told


def test_a_line_about_an_anchor_names_it(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    environment = endpoint(environment, simulate())
    anchor = failing_sec_uid("ended", 1)
    redis_client.rpush(queue_key, anchor)
    ended = crawl({**environment, "RANK_MAX_DELIVERIES": "1"})
    assert f"No list for {anchor}: live-ended (" in ended.log


def test_a_queue_that_was_empty_from_the_start_is_told(environment: dict[str, str]) -> None:
    sound = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": "demo"}
    ended = crawl({**environment, **sound}, "-a", "drain=1")
    assert ended.returncode == 0
    assert f"{environment['RANK_QUEUE_KEY']} was empty from the start" in ended.log


def test_an_empty_lake_beside_a_full_one_is_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    full, empty = tmp_path / ".rankspider", tmp_path / "deeper" / ".rankspider"
    del environment["MONGO_URI"]
    with (
        embedded_servers(full, redis=False, mongo=True) as servers,
        MongoClient[Any](servers.mongo_uri) as client,
    ):
        store(client[environment["MONGO_DATABASE"]], standing(1, 1, 99))
    for command in ("board", "movers"):
        ended = run({**environment, "RANK_DATA_DIR": str(empty)}, command)
        assert (ended.returncode, ended.stdout) == (1, "")
        which, complaint = ended.stderr.splitlines()
        assert f"The lake is {environment['MONGO_DATABASE']} in {empty}" in which
        assert f"There is another lake in {full}: set RANK_DATA_DIR" in complaint
    read = run({**environment, "RANK_DATA_DIR": str(full)}, "board")
    assert read.returncode == 0
    assert f"in {full} (embedded MongoDB)" in read.stderr


def test_the_database_that_the_address_names_is_used(
    environment: dict[str, str], database: Any, mongo_uri: str
) -> None:
    store(database, standing(1, 1, 99))
    name = environment.pop("MONGO_DATABASE")
    named = mongo_uri.replace("/?", f"/{name}?authSource=admin&")
    assert named != mongo_uri
    assert run({**environment, "MONGO_URI": named}, "board").returncode == 0
    # Where its users are kept.
    admin = run(
        {**environment, "MONGO_URI": mongo_uri.replace("/?", "/admin?")}, "board", "--hour=now"
    )
    assert "the database rankspider holds" in admin.stderr
    wrong = run({**environment, "MONGO_URI": mongo_uri.replace("/?", "/a.b?")}, "board")
    assert wrong.returncode == 2
    assert "MONGO_URI: the name of a database must be" in wrong.stderr
    both = {**environment, "MONGO_URI": named, "MONGO_DATABASE": "another"}
    told = run(both, "doctor", "--no-calls").stdout
    assert f"MONGO_URI names the database {database.name}, and another is used" in told


def test_what_is_waited_for_is_told_with_the_pages(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    tmp_path: Path,
) -> None:
    simulator = simulate("--anchors", "60", "--latency", "100")
    environment = endpoint(environment, simulator) | {"RANK_STOP_WHEN_DRAINED": "0"}
    with embedded_servers(tmp_path, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        options = ("-s", "LOGSTATS_INTERVAL=0.2")
        worker = start_worker({**environment, "MONGO_URI": servers.mongo_uri}, *options)
        wait_for_line(worker, f"Waiting for anchors: none is ready in {queue_key}")
        with suspended(servers.mongo_uri):
            redis_client.rpush(queue_key, *sec_uids(20))
            until(lambda: simulator.answers() == 20)
            wait_for_line(worker, "Waiting for MongoDB: 20 answered anchors in hand, beside 0")
        worker.terminate()
        worker.communicate(timeout=60)
