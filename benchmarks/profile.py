"""Where a worker's CPU time goes, by module: ``python -m benchmarks.profile``.

A crawl of anchors asked again, sampled by py-spy (``pip install py-spy``) or, with ``--cprofile``,
traced by Python's own profiler, which costs much and favours what makes few calls.
"""

import argparse
import pstats
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.contestants import LIMIT, OURS, Contestant
from benchmarks.endpoint import World, serving
from benchmarks.errors import BenchmarkError
from benchmarks.race import crawl
from benchmarks.stage import Stage, set_up
from rankspider.simulator.world import synthetic_sec_uid

_PLACE = "profile"
_GAP_MINUTES = 10
_SHOWN = 30
# Only what runs on the loop is the crawl; the rest is the start, and threads that wait.
_LOOP = "base_events.py"
_IDLE = ("concurrent/futures/thread.py", "threading.py", "selectors.py")
# py-spy's collapsed stacks: "name (path/of/module.py:12);…;name (path:34) 56".
_FRAME = re.compile(r"^(?P<name>.+) \((?P<path>[^()]+?)(?::\d+)?\)$")
_PACKAGES = re.compile(r"^.*(?:site-packages|python3\.\d+)/")


def main() -> int:
    arguments = _parser().parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    contestant = LIMIT if arguments.limit else OURS
    anchors = [synthetic_sec_uid(1, index) for index in range(arguments.answers)]
    world = World(anchors=max(1000, arguments.answers), gzip=arguments.gzip)
    with set_up() as stage:
        if not arguments.never_seen and contestant is OURS:
            crawl(stage, OURS, world, _PLACE, anchors)
        command = contestant.command(stage, _PLACE, anchors)
        with serving(world.later(_GAP_MINUTES)) as endpoint:
            endpoint.advance(len(anchors))
            environment = stage.environment(endpoint.url, _PLACE)
            if arguments.cprofile:
                own, within = _traced(stage, contestant, command, environment)
            else:
                own, within = _sampled(contestant, command, environment, arguments.out.resolve())
    _show("own time, by module", own, len(anchors), arguments.cprofile)
    _show("own time and that of what it calls, by function", within, len(anchors), False)
    return 0


def _sampled(
    contestant: Contestant, command: list[str], environment: dict[str, str], out: Path
) -> tuple[Counter[str], Counter[str]]:
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:/usr/bin")
    if program is None:
        raise BenchmarkError("no py-spy here: pip install py-spy, or use --cprofile")
    options = ["record", "--format", "raw", "--rate", "250", "--output", str(out), "--"]
    _run([program, *options, *command], contestant, environment, out.with_suffix(".log"))
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in out.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_place(frame) for frame in stack.split(";")]
        if _LOOP not in stack or frames[-1].startswith(_IDLE):
            continue
        own[frames[-1].partition(" ")[0]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    return own, within


def _run(
    command: list[str], contestant: Contestant, environment: dict[str, str], log: Path
) -> None:
    with log.open("wb") as file:
        ended = subprocess.run(
            command,
            cwd=contestant.folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        end = log.read_text(errors="replace")[-1000:]
        raise BenchmarkError(f"the crawl ended with {ended.returncode}:\n{end}")


def _place(frame: str) -> str:
    """``module.py function`` of one frame."""
    match = _FRAME.match(frame)
    return f"{_PACKAGES.sub('', match['path'])} {match['name']}" if match else frame


def _traced(
    stage: Stage, contestant: Contestant, command: list[str], environment: dict[str, str]
) -> tuple[Counter[str], Counter[str]]:
    out = stage.folder / "profile.pstats"
    python, scrapy = command[:1], command[3:]
    traced = [*python, "-m", "cProfile", "-o", str(out), "-m", "scrapy", *scrapy]
    _run(traced, contestant, environment, stage.folder / "profile.log")
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    stats = pstats.Stats(str(out)).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    for (path, _, name), (_, _, seconds, cumulative, _) in stats.items():
        # Built-in functions have no module here, so each stands by itself.
        module = name if path == "~" else _PACKAGES.sub("", path)
        own[module] += round(seconds * 1e6)
        within[f"{module} {name}"] += round(cumulative * 1e6)
    return own, within


def _show(title: str, counts: Counter[str], answers: int, microseconds: bool) -> None:
    total = sum(counts.values()) if "module" in title else max(counts.values())
    sys.stdout.write(f"\n{title}\n")
    for name, count in counts.most_common(_SHOWN):
        each = f"{count / answers:8.0f} µs/answer" if microseconds else ""
        sys.stdout.write(f"{count / total:6.1%} {each} {name}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--answers", type=int, default=3000)
    parser.add_argument("--cprofile", action="store_true")
    parser.add_argument("--never-seen", action="store_true", help="no crawl of them before")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--limit", action="store_true", help="the empty crawl instead")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("benchmarks/results/profile.raw"),
        help="py-spy's stacks, for a flame graph",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
