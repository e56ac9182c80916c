"""The whole way of some anchors on this machine: own servers, made-up data, a lake of its own.

It never looks at the user's Redis, MongoDB or endpoint, and drops nothing but what an earlier
demo left: the database `DATABASE` and the queue `QUEUE`, both on the embedded servers.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.configuration import Configuration
from rankspider.connections.mongo import connect_blocking
from rankspider.connections.redis_keys import Keys
from rankspider.demo.agreement import Served
from rankspider.embedded import Servers
from rankspider.embedded.locks import FileLock
from rankspider.errors import RankspiderError, ServiceUnavailable
from rankspider.questions.board import Board, board
from rankspider.queue.anchor_queue import AnchorQueue, QueueCounts
from rankspider.simulator.world import synthetic_sec_uid

DATABASE: Final = "rankspider_demo"
QUEUE: Final = "rankspider_demo:anchors"
ASKED: Final = 200
SELLERS: Final = 300
_SEED: Final = 1
# Slow enough to look at, as an endpoint far away is, and with a list that moves meanwhile.
_SIMULATE: Final = (
    *("simulate", "--port", "0", "--seed", str(_SEED), "--anchors", str(SELLERS)),
    *("--rows", "100", "--change-seconds", "2", "--latency", "150", "--jitter", "100"),
)
_POLL_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo on the embedded ``servers``; its steps are called in the order they stand."""

    configuration: Configuration
    servers: Servers

    @property
    def _record(self) -> Path:
        return self.configuration.data_dir / "demo-served.jsonl"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other demos from the database while the block runs. Raises `ServiceUnavailable`
        while one uses it."""
        with FileLock.open(self.configuration.data_dir / "demo.lock") as lock:
            if not lock.try_exclusive():
                raise ServiceUnavailable("another demo runs in this folder: let it end first")
            yield

    def clean_up(self) -> None:
        """Drop what an earlier demo left."""
        with self._mongo() as mongo, self._redis() as redis:
            mongo.drop_database(DATABASE)
            keys = Keys.of(QUEUE)
            redis.delete(keys.queue, *redis.scan_iter(match=f"{keys.beside}*"))
        self._record.unlink(missing_ok=True)

    @contextmanager
    def simulating(self) -> Iterator[str]:
        """Run the local endpoint; yields its URL."""
        command = (*_SIMULATE, "--record", str(self._record))
        with _scrapy(command, self._environment("http://unused"), subprocess.PIPE) as process:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if not words:
                raise RankspiderError("the local endpoint did not start: what it said is above")
            yield words[-1]

    def enqueue(self) -> None:
        with self._redis() as redis:
            members = [synthetic_sec_uid(_SEED, index) for index in range(ASKED)]
            redis.rpush(Keys.of(QUEUE).queue, *members)

    def crawl(self, url: str, progress: Callable[[QueueCounts], None]) -> None:
        """Drain the queue by ``scrapy crawl``, reporting how it stands. Raises if that fails."""
        command = ("crawl", "goods_rank", "-a", "drain=1")
        with _scrapy(command, self._environment(url), None) as process:
            counts = asyncio.run(self._watch(process, progress))
            exit_code = process.wait()
        if exit_code:
            raise RankspiderError(f"the crawl failed with exit code {exit_code}: see above")
        if not counts.drained or counts.dead:
            raise RankspiderError(f"the crawl ended with work left over: {counts}")

    async def _watch(
        self, process: "subprocess.Popen[str]", progress: Callable[[QueueCounts], None]
    ) -> QueueCounts:
        assert self.servers.redis_url is not None
        async with redis_asyncio.Redis.from_url(self.servers.redis_url) as client:
            queue = AnchorQueue(
                client,
                Keys.of(QUEUE),
                owner="demo",
                lease_seconds=self.configuration.lease_seconds,
                max_deliveries=self.configuration.max_deliveries,
            )
            while process.poll() is None:
                progress(await queue.counts())
                await asyncio.sleep(_POLL_SECONDS)
            counts = await queue.counts()
        progress(counts)
        return counts

    def read_back(self) -> tuple[Board, Served]:
        """Return the list as MongoDB has it and as it was served. Raises if they differ."""
        with self._mongo() as mongo:
            stored = board(mongo[DATABASE])
        if stored is None:
            raise RankspiderError("the crawl brought no list")
        served = Served.of_hour(self._record, stored.begin_time)
        difference = served.difference(stored)
        if difference is not None:
            raise RankspiderError(f"MongoDB differs from what the endpoint served: {difference}")
        return stored, served

    def _environment(self, url: str) -> dict[str, str]:
        """Return the user's environment without any address or licence but ``url``."""
        assert self.servers.redis_url is not None and self.servers.mongo_uri is not None
        return {
            **os.environ,
            "RANK_API_URL": url,
            "RANK_API_TOKENS": "demo",
            "RANK_API_TOKENS_FILE": "",
            "REDIS_URL": self.servers.redis_url,
            "MONGO_URI": self.servers.mongo_uri,
            "MONGO_DATABASE": DATABASE,
            "RANK_QUEUE_KEY": QUEUE,
            "LOG_LEVEL": "WARNING",
            # The way to the local endpoint leads through no proxy.
            "no_proxy": "127.0.0.1",
            "NO_PROXY": "127.0.0.1",
        }

    def _redis(self) -> Redis:
        assert self.servers.redis_url is not None
        return Redis.from_url(self.servers.redis_url)

    def _mongo(self) -> MongoClient[dict[str, Any]]:
        assert self.servers.mongo_uri is not None
        return connect_blocking(self.servers.mongo_uri)


@contextmanager
def _scrapy(
    arguments: tuple[str, ...], environment: dict[str, str], stdout: int | None
) -> Iterator["subprocess.Popen[str]"]:
    """Run ``scrapy …`` as long as the block does, and not a moment longer, whatever ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", "scrapy", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_SECONDS)
            finally:
                process.kill()
