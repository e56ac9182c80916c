"""Every question, asked of a lake of a million documents of history: which index, how long.

    python -m benchmarks.questions --data-dir FOLDER

The first run fills the lake, on an embedded server of its own, for a quarter of an hour; the next
ones find it filled. Prints a table in Markdown. Seconds are those of the processor, for the
question's own code and the server together: as one waits for the other, so long it takes on a
machine that does nothing else.
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
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psutil
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from benchmarks.lake_of_weeks import OF_HOURS, fill
from rankspider.embedded import embedded_servers
from rankspider.lake import collections
from rankspider.lake.indexes import ensure_indexes
from rankspider.moments import HOUR, Period
from rankspider.questions.board import board
from rankspider.questions.calls import calls_counted, calls_made
from rankspider.questions.compare import compare
from rankspider.questions.concentration import concentration
from rankspider.questions.coverage import hours_covered, unseen
from rankspider.questions.curve import curve
from rankspider.questions.day import day
from rankspider.questions.events import events
from rankspider.questions.following import Following
from rankspider.questions.leaders import leaders, rising
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.movers import movers
from rankspider.questions.names import called, names
from rankspider.questions.overtakes import overtakes
from rankspider.questions.people import Person
from rankspider.questions.sessions import sessions
from rankspider.questions.streaks import leaders as most_hours
from rankspider.questions.streaks import streaks_of
from rankspider.questions.tags import tags
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from rankspider.questions.versus import share, versus
from rankspider.questions.which import chosen
from rankspider.simulator.world import World
from tests.support.query_plans import indexes_used

Document = dict[str, Any]
Lake = Database[Document]
Question = Callable[[Lake], Any]
_DATABASE = "lake_of_weeks"
_ANCHORS = 5000
_CHINA = ZoneInfo("Asia/Shanghai")
_TAG = "综合"


@dataclass(frozen=True)
class Scene:
    """What the questions are about: the lake's newest hour, and its first seller."""

    name: ListName
    newest: dt.datetime
    group: list[str]
    """The first ten, the best first."""

    @property
    def who(self) -> str:
        return self.group[0]

    @property
    def people(self) -> list[Person]:
        return [Person(who, "", 0, "", "") for who in self.group]

    @classmethod
    def of(cls, database: Lake) -> Self:
        snapshots = database[collections.SNAPSHOTS]
        state = snapshots.find_one({}, ["begin_time"], sort=[("begin_time", -1)])
        assert state is not None
        newest = state["begin_time"]
        found = chosen(database, [newest])
        assert found is not None
        first = board(database, newest)
        assert first is not None
        return cls(found[0], newest, [row.user_id for row in first.rows[:10]])

    @property
    def end(self) -> dt.datetime:
        return self.newest + HOUR

    @property
    def moment(self) -> dt.datetime:
        return self.newest + HOUR / 2

    def last(self, hours: int) -> Period:
        return Period.until(self.end, hours)

    def following(self) -> Question:
        """A look of one that has looked before."""
        found: dict[int, Following] = {}

        def look(lake: Lake) -> Any:
            if id(lake) not in found:
                found[id(lake)] = Following(lake, self.name, self.newest)
                found[id(lake)].news(self.end)
            return found[id(lake)].news(self.end)

        return look


