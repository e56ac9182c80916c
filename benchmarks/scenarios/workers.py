"""Two workers on one queue against one."""

from collections.abc import Callable

from benchmarks.contestants import OURS
from benchmarks.endpoint import World
from benchmarks.figures import Figures, median
from benchmarks.options import Options
from benchmarks.race import crawl, timed
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.world import synthetic_sec_uid

_PLACE = "workers"


def two_workers(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """Anchors asked again, by one worker and by two in turn."""
    count = options.answers
    anchors = [synthetic_sec_uid(1, index) for index in range(count)]
    world = World(anchors=max(1000, count), rows=options.rows)
    crawl(stage, OURS, world, _PLACE, anchors)
    runs: dict[int, list[Figures]] = {1: [], 2: []}
    # Each asks a little later than the one before, and all within the hour.
    gap = min(options.gap_minutes, 56 / (2 * options.repeats))
    for turn in range(1, 2 * options.repeats + 1):
        workers = 2 - turn % 2
        later = world.later(turn * gap)
        figures = timed(stage, OURS, later, _PLACE, anchors, moved_on=turn * count, workers=workers)
        runs[workers].append(figures)
        rate = figures.answers_per_second
        say(f"two-workers: {workers}: {rate:.1f} answers/s; {_shares(figures)}")
    one, two = (median([each.answers_per_second for each in runs[n]]) for n in (1, 2))
    return [
        Line(
            "two-workers",
            "answers/s of two workers (reference: of one)",
            "",
            ours=two,
            reference=one,
            over_reference=two / one,
            note=f"cores: {_shares(runs[2][-1])}",
            runs={str(n): [each.__dict__ for each in group] for n, group in runs.items()},
        )
    ]


def _shares(figures: Figures) -> str:
    total = sum(figures.cores.values())
    load = figures.cores["endpoint"] / total
    cores = ", ".join(f"{name} {share:.2f}" for name, share in figures.cores.items())
    return f"{cores}; the endpoint has {load:.0%} of what is used"
