"""Scenarios in which the contestants take turns: reference, this project, limit, reference, …"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.contestants import LIMIT, OURS, REFERENCE, REFERENCE_DEFAULTS, Contestant
from benchmarks.endpoint import World
from benchmarks.figures import Figures, median
from benchmarks.options import Options
from benchmarks.race import crawl, timed
from benchmarks.report import Line
from benchmarks.stage import Stage
from benchmarks.wire import WireRate, wire_rate
from rankspider.simulator.world import synthetic_sec_uid

Runs = dict[str, list[Figures]]


@dataclass(frozen=True)
class Targets:
    """Least, or most, of a ratio; None where nothing is to be reached."""

    over_reference: float | None = None
    over_limit: float | None = None
    cpu_over_limit: float | None = None


@dataclass(frozen=True)
class Pairs:
    """One such scenario. ``again``: the anchors and profiles are known from a run before."""

    name: str
    again: bool
    world: World = field(default_factory=World)
    targets: Targets = field(default_factory=Targets)
    most_answers: int = 1_000_000
    """Fewer than asked for where each answer brings hundreds of writes."""
    wire: bool = False
    """Whether the MongoDB-wire server's own rate is measured in the same run."""


def run(pairs: Pairs, stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """Run ``pairs`` with all contestants in turn and set out the medians."""
    options = replace(options, answers=min(options.answers, pairs.most_answers))
    contestants = [REFERENCE, OURS, LIMIT]
    if options.defaults_too:
        contestants.insert(1, REFERENCE_DEFAULTS)
    runs: Runs = {contestant.name: [] for contestant in contestants}
    wires: list[WireRate] = []
    if pairs.again:
        for contestant in contestants:
            _warm_up(pairs, stage, contestant, options)
    for repeat in range(1, options.repeats + 1):
        for contestant in contestants:
            figures = _one(pairs, stage, contestant, options, repeat)
            runs[contestant.name].append(figures)
            say(f"{pairs.name} {repeat}: {contestant.name}: {_shortly(figures)}")
        if pairs.wire:
            place = _place(pairs, OURS, repeat)
            wires.append(wire_rate(stage, place, options.answers))
            say(f"{pairs.name} {repeat}: {wires[-1]}")
    return list(_lines(pairs, runs, wires))


def _answers(contestant: Contestant, options: Options) -> int:
    return options.reference_answers if "reference" in contestant.name else options.answers


def _place(pairs: Pairs, contestant: Contestant, repeat: int) -> str:
    """Its database; a new one each time where nothing is to be known before."""
    stem = f"{pairs.name}-{contestant.name}".replace(" ", "-").replace(",", "")
    return stem if pairs.again else f"{stem}-{repeat}"


def _anchors(count: int) -> list[str]:
    return [synthetic_sec_uid(1, index) for index in range(count)]


def _world(pairs: Pairs, options: Options, minutes: float) -> World:
    sellers = max(1000, options.answers)
    return replace(pairs.world, anchors=sellers, rows=options.rows).later(minutes)


def _warm_up(pairs: Pairs, stage: Stage, contestant: Contestant, options: Options) -> None:
    if contestant is not LIMIT:
        anchors = _anchors(_answers(contestant, options))
        place = _place(pairs, contestant, 0)
        crawl(stage, contestant, _world(pairs, options, 0), place, anchors)


def _one(
    pairs: Pairs, stage: Stage, contestant: Contestant, options: Options, repeat: int
) -> Figures:
    count = _answers(contestant, options)
    world = _world(pairs, options, repeat * options.gap_minutes if pairs.again else 0)
    moved_on = repeat * count if pairs.again else 0
    place = _place(pairs, contestant, repeat)
    return timed(stage, contestant, world, place, _anchors(count), moved_on=moved_on)


def _shortly(figures: Figures) -> str:
    cores = ", ".join(f"{name} {share:.2f}" for name, share in figures.cores.items())
    return (
        f"{figures.answers_per_second:.1f} answers/s, {figures.cpu_ms_per_answer:.2f} ms CPU each; "
        f"cores: {cores}"
    )


def _lines(pairs: Pairs, runs: Runs, wires: list[WireRate]) -> Iterator[Line]:
    targets = pairs.targets
    behind: dict[str, list[Any]] = {
        name: [figures.__dict__ for figures in group] for name, group in runs.items()
    }
    yield _line(pairs.name, "answers/s", "", runs, _rate, behind, targets)
    yield _line(pairs.name, "CPU per answer", "ms", runs, _cpu, {}, targets)
    yield Line(
        pairs.name,
        "then, to the end of the process",
        "s",
        **{
            column: median([each.closing_seconds for each in runs[contestant.name]])
            for column, contestant in (("ours", OURS), ("reference", REFERENCE), ("limit", LIMIT))
        },
    )
    if REFERENCE_DEFAULTS.name in runs:
        slow = runs[REFERENCE_DEFAULTS.name]
        ours = runs[OURS.name]
        yield Line(
            pairs.name,
            "answers/s (reference with default logs)",
            "",
            ours=median([_rate(each) for each in ours]),
            reference=median([_rate(each) for each in slow]),
            over_reference=_paired(ours, slow, _rate),
        )
    if wires:
        yield _wire_line(pairs.name, runs[OURS.name], wires)


def _rate(figures: Figures) -> float:
    return figures.answers_per_second


def _cpu(figures: Figures) -> float:
    return figures.cpu_ms_per_answer


def _paired(ones: list[Figures], others: list[Figures], value: Callable[[Figures], float]) -> float:
    return median([value(one) / value(other) for one, other in zip(ones, others, strict=True)])


def _line(
    scenario: str,
    figure: str,
    unit: str,
    runs: Runs,
    value: Callable[[Figures], float],
    behind: dict[str, list[Any]],
    targets: Targets,
) -> Line:
    reference, ours, limit = (runs[each.name] for each in (REFERENCE, OURS, LIMIT))
    over_reference = _paired(ours, reference, value)
    over_limit = _paired(ours, limit, value)
    wanted: list[tuple[str, bool]] = []
    if value is _cpu and targets.cpu_over_limit is not None:
        most = targets.cpu_over_limit
        wanted.append((f"≤ {most:g} × limit", over_limit <= most))
    if value is _rate and targets.over_reference is not None:
        least = targets.over_reference
        wanted.append((f"≥ {least:g} × reference", over_reference >= least))
    if value is _rate and targets.over_limit is not None:
        least = targets.over_limit
        wanted.append((f"≥ {least:g} × limit", over_limit >= least))
    return Line(
        scenario,
        figure,
        unit,
        ours=median([value(each) for each in ours]),
        reference=median([value(each) for each in reference]),
        limit=median([value(each) for each in limit]),
        over_reference=over_reference,
        over_limit=over_limit,
        target=", ".join(text for text, _ in wanted),
        ok=all(reached for _, reached in wanted) if wanted else None,
        runs=behind,
    )


def _wire_line(scenario: str, ours: list[Figures], wires: list[WireRate]) -> Line:
    alone = median([each.answers_per_second for each in wires])
    share = median(
        [
            one.answers_per_second / wire.answers_per_second
            for one, wire in zip(ours, wires, strict=True)
        ]
    )
    return Line(
        scenario,
        "answers/s the MongoDB server takes by itself",
        "",
        ours=alone,
        note=f"of which this project {share:.0%}; {wires[0].writes_per_answer:.1f} writes each",
        runs={"wire": [each.__dict__ for each in wires]},
    )
