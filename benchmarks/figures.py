"""From what was seen of a run to its figures."""

import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.observe import Run, Sample

_BATCH = 16
_LEAST_SKIPPED = 32


@dataclass(frozen=True)
class Figures:
    """One run in its steady state."""

    answers_per_second: float
    cpu_ms_per_answer: float
    """Of the worker process, user and system."""
    cores: dict[str, float]
    """What each process used, 1.0 being one core."""
    answers: int
    """In the steady state."""
    seconds: float
    closing_seconds: float
    """From the last answer to the end of the process, which no other figure counts."""
    peak_rss: int


def skipped(answers: int) -> int:
    """How many of the first answers do not count: a tenth, and whole batches of 16 at that.

    The reference asks in batches of 16 and waits for the last of each, so that both ends of what
    is measured must lie at the same point of a batch.
    """
    tenth = -(-answers // (10 * _BATCH)) * _BATCH
    return min(max(_LEAST_SKIPPED, tenth), answers // 2)


def figures_of(run: Run, answers: int) -> Figures:
    """Between the answer after those `skipped` and the last one."""
    first = skipped(answers)
    span = _when(run.samples, answers) - _when(run.samples, first)
    cores = {
        name: (_cpu(run, name, answers) - _cpu(run, name, first)) / span
        for name in run.samples[0].cpu
    }
    count = answers - first
    return Figures(
        answers_per_second=count / span,
        cpu_ms_per_answer=1000 * cores["worker"] * span / count,
        cores=cores,
        answers=count,
        seconds=span,
        closing_seconds=run.samples[-1].at - _when(run.samples, answers),
        peak_rss=run.peak_rss,
    )


def rss_at(run: Run, answers: int) -> float:
    """The workers' resident memory when so many had been answered, bytes."""
    return _at(run.samples, answers, lambda each: each.rss)


def _cpu(run: Run, name: str, answers: int) -> float:
    return _at(run.samples, answers, lambda each: each.cpu[name])


def _when(samples: Sequence[Sample], answers: int) -> float:
    return _at(samples, answers, lambda each: each.at)


def _at(samples: Sequence[Sample], answers: int, value: Callable[[Sample], float]) -> float:
    """``value`` when ``answers`` was reached, on a line between the two looks around it."""
    index = bisect_left(samples, answers, key=lambda each: each.answers)
    after = samples[index]
    before = samples[max(0, index - 1)]
    if after.answers == before.answers:
        return value(after)
    share = (answers - before.answers) / (after.answers - before.answers)
    return value(before) + share * (value(after) - value(before))


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
