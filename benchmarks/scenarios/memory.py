"""Whether a worker grows with what it has done."""

from collections.abc import Callable

from benchmarks.contestants import OURS
from benchmarks.endpoint import World
from benchmarks.figures import rss_at
from benchmarks.options import Options
from benchmarks.race import crawl
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.world import synthetic_sec_uid

_MEGABYTE = 2**20
_GROWTH = 1.1
_PEAK_MB = 250


def memory(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """One run over anchors never seen before, each with a profile of its own."""
    early, late = options.memory_answers
    anchors = [synthetic_sec_uid(1, index) for index in range(late)]
    world = World(anchors=late, rows=options.rows)
    run = crawl(stage, OURS, world, "memory", anchors)
    before, after = (rss_at(run, answers) / _MEGABYTE for answers in (early, late))
    peak = run.peak_rss / _MEGABYTE
    say(f"memory: {before:.0f} MB at {early}, {after:.0f} MB at {late}, {peak:.0f} MB at most")
    marks = range(1000, late + 1, max(1000, late // 20))
    course = [[answers, round(rss_at(run, answers) / _MEGABYTE, 1)] for answers in marks]
    return [
        Line(
            "memory",
            f"after {late:,} answers over after {early:,}",
            "",
            ours=after / before,
            target=f"≤ {_GROWTH}",
            ok=after / before <= _GROWTH,
            note=f"{before:.0f} MB, {after:.0f} MB",
            runs={"resident MB after answers": course},
        ),
        Line(
            "memory",
            "peak",
            "MB",
            ours=peak,
            target=f"< {_PEAK_MB}",
            ok=peak < _PEAK_MB,
        ),
    ]
