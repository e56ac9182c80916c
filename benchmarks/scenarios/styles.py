"""Anchors asked again of an endpoint that writes its JSON otherwise than without blanks."""

from collections.abc import Callable

from benchmarks.contestants import LIMIT, OURS
from benchmarks.endpoint import World
from benchmarks.figures import Figures, median
from benchmarks.options import Options
from benchmarks.race import crawl, timed
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.style import CHANGING, Style
from rankspider.simulator.world import synthetic_sec_uid

_COMPACT: Style = "compact"
_SHARE = 0.9
# Of the empty crawl, where no two answers have the same bytes.
_CHANGING_SHARE = 0.35

Runs = dict[tuple[str, Style], list[Figures]]
"""By the contestant's name."""


def styled(
    name: str, style: Style, stage: Stage, options: Options, say: Callable[[str], None]
) -> list[Line]:
    """Compact answers and those of ``style`` in turns, to this project and to the empty crawl: more
    bytes take longer for whoever receives them."""
    count = options.answers
    anchors = [synthetic_sec_uid(1, index) for index in range(count)]
    styles = (_COMPACT, style)
    worlds = {
        each: World(anchors=max(1000, count), rows=options.rows, style=each) for each in styles
    }
    for each, world in worlds.items():
        crawl(stage, OURS, world, f"{name}-{each}", anchors)
    turns = [(contestant, each) for contestant in (OURS, LIMIT) for each in styles]
    runs: Runs = {(contestant.name, each): [] for contestant, each in turns}
    for repeat in range(1, options.repeats + 1):
        for contestant, each in turns:
            later = worlds[each].later(repeat * options.gap_minutes)
            place, moved_on = f"{name}-{each}", repeat * count
            figures = timed(stage, contestant, later, place, anchors, moved_on=moved_on)
            runs[contestant.name, each].append(figures)
            rate = figures.answers_per_second
            say(f"{name} {repeat}: {contestant.name}: {each}: {rate:.1f} answers/s")
    return [
        _line(name, "answers/s", "", lambda each: each.answers_per_second, runs, style),
        _line(name, "CPU per answer", "ms", lambda each: each.cpu_ms_per_answer, runs, style),
    ]


def _line(
    name: str,
    figure: str,
    unit: str,
    value: Callable[[Figures], float],
    runs: Runs,
    style: Style,
) -> Line:
    def ratio(one: tuple[str, Style], other: tuple[str, Style]) -> float:
        pairs = zip(runs[one], runs[other], strict=True)
        return median([value(first) / value(second) for first, second in pairs])

    def middle(one: tuple[str, Style]) -> float:
        return median([value(each) for each in runs[one]])

    ours, limit, compact = (OURS.name, style), (LIMIT.name, style), (OURS.name, _COMPACT)
    share, is_rate = ratio(ours, compact), not unit
    of_limit = ratio(ours, limit)
    target, ok = f"≥ {_SHARE:g} × compact", share >= _SHARE
    if style in CHANGING:
        target, ok = f"≥ {_CHANGING_SHARE:g} × limit", of_limit >= _CHANGING_SHARE
    return Line(
        name,
        f"{figure} (reference: of compact answers)",
        unit,
        ours=middle(ours),
        reference=middle(compact),
        limit=middle(limit),
        over_reference=share,
        over_limit=of_limit,
        target=target if is_rate else "",
        ok=ok if is_rate else None,
        note=f"the limit over its own of compact: {ratio(limit, (LIMIT.name, _COMPACT)):.2f}",
        runs={" ".join(key): [each.__dict__ for each in group] for key, group in runs.items()},
    )
