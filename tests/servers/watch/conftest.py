"""A bench for each test, on a Redis that keeps nothing: it waits for no disk."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from tests.support.redis_servers import local_redis
from tests.support.watch_bench import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[partial[Bench]]:
    folder = tmp_path_factory.mktemp("watch") / "redis"
    with (
        local_redis(folder, []) as server,
        Redis(port=server.port) as blocking,
        asyncio.Runner() as runner,
    ):
        client = redis_asyncio.Redis(port=server.port)
        yield partial(Bench, runner, client, blocking)
        runner.run(client.aclose())
