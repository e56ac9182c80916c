"""The servers of one benchmark: the project's embedded ones, in a folder of their own."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from redis import Redis

from rankspider.embedded import embedded_servers

ROOT = Path(__file__).parent.parent
# What a developer has set for real must not reach a run.
_OWN_SETTINGS = ("SCRAPY_", "RANK_", "REDIS_", "MONGO_", "CONCURRENT_REQUESTS", "LOG_LEVEL")
TOKEN = "bench"


@dataclass(frozen=True)
class Stage:
    """Where the servers are, and their process ids."""

    folder: Path
    redis_url: str
    mongo_uri: str
    redis_pid: int
    mongo_pid: int
    programs: dict[str, str]
    """What serves, with its version."""

    def redis(self) -> Redis:
        return Redis.from_url(self.redis_url)

    def mongo(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self.mongo_uri, tz_aware=True)

    def environment(self, endpoint_url: str, place: str) -> dict[str, str]:
        """For a crawler: ``place`` names its database and its queue."""
        return {
            **clean_environment(),
            "REDIS_URL": self.redis_url,
            "MONGO_URI": self.mongo_uri,
            "MONGO_DATABASE": place,
            "RANK_QUEUE_KEY": queue_of(place),
            "RANK_API_URL": endpoint_url,
            "RANK_API_TOKENS": TOKEN,
            "PYTHONUNBUFFERED": "1",
        }


def queue_of(place: str) -> str:
    return f"{place}:anchors"


def clean_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(_OWN_SETTINGS)}


@contextmanager
def set_up() -> Iterator[Stage]:
    """Start both servers on free ports; stop them, and drop their data, afterwards."""
    # So that what was started is ended: a plain SIGTERM would leave it all behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="rankspider-bench-") as name:
        folder = Path(name)
        with embedded_servers(folder, redis=True, mongo=True) as servers:
            assert servers.redis_url is not None
            assert servers.mongo_uri is not None
            with Redis.from_url(servers.redis_url) as redis:
                redis_pid = int(redis.info("server")["process_id"])
            with MongoClient[dict[str, Any]](servers.mongo_uri) as mongo:
                mongo_pid = int(mongo.admin.command("serverStatus")["pid"])
            programs = {"redis": servers.redis_note or "", "mongo": servers.mongo_note or ""}
            yield Stage(
                folder, servers.redis_url, servers.mongo_uri, redis_pid, mongo_pid, programs
            )
