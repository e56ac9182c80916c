"""Workers as real processes: started, killed, stopped, and started again."""

import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes
from tests.truth.endpoint import REFUSED_TOKEN
from tests.truth.facts import Line

_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Worker:
    token: str
    """Its own, so that the log tells who asked."""
    process: "subprocess.Popen[bytes]"
    since: int
    """How long the log was when it started."""


class Fleet:
    """``count`` workers on one queue, each replaced when it has ended while there is work."""

    def __init__(
        self, environment: Mapping[str, str], count: int, log: Path, *, has_refused_licence: bool
    ) -> None:
        self.pids: dict[str, set[int]] = defaultdict(set)
        """By token."""
        self.failed: list[int] = []
        """Exit codes of those that ended neither well nor by our hand."""
        self.started = self.killed = self.stopped = 0
        self._environment = environment
        self._count = count
        self._log = log.open("ab")
        self._has_refused_licence = has_refused_licence
        self._workers: list[Worker] = []

    def fill_up(self, lines: Sequence[Line]) -> None:
        """Start as many as are missing."""
        self._look()
        while len(self._workers) < self._count:
            self._workers.append(self._start(len(lines)))

    def are_done(self) -> bool:
        """Whether all have ended by themselves."""
        self._look()
        return not self._workers

    def kill_one(self, choose: random.Random, lines: Sequence[Line]) -> bool:
        """One that has asked already; whether there is one."""
        worker = self._one_at_work(choose, lines)
        if worker is None:
            return False
        worker.process.kill()
        worker.process.wait(30)
        self._workers.remove(worker)
        self.killed += 1
        return True

    def interrupt_one(self, choose: random.Random, lines: Sequence[Line]) -> Worker | None:
        """Send SIGINT to one that has asked already."""
        worker = self._one_at_work(choose, lines)
        if worker is not None:
            worker.process.send_signal(signal.SIGINT)
            self.stopped += 1
        return worker

    def end(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait(30)
        self._log.close()

    def _start(self, since: int) -> Worker:
        token = f"token-{self.started}"
        self.started += 1
        tokens = f"{token},{REFUSED_TOKEN}" if self._has_refused_licence else token
        command = [sys.executable, "-m", "scrapy", "crawl", "goods_rank", "-a", "drain=1"]
        environment = {**self._environment, "RANK_API_TOKENS": tokens}
        process = processes.Popen(
            command, cwd=_ROOT, env=environment, stdout=self._log, stderr=self._log
        )
        self.pids[token].add(process.pid)
        self.pids[REFUSED_TOKEN].add(process.pid)
        return Worker(token, process, since)

    def _one_at_work(self, choose: random.Random, lines: Sequence[Line]) -> Worker | None:
        self._look()
        asking = [
            worker
            for worker in self._workers
            if any(line.token == worker.token for line in lines[worker.since :])
        ]
        return choose.choice(asking) if asking else None

    def _look(self) -> None:
        for worker in [each for each in self._workers if each.process.poll() is not None]:
            self._workers.remove(worker)
            if worker.process.returncode:
                self.failed.append(worker.process.returncode)