def questions(scene: Scene) -> dict[str, Question]:
    """What is asked, by what the table calls it: with the command's own span, and a longer one."""
    name, who, newest, group = scene.name, scene.who, scene.newest, scene.group
    hours, week, month, half = map(scene.last, (24, 168, 600, 300))
    other = group[1]
    return {
        "board": lambda lake: board(lake, now=scene.end),
        "board, at a moment": lambda lake: board_at(lake, scene.moment, now=scene.end),
        "trend, 24 h": lambda lake: trend(lake, name, hours, who),
        "trend, 600 h": lambda lake: trend(lake, name, month, who),
        "curve": lambda lake: curve(lake, name, newest, who),
        "movers": lambda lake: movers(lake, name, newest),
        "streaks, 24 h": lambda lake: most_hours(lake, name, hours),
        "streaks of one seller, 600 h": lambda lake: streaks_of(lake, name, month, who),
        "thresholds, 168 h": lambda lake: thresholds(lake, name, week, _CHINA),
        "thresholds, 600 h": lambda lake: thresholds(lake, name, month, _CHINA),
        "tags, 24 h": lambda lake: tags(lake, name, hours),
        "tags, 168 h": lambda lake: tags(lake, name, week),
        "concentration, 24 h": lambda lake: concentration(lake, name, hours),
        "concentration, 600 h": lambda lake: concentration(lake, name, month),
        "overtakes, 5 min": lambda lake: overtakes(lake, name, newest),
        "sessions, 24 h": lambda lake: sessions(lake, name, hours),
        "sessions of one seller, 600 h": lambda lake: sessions(lake, name, month, user_id=who),
        "coverage, hours, 24 h": lambda lake: list(hours_covered(lake, name, hours, scene.end)),
        "coverage, hours, 600 h": lambda lake: list(hours_covered(lake, name, month, scene.end)),
        "coverage, anchors, 24 h": lambda lake: unseen(lake, hours, scene.end),
        "calls, 24 h": lambda lake: list(calls_counted(lake, hours, ["hour"], _CHINA, {})),
        "calls, 600 h": lambda lake: list(calls_counted(lake, month, ["day"], _CHINA, {})),
        "calls, each, 600 h": lambda lake: calls_made(lake, month, {}, 100),
        "compare, 1 anchor": lambda lake: compare(lake, name, newest, scene.people[1:2]),
        "compare, 10 anchors": lambda lake: compare(lake, name, newest, scene.people),
        "leaders, 24 h": lambda lake: leaders(lake, name, hours, most=20),
        "leaders, 600 h": lambda lake: leaders(lake, name, month, most=20),
        "leaders of a tag, 168 h": lambda lake: leaders(lake, name, week, tag=_TAG, most=20),
        "rising, 24 h": lambda lake: rising(lake, name, hours, most=20),
        "rising, 300 h": lambda lake: rising(lake, name, half, most=20),
        "thresholds of a tag, 168 h": lambda lake: thresholds(lake, name, week, _CHINA, tag=_TAG),
        "versus, 168 h": lambda lake: versus(lake, name, week, _CHINA, who, other),
        "versus, 600 h": lambda lake: versus(lake, name, month, _CHINA, who, other),
        "share, 24 h": lambda lake: share(lake, name, hours, group),
        "share, 600 h": lambda lake: share(lake, name, month, group, _CHINA),
        "day, 24 h": lambda lake: day(lake, name, hours, who),
        "day, 600 h": lambda lake: day(lake, name, month, who),
        "names": lambda lake: names(lake, called(lake, "nobody") or {who}),
        "events, 1 h": lambda lake: events(lake, name, newest, scene.end),
        "events, 24 h": lambda lake: events(lake, name, hours.start, hours.end),
        "events --follow, a look": scene.following(),
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
    server = _listens_at(uri)
    for name, ask in questions(Scene.of(lake)).items():
        rows, seconds = _timed(lambda ask=ask: ask(lake), runs, server)
        used = ", ".join(f"`{index}`" for index in sorted(indexes_used(uri, lake.name, ask)))
        yield f"| {name} | {used} | {rows} | {seconds:.2f} |"


def _timed(ask: Callable[[], Any], runs: int, server: psutil.Process) -> tuple[int, float]:
    """How many rows the answer has, and the median of how many seconds it took."""
    taken = []
    for _ in range(runs):
        began = _spent(server)
        answer = ask()
        taken.append(_spent(server) - began)
    return _rows(answer), statistics.median(taken)


def _spent(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(time.process_time() + times.user + times.system)


def _listens_at(uri: str) -> psutil.Process:
    port = urlsplit(uri).port
    (pid,) = {
        each.pid
        for each in psutil.net_connections("tcp4")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    }
    return psutil.Process(pid)


def _rows(answer: Any) -> int:
    rows: Sequence[Any] = answer if isinstance(answer, list) else answer.rows
    return len(rows)


if __name__ == "__main__":
    sys.exit(main())
