"""Real servers for the tests: one Redis and one MongoDB-wire server a session, on free ports.

Each test has its own queue key and its own database; nothing flushes a server.
"""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.embedded import embedded_servers
from tests.support import processes, simulated_market
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator

# What a developer has set for real must not reach a test.
OWN_SETTINGS = ("RANK_", "REDIS_", "MONGO_", "CONCURRENT_REQUESTS", "LOG_LEVEL")

# A server to use in place of an embedded MongoDB: see CONTRIBUTING.md.
MONGO_TEST_URI = os.environ.get("MONGO_TEST_URI")

# `make test` draws the same examples at each run: whether it passes says something of the code,
# nothing of luck. What explores is `make fuzz`; what that finds becomes an @example of its test.
# No deadline: how long an example takes says something of the machine.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", derandomize=False, database=None, deadline=None)
settings.load_profile("same")


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait more than they compute. Each process has servers of its own, so eight will do."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no process has to wait for it in the end."""

    def order(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("long") is None, "tests/system/" not in item.nodeid

    items.sort(key=order)
    reason = "it is about an embedded MongoDB of its own, not about MONGO_TEST_URI"
    for item in items:
        if MONGO_TEST_URI and item.get_closest_marker("embedded_mongo"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(OWN_SETTINGS):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, _clean_environment: None
) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("servers")
    with embedded_servers(folder, redis=True, mongo=not MONGO_TEST_URI) as started:
        mongo_uri = MONGO_TEST_URI or started.mongo_uri
        assert started.redis_url is not None
        assert mongo_uri is not None
        yield started.redis_url, mongo_uri


@pytest.fixture(scope="session")
def redis_url(servers: tuple[str, str]) -> str:
    return servers[0]


@pytest.fixture(scope="session")
def mongo_uri(servers: tuple[str, str]) -> str:
    return servers[1]


@pytest.fixture
def queue_key() -> str:
    return f"test:{uuid.uuid4().hex}"


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def async_redis(redis_url: str) -> AsyncIterator["redis_asyncio.Redis"]:
    client = redis_asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def database_name(mongo_uri: str) -> Iterator[str]:
    """An embedded server goes with all its databases: to drop one takes SecantusDB six seconds."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    if MONGO_TEST_URI:
        with MongoClient[dict[str, Any]](mongo_uri) as client:
            client.drop_database(name)


@pytest.fixture
def database(mongo_uri: str, database_name: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client[database_name]


@pytest.fixture
async def async_database(
    mongo_uri: str, database_name: str
) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    client = AsyncMongoClient[dict[str, Any]](mongo_uri, tz_aware=True, w="majority")
    yield client[database_name]
    await client.close()


@pytest.fixture(scope="session")
def market(
    mongo_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[simulated_market.Market]:
    """A few hours of a simulated market, filled once a session. Tests only read it."""
    name = simulated_market.new_name()
    record = tmp_path_factory.mktemp("market") / "record.jsonl"
    asyncio.run(simulated_market.fill(mongo_uri, name, record))
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield simulated_market.market(client[name], record)
        client.drop_database(name)


@pytest.fixture
def environment(
    redis_url: str, mongo_uri: str, queue_key: str, database_name: str
) -> dict[str, str]:
    """For a command run as a process of its own, on the session's servers."""
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "MONGO_URI": mongo_uri,
        "MONGO_DATABASE": database_name,
        "RANK_QUEUE_KEY": queue_key,
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def simulate() -> Iterator[Callable[..., Simulator]]:
    """Start simulators; they are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> Simulator:
        command = scrapy("simulate", "--port", "0", *options)
        process = processes.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        first_line = process.stdout.readline()
        assert "http://" in first_line, first_line
        return Simulator(process, first_line.split()[-1])

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=30)
