"""The three columns: the project one would write, this one, and Scrapy by itself."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.stage import ROOT, Stage, queue_of
from rankspider.connections.redis_keys import Keys

_HERE = Path(__file__).parent
_REFERENCE_KEY = "goods:start_urls"


@dataclass(frozen=True)
class Contestant:
    """A crawler as a process of its own. ``arguments`` follow ``scrapy crawl``."""

    name: str
    folder: Path
    arguments: tuple[str, ...]

    def command(self, stage: Stage, place: str, anchors: Sequence[str]) -> list[str]:
        """The command line, after ``anchors`` were put where it takes them from."""
        self._queue(stage, place, anchors)
        extra: list[str] = []
        if self.folder == LIMIT.folder:
            extra = ["-a", f"anchors={_anchors_file(stage, place)}"]
        return [sys.executable, "-m", "scrapy", "crawl", *self.arguments, *extra]

    def _queue(self, stage: Stage, place: str, anchors: Sequence[str]) -> None:
        if self.folder == LIMIT.folder:
            _anchors_file(stage, place).write_text("\n".join(anchors))
            return
        key = queue_of(place) if self.folder == OURS.folder else _REFERENCE_KEY
        with stage.redis() as redis:
            redis.delete(key)
            for start in range(0, len(anchors), 1000):
                redis.rpush(key, *anchors[start : start + 1000])

    def acknowledged(self, stage: Stage, place: str, total: int) -> Callable[[], int] | None:
        """How many of ``total`` anchors are seen through at the time; None: it does not say."""
        if self.folder != OURS.folder:
            return None
        keys, redis = Keys.of(queue_of(place)), stage.redis()

        def count() -> int:
            with redis.pipeline() as pipeline:
                pipeline.llen(keys.queue).zcard(keys.leases).zcard(keys.delayed)
                return total - sum(pipeline.execute())

        return count

    def check(self, stage: Stage, place: str, anchors: Sequence[str]) -> None:
        """Raise `BenchmarkError` unless every anchor was seen through."""
        if self.folder == LIMIT.folder:
            return
        if self.folder == OURS.folder:
            _check_nothing_left(stage, place)
        with stage.mongo() as mongo:
            known = {user["sec_uid"] for user in mongo[place].users.find({}, {"sec_uid": 1})}
        missing = set(anchors) - known
        if missing:
            raise BenchmarkError(f"{self.name}: {len(missing)} anchors are not in the lake")


def _anchors_file(stage: Stage, place: str) -> Path:
    return stage.folder / f"{place}.anchors"


def _check_nothing_left(stage: Stage, place: str) -> None:
    keys = Keys.of(queue_of(place))
    with stage.redis() as redis:
        left = [
            key for key in (keys.queue, keys.held, keys.delayed, keys.dead) if redis.exists(key)
        ]
    if left:
        raise BenchmarkError(f"this project left anchors in {', '.join(left)}")


REFERENCE = Contestant("reference", _HERE / "reference", ("goods", "-s", "LOG_LEVEL=ERROR"))
REFERENCE_DEFAULTS = Contestant("reference, default logs", _HERE / "reference", ("goods",))
OURS = Contestant("this project", ROOT, ("goods_rank", "-a", "drain=1"))
LIMIT = Contestant("limit", _HERE / "limit", ("empty",))
