"""A ``scrapy simulate`` process: the endpoint all contestants ask."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkError
from benchmarks.stage import ROOT, TOKEN, clean_environment
from rankspider.simulator.style import Style

_PATH = "/douyin/webcast/rank_goods"
# Two minutes into an hour, so that no run sees the list turn.
_START = datetime(2030, 1, 1, 12, 2, tzinfo=UTC)
MINUTES_LEFT = 56


@dataclass(frozen=True)
class World:
    """What the endpoint simulates, as options of ``scrapy simulate``."""

    anchors: int = 1000
    rows: int = 100
    change_every: int = 50
    churn: str = "some"
    gzip: bool = False
    style: Style = "compact"
    latency_ms: float = 0
    jitter_ms: float = 0
    minutes: float = 0
    """Virtual minutes after the first run of this world."""

    def later(self, minutes: float) -> Self:
        if minutes > MINUTES_LEFT:
            raise BenchmarkError(
                f"{minutes:g} virtual minutes pass the hour's end: fewer --repeats or --gap-minutes"
            )
        return replace(self, minutes=minutes)

    def options(self) -> list[str]:
        start = _START + timedelta(minutes=self.minutes)
        given = {
            "--anchors": self.anchors,
            "--rows": self.rows,
            "--change-every": self.change_every,
            "--churn": self.churn,
            "--style": self.style,
            "--latency": self.latency_ms,
            "--jitter": self.jitter_ms,
            "--start": start.isoformat(),
        }
        pairs = [part for name, value in given.items() for part in (name, str(value))]
        return [*pairs, "--gzip"] if self.gzip else pairs


class Endpoint:
    """A running endpoint; one connection to it is kept for the questions asked here."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid
        address = urlsplit(url)
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def answers(self) -> int:
        """How many calls it has answered."""
        return int(json.loads(self._ask("GET", "/_simulator/stats"))["answers"])

    def advance(self, answers: int) -> None:
        """Let the list move on as if ``answers`` calls had been made."""
        for _ in range(answers):
            self._ask("HEAD", f"{_PATH}?token={TOKEN}")

    def _ask(self, method: str, path: str) -> bytes:
        self._connection.request(method, path)
        return self._connection.getresponse().read()


@contextmanager
def serving(world: World) -> Iterator[Endpoint]:
    """Serve ``world`` on a free port while the block runs."""
    command = [sys.executable, "-m", "scrapy", "simulate", "--port", "0", *world.options()]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        first_line = process.stdout.readline()
        if "http://" not in first_line:
            raise BenchmarkError(f"the endpoint did not start: {' '.join(command)}")
        yield Endpoint(first_line.split()[-1], process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=30)
