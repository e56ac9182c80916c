"""A ``redis-server`` of a test's own, without a disk to wait for."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from rankspider.embedded import redis_server

HOST = "127.0.0.1"
DEADLINE_SECONDS = 60


class LocalRedis:
    """A ``redis-server`` on a free port, in a folder of its own."""

    def __init__(self, folder: Path, options: Iterable[str], password: str | None = None) -> None:
        folder.mkdir()
        self.port = free_port()
        self._password = password
        program = redis_server.find(folder).command[0]
        options = [f"port {self.port}", f"bind {HOST}", 'save ""', *options]
        (folder / "redis.conf").write_text("\n".join(options))
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [program, "redis.conf", *(["--sentinel"] if "sentinel" in options[-1] else [])],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self._password, decode_responses=True)

    def call(self, *command: Any) -> Any:
        with self.client() as client:
            return client.execute_command(*command)

    def answers(self) -> bool:
        assert self._process.poll() is None, "it ended; see its log"
        return bool(self.call("PING"))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()


def free_port() -> int:
    """One whose Cluster bus port, 10000 higher, is free too. Both lie below those that Linux gives
    to connections, one of which may begin before the server does. Test processes beside each other
    have ports of their own."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.randrange(20_000 + mine, 22_768, beside)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind((HOST, port))
                other.bind((HOST, port + 10_000))
            except OSError:
                continue
            return port


@contextmanager
def local_redis(
    folder: Path, options: Iterable[str], password: str | None = None
) -> Iterator[LocalRedis]:
    server = LocalRedis(folder, options, password)
    try:
        until(server.answers)
        yield server
    finally:
        server.kill()


def until(condition: Callable[[], bool]) -> None:
    """Ask until it holds; a server that is not up yet is asked again."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        time.sleep(0.05)
    raise AssertionError("it never came to be")
