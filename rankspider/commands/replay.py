"""``scrapy replay``: archived answers through today's code, into a database of choice."""

import argparse
import asyncio
import datetime as dt
import signal
import sys
import time

from pymongo.database import Database
from scrapy.exceptions import UsageError

from rankspider.archive import selection as options
from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.command import INTERRUPTED, RankCommand
from rankspider.configuration import DATABASE_NAMES, Configuration, is_database_name
from rankspider.connections.mongo import connect_blocking
from rankspider.lake.collections import Document
from rankspider.lake.store import Store
from rankspider.replay.comparison import compare
from rankspider.replay.display import replayed_json, replayed_text
from rankspider.replay.feed import Feed
from rankspider.replay.replay import Replay, Replayed
from rankspider.servers import lake_address

_DIFFERS = 1
_PROGRESS_SECONDS = 2.0


class Command(RankCommand):
    name = "replay"
    synopsis = "--into DATABASE [options]"
    summary = "Run archived answers through today's code into a database"
    description = (
        "Run the answers that RANK_ARCHIVE=1 kept in MONGO_DATABASE through today's code, in the "
        "order in which they were observed, and write what they bring into another database of the "
        "same server: no endpoint, no licence and no Redis. What is there already does no harm, so "
        "a replay that was stopped may be run again. Example, after a change to the code: 'scrapy "
        "replay --into rankspider_new --compare'. --compare reads all of both databases, so it "
        "fits a replay of all answers; that a replay notes a later last time, the mirrors' hosts, "
        "and what the lake saw before the oldest answer, are no difference. Times are given and "
        "shown in the zone RANK_TIMEZONE, in UTC with --json. Exit codes: 0 done, 1 --compare "
        "found a difference, or an error, 2 wrong usage, 3 MongoDB cannot be reached, 130 stopped "
        "by Ctrl-C."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        options.add_options(parser)
        group = parser.add_argument_group(title="Where to, and what then")
        group.add_argument("--into", metavar="DATABASE", help="the database that is written")
        group.add_argument(
            "--in-place", action="store_true", help="write into MONGO_DATABASE itself"
        )
        group.add_argument(
            "--compare", action="store_true", help="then say how the two databases differ"
        )
        group.add_argument("--json", action="store_true", help="write the outcome as JSON")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if args:
            raise UsageError(f"not understood: {' '.join(args)}")
        configuration = Configuration.read(self.project_settings)
        selection = AnswerFilter.of(opts, configuration.timezone)
        target = _target(opts, configuration)
        with lake_address(configuration) as uri, connect_blocking(uri) as client:
            lake = client[configuration.mongo_database]
            replayed = asyncio.run(_replay(lake, uri, target, configuration, selection))
            compared = None
            if opts.compare and replayed.is_whole:
                compared = compare(
                    lake,
                    client[target],
                    lambda name: _say(f"comparing {name}"),
                    archived_since=_archived_since(replayed, configuration.archive_days),
                )
        sys.stdout.write(
            replayed_json(replayed, compared, target)
            if opts.json
            else replayed_text(replayed, compared, target, configuration.timezone)
        )
        if not replayed.is_whole:
            return INTERRUPTED
        return _DIFFERS if any(not each.is_none for each in (compared or {}).values()) else 0


def _archived_since(replayed: Replayed, days: float) -> dt.datetime:
    """Return from when on the archive has every answer: since its oldest one, but for those that
    came late and outlive newer ones."""
    oldest = replayed.first_observed_at or dt.datetime.min.replace(tzinfo=dt.UTC)
    now = dt.datetime.now(dt.UTC)
    return max(oldest, now - dt.timedelta(days=days)) if 0 < days < (now - oldest).days else oldest


def _target(opts: argparse.Namespace, configuration: Configuration) -> str:
    """Return the database to write to, once it is known to be a sound choice."""
    own = configuration.mongo_database
    if opts.in_place:
        if opts.compare or opts.into not in (None, own):
            raise UsageError("--in-place writes MONGO_DATABASE: leave out --into and --compare")
        return own
    if opts.into is None:
        raise UsageError("--into which database? Name one, such as --into rankspider_replayed")
    into: str = opts.into
    if not is_database_name(into):
        raise UsageError(f"--into {DATABASE_NAMES}")
    # MongoDB tells no two databases apart by case alone.
    if into.casefold() == own.casefold():
        raise UsageError(f"--into {into} is MONGO_DATABASE itself: name another, or --in-place")
    return into


async def _replay(
    lake: Database[Document],
    uri: str,
    target: str,
    configuration: Configuration,
    selection: AnswerFilter,
) -> Replayed:
    """Replay until all is done or the first Ctrl-C, after which everything is durable; a second one
    ends it at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def finish() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, finish)
    reader = ArchiveReader(lake)
    async with Feed(Store(uri, target, configuration.retention)) as feed:
        replay = Replay(
            reader,
            feed,
            keep_private=configuration.keep_private_fields,
            stop=stop,
            progress=_Progress(reader.count(selection)),
        )
        replayed = await replay.run(selection)
        replayed.stored = feed.stored()
        return replayed


class _Progress:
    """Writes a line on standard error now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def __call__(self, replayed: Replayed) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_SECONDS
            _say(f"{replayed.answers:,} of {self._total:,} answers replayed")


def _say(line: str) -> None:
    sys.stderr.write(f"scrapy replay: {line}\n")
