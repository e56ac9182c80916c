"""A slow endpoint: whether the worker keeps as many calls under way as it may."""

from collections.abc import Callable

from benchmarks.contestants import OURS
from benchmarks.endpoint import World
from benchmarks.figures import median
from benchmarks.options import Options
from benchmarks.race import timed
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.world import synthetic_sec_uid

_CONCURRENT = 16
_LATENCY_MS = 200.0
_TAIL_MS = 20.0
_SHARE = 0.95
# Small lists: the endpoint's latency is asked for here, not the price of an answer.
_ROWS = 5


def slow(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """Answers per second over ``CONCURRENT_REQUESTS`` / mean latency."""
    most = 1000 * _CONCURRENT / (_LATENCY_MS + _TAIL_MS)
    count = min(options.answers, 1600)
    anchors = [synthetic_sec_uid(1, index) for index in range(count)]
    world = World(anchors=max(1000, count), rows=_ROWS, latency_ms=_LATENCY_MS, jitter_ms=_TAIL_MS)
    runs = []
    for repeat in range(1, options.repeats + 1):
        # What is asked for is that calls are kept under way, not when their anchors are done.
        runs.append(timed(stage, OURS, world, f"slow-{repeat}", anchors, by_calls=True))
        say(f"slow {repeat}: {runs[-1].answers_per_second:.1f} answers/s of {most:.1f}")
    rate = median([each.answers_per_second for each in runs])
    return [
        Line(
            "slow",
            f"answers/s at {_LATENCY_MS:g} ms and a tail of {_TAIL_MS:g} ms",
            "",
            ours=rate,
            limit=most,
            over_limit=rate / most,
            target=f"≥ {_SHARE:g} × {_CONCURRENT} / latency",
            ok=rate / most >= _SHARE,
            runs={OURS.name: [each.__dict__ for each in runs]},
        )
    ]
