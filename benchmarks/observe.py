"""A run seen from outside: nothing is added to the crawler that is measured.

Every tenth of a second: how many anchors are done, and what each process has used.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.endpoint import Endpoint
from benchmarks.errors import BenchmarkError

_EVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Sample:
    """One look. CPU is in seconds since the process began, user and system."""

    at: float
    answers: int
    """Acknowledged by this project; served, to the others."""
    cpu: dict[str, float]
    rss: int
    """Of the workers, bytes."""


@dataclass(frozen=True)
class Run:
    """What was seen of one run, from the start of the processes to their end."""

    samples: list[Sample]
    peak_rss: int
    """Of the worker that had most, bytes, as the kernel counts it."""


def observe(
    workers: Sequence["subprocess.Popen[bytes]"],
    endpoint: Endpoint,
    others: dict[str, int],
    answers: int,
    log: Path,
    done: Callable[[], int] | None = None,
) -> Run:
    """Watch ``workers`` until they end; ``others`` are the servers' process ids by name.

    ``done``: how far they are, if that is less than what the endpoint has answered.
    """
    processes = {"worker": [psutil.Process(worker.pid) for worker in workers]}
    processes |= {name: [psutil.Process(pid)] for name, pid in others.items()}
    before = endpoint.answers()

    def answered() -> int:
        return done() if done else endpoint.answers() - before

    samples: list[Sample] = []
    peak = 0
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(worker.poll() is None for worker in workers):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not done after {_PATIENCE_SECONDS:g} s{_tail(log)}")
        try:
            samples.append(_look(processes, answered()))
            peak = max(peak, *map(_peak_rss, processes["worker"]))
        except psutil.NoSuchProcess:
            break
        time.sleep(_EVERY_SECONDS)
    if samples and answered() > samples[-1].answers:  # it ended right after the last look
        samples.append(replace(samples[-1], at=time.monotonic(), answers=answered()))
    seen = samples[-1].answers if samples else 0
    _check_end(workers, min(seen, endpoint.answers() - before), answers, log)
    return Run(samples, peak)


def _look(processes: dict[str, list[psutil.Process]], answers: int) -> Sample:
    cpu = {
        name: sum(sum(process.cpu_times()[:2]) for process in group)
        for name, group in processes.items()
    }
    rss = sum(process.memory_info().rss for process in processes["worker"])
    return Sample(time.monotonic(), answers, cpu, rss)


def _peak_rss(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():  # macOS has no such file
        return int(process.memory_info().rss)
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended


def _check_end(
    workers: Sequence["subprocess.Popen[bytes]"], served: int, answers: int, log: Path
) -> None:
    for worker in workers:
        if worker.wait() != 0:
            raise BenchmarkError(f"a crawl ended with {worker.returncode}{_tail(log)}")
    if served != answers:
        raise BenchmarkError(f"{served} answers were served, not {answers}{_tail(log)}")


def _tail(log: Path) -> str:
    """The end of a crawler's log, for an error: its folder does not outlive the benchmark."""
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join(["; its log ends with", *(line[:300] for line in lines)])
