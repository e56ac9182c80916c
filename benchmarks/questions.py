"""Every question, asked of a lake of a million documents of history: which index, how long.

    python -m benchmarks.questions --data-dir FOLDER

The first run fills the lake, on an embedded server of its own, for a quarter of an hour; the next
ones find it filled. Prints a table in Markdown.
"""

import argparse
import asyncio
import datetime as dt
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from benchmarks.lake_of_weeks import OF_HOURS, fill
from rankspider.embedded import embedded_servers
from rankspider.lake import collections
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import HOUR, Period
from rankspider.questions.board import board
from rankspider.questions.concentration import concentration
from rankspider.questions.coverage import hours_covered, unseen
from rankspider.questions.curve import curve
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.movers import movers
from rankspider.questions.overtakes import overtakes
from rankspider.questions.sessions import sessions
from rankspider.questions.streaks import leaders, streaks_of
from rankspider.questions.tags import tags
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from rankspider.questions.which import chosen
from rankspider.simulator.world import World
from tests.support.query_plans import indexes_used

Document = dict[str, Any]
Lake = Database[Document]
Question = Callable[[Lake], Any]
_DATABASE = "lake_of_weeks"
_ANCHORS = 5000
_CHINA = dt.timezone(dt.timedelta(hours=8))


@dataclass(frozen=True)
class Scene:
    """What the questions are about: the lake's newest hour, and its first seller."""

    name: ListName
    newest: dt.datetime
    who: str

    @classmethod
    def of(cls, database: Lake) -> Self:
        snapshots = database[collections.SNAPSHOTS]
        state = snapshots.find_one({}, ["begin_time"], sort=[("begin_time", -1)])
        assert state is not None
        newest = state["begin_time"]
        found = chosen(database, [newest])
        assert found is not None
        first = database[collections.RANKS].find_one({"begin_time": newest, "rank": 1})
        assert first is not None
        return cls(found[0], newest, first["user_id"])

    @property
    def end(self) -> dt.datetime:
        return self.newest + HOUR

    @property
    def moment(self) -> dt.datetime:
        return self.newest + HOUR / 2

    def last(self, hours: int) -> Period:
        return Period.until(self.end, hours)


def questions(scene: Scene) -> dict[str, Question]:
    """What is asked, by what the table calls it: with the command's own span, and a longer one."""
    name, who, newest = scene.name, scene.who, scene.newest
    day, week, month = map(scene.last, (24, 168, 600))
    return {
        "board": lambda lake: board(lake, now=scene.end),
        "board, at a moment": lambda lake: board_at(lake, scene.moment, now=scene.end),
        "trend, 24 h": lambda lake: trend(lake, name, day, who),
        "trend, 600 h": lambda lake: trend(lake, name, month, who),
        "curve": lambda lake: curve(lake, name, newest, who),
        "movers": lambda lake: movers(lake, name, newest),
        "streaks, 24 h": lambda lake: leaders(lake, name, day),
        "streaks of one seller, 600 h": lambda lake: streaks_of(lake, name, month, who),
        "thresholds, 168 h": lambda lake: thresholds(lake, name, week, _CHINA),
        "thresholds, 600 h": lambda lake: thresholds(lake, name, month, _CHINA),
        "tags, 24 h": lambda lake: tags(lake, name, day),
        "tags, 168 h": lambda lake: tags(lake, name, week),
        "concentration, 24 h": lambda lake: concentration(lake, name, day),
        "concentration, 600 h": lambda lake: concentration(lake, name, month),
        "overtakes, 5 min": lambda lake: overtakes(lake, name, newest),
        "sessions, 24 h": lambda lake: sessions(lake, name, day),
        "sessions of one seller, 600 h": lambda lake: sessions(lake, name, month, user_id=who),
        "coverage, hours, 24 h": lambda lake: list(hours_covered(lake, name, day, scene.end)),
        "coverage, hours, 600 h": lambda lake: list(hours_covered(lake, name, month, scene.end)),
        "coverage, anchors, 24 h": lambda lake: unseen(lake, day, scene.end),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.questions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, default=Path("/tmp/rankspider-lake-of-weeks"))
    parser.add_argument("--history", type=int, default=1_000_000, metavar="DOCUMENTS")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with embedded_servers(options.data_dir, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        asyncio.run(_make_indexes(servers.mongo_uri))
        with MongoClient[Document](servers.mongo_uri, tz_aware=True) as client:
            _fill_unless_full(client[_DATABASE], options.history)
            for line in report(servers.mongo_uri, client[_DATABASE], options.runs):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    return 0


async def _make_indexes(uri: str) -> None:
    async with AsyncMongoClient[Document](uri) as client:
        await ensure_indexes(client[_DATABASE])


def _fill_unless_full(lake: Lake, history: int) -> None:
    if lake[collections.USER_HISTORY].estimated_document_count():
        return
    # They come last. What a run that was cut short left behind is in the way.
    for name in OF_HOURS:
        lake[name].delete_many({})
    began = time.monotonic()
    hours = fill(lake, World(anchors=_ANCHORS), history)
    sys.stderr.write(f"{hours} hours filled in, in {time.monotonic() - began:.0f} s\n")


def report(uri: str, lake: Lake, runs: int) -> Iterator[str]:
    """Lines of the table."""
    sizes = (collections.RANK_HISTORY, collections.RANKS, collections.SNAPSHOTS, collections.USERS)
    counts = [f"{lake[name].estimated_document_count():,} {name}" for name in sizes]
    yield f"{', '.join(counts)}; median of {runs}"
    yield ""
    yield "| question | answered by | rows | seconds |"
    yield "| --- | --- | ---: | ---: |"
    for name, ask in questions(Scene.of(lake)).items():
        rows, seconds = _timed(lambda ask=ask: ask(lake), runs)
        used = ", ".join(f"`{index}`" for index in sorted(indexes_used(uri, lake.name, ask)))
        yield f"| {name} | {used} | {rows} | {seconds:.2f} |"


def _timed(ask: Callable[[], Any], runs: int) -> tuple[int, float]:
    """How many rows the answer has, and the median of how many seconds it took."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        answer = ask()
        taken.append(time.perf_counter() - began)
    return _rows(answer), statistics.median(taken)


def _rows(answer: Any) -> int:
    rows: Sequence[Any] = answer if isinstance(answer, list) else answer.rows
    return len(rows)


if __name__ == "__main__":
    sys.exit(main())
