"""From the command to the first answer in the lake, beside Python's and Scrapy's own start."""

import subprocess
import time
from collections.abc import Callable, Sequence

from benchmarks.contestants import LIMIT, OURS, Contestant
from benchmarks.endpoint import Endpoint, World, serving
from benchmarks.errors import BenchmarkError
from benchmarks.figures import median
from benchmarks.options import Options
from benchmarks.report import Line
from benchmarks.stage import Stage
from rankspider.simulator.world import synthetic_sec_uid

_PLACE = "start"
_POLL_SECONDS = 0.005
_PATIENCE_SECONDS = 60.0
_MOST_SECONDS = 2.0


def start(stage: Stage, options: Options, say: Callable[[str], None]) -> list[Line]:
    """Each worker is fresh; servers, endpoint, indexes and byte code are warm."""
    anchors = [synthetic_sec_uid(1, index) for index in range(options.repeats + 1)]
    ours, limit = [], []
    with serving(World(rows=options.rows)) as endpoint, stage.mongo() as mongo:
        lake = mongo[_PLACE]

        def is_stored(anchor: str) -> bool:
            return lake.users.find_one({"sec_uid": anchor}, {"_id": 1}) is not None

        _seconds_until(lambda: is_stored(anchors[0]), stage, endpoint, OURS, anchors[:1])
        for anchor in anchors[1:]:
            stored = lambda anchor=anchor: is_stored(anchor)  # noqa: E731
            ours.append(_seconds_until(stored, stage, endpoint, OURS, [anchor]))
            before = endpoint.answers()
            answered = lambda before=before: endpoint.answers() > before  # noqa: E731
            limit.append(_seconds_until(answered, stage, endpoint, LIMIT, [anchor]))
            say(f"start: {ours[-1]:.2f} s to the first stored, {limit[-1]:.2f} s by Scrapy alone")
    over = median([one - other for one, other in zip(ours, limit, strict=True)])
    return [
        Line(
            "start",
            "to the first answer (stored; empty crawl: served)",
            "s",
            ours=median(ours),
            limit=median(limit),
            target=f"< {_MOST_SECONDS:g} s over the empty crawl",
            ok=over < _MOST_SECONDS,
            note=f"{over:.2f} s over it",
            runs={OURS.name: ours, LIMIT.name: limit},
        )
    ]


def _seconds_until(
    done: Callable[[], bool],
    stage: Stage,
    endpoint: Endpoint,
    contestant: Contestant,
    anchors: Sequence[str],
) -> float:
    command = contestant.command(stage, _PLACE, anchors)
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=contestant.folder,
        env=stage.environment(endpoint.url, _PLACE),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not done():
            if time.monotonic() - began > _PATIENCE_SECONDS or process.poll():
                raise BenchmarkError(f"{contestant.name} brought no answer")
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        process.wait(_PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    return seconds
