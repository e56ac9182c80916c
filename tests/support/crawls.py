"""Crawls as processes of their own: how they are started, what they are asked, how they ended."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator

KINDS = ("rows", "users", "lists")


@dataclass
class Crawl:
    """How one ``scrapy crawl goods_rank`` ended."""

    returncode: int
    log: str

    @property
    def stats(self) -> dict[str, Any]:
        """The stats it dumped last, without the times."""
        dumped = self.log.rpartition("Dumping Scrapy stats:\n")[2]
        dumped = dumped[: dumped.index("}\n") + 1]
        return dict(ast.literal_eval(re.sub(r"datetime\.datetime\([^)]*\)", "None", dumped)))


def crawl(environment: dict[str, str], *arguments: str, timeout: float = 120) -> Crawl:
    """Run ``scrapy crawl goods_rank`` to its end."""
    command = scrapy("crawl", "goods_rank", *arguments)
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Crawl(ended.returncode, ended.stdout + ended.stderr)


def sec_uids(count: int, seed: int = 1) -> list[str]:
    return [synthetic_sec_uid(seed, n) for n in range(count)]


def endpoint(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    return {
        **environment,
        "RANK_API_URL": simulator.url,
        "RANK_API_TOKENS": "demo",
        "RANK_STOP_WHEN_DRAINED": "1",
    }


def assert_accounted_for(*crawls: Crawl) -> None:
    """Every record that was read is stored, unchanged, a duplicate or rejected."""
    for kind in KINDS:
        outcomes = ("stored", "unchanged", "duplicate", "rejected")
        counts = [
            sum(ended.stats.get(f"rank/{kind}/{outcome}", 0) for ended in crawls)
            for outcome in ("read", *outcomes)
        ]
        assert counts[0] == sum(counts[1:]), (kind, counts, crawls[0].log[-6000:])
        assert counts[0] > 0


def left_over(client: Redis, queue_key: str) -> list[bytes]:
    """Keys of the queue that remain, but for the counter of receipts, the queue's epoch, the
    licences' state, and what is remembered of the lake."""
    keys = Keys.of(queue_key)
    stay = {
        keys.receipts.encode(),
        keys.licences.encode(),
        keys.epoch.encode(),
        keys.sizes.encode(),
    }
    left = [key for key in client.keys(f"*{queue_key}*") if key not in stay]
    return [key for key in left if not key.startswith(keys.dedupe.encode())]


def letters(client: Redis, queue_key: str) -> dict[str, dict[str, Any]]:
    dead = client.hgetall(Keys.of(queue_key).dead)
    return {member.decode(): json.loads(letter) for member, letter in dead.items()}


def failed(ended: Crawl) -> dict[str, int]:
    start = "rank/answers/failed/"
    return {k.removeprefix(start): n for k, n in ended.stats.items() if k.startswith(start)}


def alternating(first: list[str], second: list[str]) -> list[str]:
    """So that most answers of any stretch are good ones, and the circuit stays closed."""
    both = [member for pair in zip(first, second, strict=False) for member in pair]
    return both + first[len(second) :] + second[len(first) :]


@contextmanager
def crawling(environment: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """A worker that goes on while the test changes the world around it."""
    process = subprocess.Popen(
        scrapy("crawl", "goods_rank"), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]") -> Crawl:
    _, log = process.communicate(timeout=120)
    return Crawl(process.returncode, log)


def wait_for_line(worker: "subprocess.Popen[str]", text: str) -> None:
    """Read its log as far as there."""
    assert worker.stderr is not None
    assert any(text in line for line in worker.stderr), f"it ended without {text!r}"


_started: "list[subprocess.Popen[str]]" = []


def start_worker(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """It ends with the test at the latest."""
    command = scrapy("crawl", "goods_rank", *arguments)
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    _started.append(worker)
    return worker


def end_workers() -> None:
    while _started:
        with _started.pop() as worker:
            worker.kill()
