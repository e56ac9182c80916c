"""Anchors asked again of an endpoint that writes its JSON otherwise than without blanks."""

from collections.abc import Callable

from benchmarks.contestants import OURS
from benchmarks.endpoint import World
from benchmarks.figures import Figures, median
from benchmarks.options import Options
from benchmarks.race import crawl, timed
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.style import Style
from rankspider.simulator.world import synthetic_sec_uid

_COMPACT: Style = "compact"
_SHARE = 0.9


def styled(
    name: str, style: Style, stage: Stage, options: Options, say: Callable[[str], None]
) -> list[Line]:
    """This project alone, on compact answers and on those of ``style`` in turns."""
    count = options.answers
    anchors = [synthetic_sec_uid(1, index) for index in range(count)]
    worlds = {
        each: World(anchors=max(1000, count), rows=options.rows, style=each)
        for each in (_COMPACT, style)
    }
    for each, world in worlds.items():
        crawl(stage, OURS, world, f"{name}-{each}", anchors)
    runs: dict[Style, list[Figures]] = {each: [] for each in worlds}
    for repeat in range(1, options.repeats + 1):
        for each, world in worlds.items():
            later = world.later(repeat * options.gap_minutes)
            place, moved_on = f"{name}-{each}", repeat * count
            runs[each].append(timed(stage, OURS, later, place, anchors, moved_on=moved_on))
            rate = runs[each][-1].answers_per_second
            say(f"{name} {repeat}: {each}: {rate:.1f} answers/s")
    return [
        _line(name, "answers/s", "", lambda each: each.answers_per_second, runs, style),
        _line(name, "CPU per answer", "ms", lambda each: each.cpu_ms_per_answer, runs, style),
    ]


def _line(
    name: str,
    figure: str,
    unit: str,
    value: Callable[[Figures], float],
    runs: dict[Style, list[Figures]],
    style: Style,
) -> Line:
    ours, compact = ([value(each) for each in runs[one]] for one in (style, _COMPACT))
    ratio = median([one / other for one, other in zip(ours, compact, strict=True)])
    is_rate = not unit
    return Line(
        name,
        f"{figure} (reference: compact)",
        unit,
        ours=median(ours),
        reference=median(compact),
        over_reference=ratio,
        target=f"≥ {_SHARE:g} × compact" if is_rate else "",
        ok=ratio >= _SHARE if is_rate else None,
        runs={each: [one.__dict__ for one in group] for each, group in runs.items()},
    )
