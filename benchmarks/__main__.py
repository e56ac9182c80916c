"""``python -m benchmarks``: see ``benchmarks/README.md`` for what each scenario means."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

from benchmarks.endpoint import World
from benchmarks.errors import BenchmarkError
from benchmarks.options import Options
from benchmarks.report import Line, machine, table, write_json
from benchmarks.scenarios import pairs
from benchmarks.scenarios.ceiling import ceiling
from benchmarks.scenarios.memory import memory
from benchmarks.scenarios.pairs import Pairs, Targets
from benchmarks.scenarios.queue import queue
from benchmarks.scenarios.slow import slow
from benchmarks.scenarios.start import start
from benchmarks.scenarios.styles import styled
from benchmarks.scenarios.workers import two_workers
from benchmarks.stage import Stage, set_up

Scenario = Callable[[Stage, Options, Callable[[str], None]], list[Line]]
_RESULTS = Path(__file__).parent / "results"

_KNOWN = Targets(over_reference=40, over_limit=0.75, cpu_over_limit=1.33)
_NEW = Targets(cpu_over_limit=1.6)
_ALL_CHANGE = Targets(over_reference=8)


def _pairs(scenario: Pairs) -> Scenario:
    return lambda stage, options, say: pairs.run(scenario, stage, options, say)


SCENARIOS: dict[str, Scenario] = {
    each.name: _pairs(each)
    for each in (
        Pairs("asked-again", again=True, targets=_KNOWN),
        Pairs("never-seen", again=False, targets=_NEW, wire=True),
        Pairs("asked-again-gzip", again=True, world=World(gzip=True), targets=_KNOWN),
        Pairs("never-seen-gzip", again=False, world=World(gzip=True), targets=_NEW, wire=True),
        Pairs(
            "all-change",
            again=False,
            most_answers=480,
            world=World(change_every=1, churn="all"),
            targets=_ALL_CHANGE,
            wire=True,
        ),
    )
} | {
    "asked-again-spaced": partial(styled, "asked-again-spaced", "spaced"),
    "asked-again-pretty": partial(styled, "asked-again-pretty", "pretty"),
    "asked-again-ascii": partial(styled, "asked-again-ascii", "ascii"),
    "asked-again-shuffled": partial(styled, "asked-again-shuffled", "shuffled"),
    "endpoint": ceiling,
    "slow": slow,
    "memory": memory,
    "queue": queue,
    "start": start,
    "two-workers": two_workers,
}


def main() -> int:
    arguments = _parser().parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    if unknown:
        sys.stderr.write(f"no scenario {unknown[0]}: there are {', '.join(SCENARIOS)}\n")
        return 2
    given = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    options = Options(**given)
    where = machine()
    lines: list[Line] = []
    try:
        with set_up() as stage:
            where["servers"] = stage.programs
            for name in arguments.scenarios or SCENARIOS:
                lines += SCENARIOS[name](stage, options, _say)
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if lines:
            name = "-".join(arguments.scenarios) or "all"
            path = arguments.json or _RESULTS / f"{name}-{where['at'].replace(':', '')}.json"
            write_json(path, lines, where, asdict(options))
            sys.stdout.write(f"{table(lines)}\n\n{path}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"of: {', '.join(SCENARIOS)}; none: all")
    parser.add_argument("--json", type=Path, help="where the figures go (benchmarks/results/…)")
    parser.add_argument("--answers", type=_batches, default=Options.answers)
    parser.add_argument("--reference-answers", type=_batches, default=Options.reference_answers)
    parser.add_argument("--repeats", type=int, default=Options.repeats)
    parser.add_argument("--gap-minutes", type=float, default=Options.gap_minutes)
    parser.add_argument("--rows", type=int, default=Options.rows)
    parser.add_argument(
        "--no-default-logs",
        dest="defaults_too",
        action="store_false",
        help="leave out the reference with Scrapy's default logs",
    )
    parser.add_argument(
        "--memory-answers", type=int, nargs=2, default=Options.memory_answers, metavar="N"
    )
    parser.add_argument("--queue-members", type=int, default=Options.queue_members)
    return parser


def _batches(text: str) -> int:
    """Whole batches of 16, in which the reference asks; four at least."""
    return max(64, -(-int(text) // 16) * 16)


if __name__ == "__main__":
    sys.exit(main())
