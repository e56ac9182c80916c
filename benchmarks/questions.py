"""Every question, asked of a lake of a million documents of history: which index, how long.

    python -m benchmarks.questions --data-dir /tmp/lake-of-weeks

The first run fills the lake, on an embedded server of its own, for some minutes; the next ones
find it filled. Prints a table in Markdown.
"""

import argparse
import asyncio
import datetime as dt
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from benchmarks.lake_of_weeks import fill
from benchmarks.plans import Queries, scans
from rankspider.embedded import embedded_servers
from rankspider.lake import collections
from rankspider.lake.collections import ensure_indexes
from rankspider.lake.lists import chosen, newest_hour
from rankspider.lake.questions.concentration import concentration
from rankspider.lake.questions.coverage import hours_covered, unseen
from rankspider.lake.questions.overtakes import overtakes
from rankspider.lake.questions.sessions import sessions
from rankspider.lake.questions.tags import tags
from rankspider.lake.questions.thresholds import thresholds
from rankspider.moments import HOUR, Period
from rankspider.simulator.world import World

Document = dict[str, Any]
_DATABASE = "lake_of_weeks"
_ANCHORS = 5000
_CHINA = dt.timezone(dt.timedelta(hours=8))


def questions(database: Database[Document]) -> dict[str, Callable[[], Any]]:
    """What is asked, by what the table calls it."""
    newest = newest_hour(database)
    assert newest is not None
    end = newest + HOUR
    found = chosen(database, [newest])
    assert found is not None
    name, _ = found
    day, week, month = (Period.until(end, hours) for hours in (24, 168, 720))
    someone = database[collections.RANKS].find_one({"begin_time": newest, "rank": 1})
    assert someone is not None
    who = someone["user_id"]
    return {
        "thresholds, a week": lambda: thresholds(database, name, week, _CHINA),
        "thresholds, 30 days": lambda: thresholds(database, name, month, _CHINA),
        "tags, a day": lambda: tags(database, name, day),
        "tags, a week": lambda: tags(database, name, week),
        "concentration, a day": lambda: concentration(database, name, day),
        "concentration, 30 days": lambda: concentration(database, name, month),
        "overtakes, 5 minutes": lambda: overtakes(database, name, newest),
        "sessions, a day's first 20": lambda: sessions(database, name, day),
        "sessions of one seller, 30 days": lambda: sessions(database, name, month, user_id=who),
        "coverage: hours, a day": lambda: list(hours_covered(database, name, day, end)),
        "coverage: hours, 30 days": lambda: list(hours_covered(database, name, month, end)),
        "coverage: anchors, a day": lambda: unseen(database, day, end),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("/tmp/lake-of-weeks"))
    parser.add_argument("--history", type=int, default=1_000_000, metavar="DOCUMENTS")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    queries = Queries()
    with filled_lake(options.data_dir, options.history, queries) as database:
        for line in report(database, queries, options.runs):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    return 0


@contextmanager
def filled_lake(folder: Path, history: int, queries: Queries) -> Iterator[Database[Document]]:
    """The lake in ``folder``, filled if nothing is there, with today's indexes."""
    with embedded_servers(folder, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        with MongoClient[Document](
            servers.mongo_uri, tz_aware=True, event_listeners=[queries]
        ) as client:
            database = client[_DATABASE]
            if not database[collections.USER_HISTORY].estimated_document_count():
                client.drop_database(_DATABASE)  # half-filled: users come last
                began = time.monotonic()
                hours = fill(database, World(anchors=_ANCHORS), history)
                taken = time.monotonic() - began
                sys.stderr.write(f"{hours} hours filled in, in {taken:.0f} s; now the indexes\n")
            asyncio.run(_make_indexes(servers.mongo_uri))
            yield database


async def _make_indexes(uri: str) -> None:
    async with AsyncMongoClient[Document](uri) as client:
        await ensure_indexes(client[_DATABASE])


def report(database: Database[Document], queries: Queries, runs: int) -> Iterator[str]:
    """Lines of the table."""
    sizes = (collections.RANK_HISTORY, collections.RANKS, collections.SNAPSHOTS, collections.USERS)
    counts = [f"{database[name].estimated_document_count():,} {name}" for name in sizes]
    yield f"{', '.join(counts)}; median of {runs}"
    yield ""
    yield "| question | answered by | rows | seconds |"
    yield "| --- | --- | ---: | ---: |"
    for name, ask in questions(database).items():
        queries.taken()
        rows, seconds = _timed(ask, runs)
        used = ", ".join(f"`{scan}`" for scan in scans(database, queries.taken()))
        yield f"| {name} | {used} | {rows} | {seconds:.2f} |"


def _timed(ask: Callable[[], Any], runs: int) -> tuple[int, float]:
    """How many rows the answer has, and the median of how many seconds it took."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        answer = ask()
        taken.append(time.perf_counter() - began)
    return len(answer), statistics.median(taken)


if __name__ == "__main__":
    sys.exit(main())
