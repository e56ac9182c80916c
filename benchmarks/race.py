"""One contestant, one run: queue the anchors, start the processes, watch them, check the lake."""

import subprocess
from collections.abc import Sequence

from benchmarks.contestants import Contestant
from benchmarks.endpoint import Endpoint, World, serving
from benchmarks.figures import Figures, figures_of
from benchmarks.observe import Run, observe
from benchmarks.stage import Stage


def crawl(
    stage: Stage,
    contestant: Contestant,
    world: World,
    place: str,
    anchors: Sequence[str],
    *,
    moved_on: int = 0,
    workers: int = 1,
    by_calls: bool = False,
) -> Run:
    """Ask for ``anchors``; ``moved_on``: answers the list has seen before; ``by_calls``: an answer
    counts when it was served, acknowledged or not."""
    with serving(world) as endpoint:
        endpoint.advance(moved_on)
        return _watched(stage, contestant, endpoint, place, anchors, workers, by_calls)


def timed(
    stage: Stage,
    contestant: Contestant,
    world: World,
    place: str,
    anchors: Sequence[str],
    *,
    moved_on: int = 0,
    workers: int = 1,
    by_calls: bool = False,
) -> Figures:
    """The figures of such a run."""
    run = crawl(
        stage,
        contestant,
        world,
        place,
        anchors,
        moved_on=moved_on,
        workers=workers,
        by_calls=by_calls,
    )
    return figures_of(run, len(anchors))


def _watched(
    stage: Stage,
    contestant: Contestant,
    endpoint: Endpoint,
    place: str,
    anchors: Sequence[str],
    workers: int,
    by_calls: bool,
) -> Run:
    command = contestant.command(stage, place, anchors)
    log = stage.folder / f"{place}.log"
    others = {"endpoint": endpoint.pid, "redis": stage.redis_pid, "mongo": stage.mongo_pid}
    with log.open("wb") as file:
        running = [
            subprocess.Popen(
                command,
                cwd=contestant.folder,
                env=stage.environment(endpoint.url, place),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            for _ in range(workers)
        ]
        try:
            done = None if by_calls else contestant.acknowledged(stage, place, len(anchors))
            run = observe(running, endpoint, others, len(anchors), log, done)
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()
    contestant.check(stage, place, anchors)
    return run
