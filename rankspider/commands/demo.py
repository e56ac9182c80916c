"""``scrapy demo``: what ``make demo`` runs once everything is installed."""

import argparse
import datetime as dt
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Self

import redis
from pymongo.errors import PyMongoError
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.commands.board import board_text
from rankspider.configuration import Configuration
from rankspider.demo.agreement import Served
from rankspider.demo.run import ASKED, DATABASE, QUEUE, SELLERS, Demo
from rankspider.embedded import embedded_servers
from rankspider.errors import ServiceUnavailable
from rankspider.moments import clock_text
from rankspider.questions.board import Board
from rankspider.queue.anchor_queue import QueueCounts
from rankspider.terminal import shortened

_PLACES_SHOWN = 20
_LINE_SECONDS = 3.0
# The user's servers, licences and names are nothing of a demo's business.
_OWN_SETTINGS = {
    **dict.fromkeys(("RANK_API_URL", "RANK_API_TOKENS", "RANK_API_TOKENS_FILE")),
    **dict.fromkeys(("REDIS_URL", "MONGO_URI")),
    "MONGO_DATABASE": DATABASE,
    "RANK_QUEUE_KEY": QUEUE,
}


class Command(RankCommand):
    name = "demo"
    synopsis = ""
    summary = "Show the whole way from queue to MongoDB on made-up data"
    description = (
        f"Start embedded servers and a local endpoint with simulated data, queue {ASKED} anchors, "
        "crawl them and show the list read back from MongoDB. It has a database of its own, "
        f"{DATABASE}, and takes no notice of your servers and licences. Exit code 0: what was "
        "stored is what was served."
    )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if args:
            raise UsageError(f"not understood: {' '.join(args)}")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings = self.project_settings.copy()
        has_mongo = bool(settings.get("MONGO_URI"))
        settings.setdict(_OWN_SETTINGS, priority="cmdline")
        configuration = Configuration.read(settings)
        _say(f"A demo on made-up data: {SELLERS} simulated sellers, nobody else is asked.")
        try:
            with embedded_servers(configuration.data_dir, redis=True, mongo=True) as servers:
                _say(f"{servers.redis_note}\n{servers.mongo_note}")
                stored, served = _run(Demo(configuration, servers))
        except (redis.RedisError, PyMongoError) as error:
            raise ServiceUnavailable(
                f"an embedded server did not answer ({type(error).__name__}): try again, and see "
                f"the logs in {configuration.data_dir}"
            ) from None
        _show(stored, served, configuration.timezone)
        _say(_what_next(configuration, has_mongo=has_mongo))
        return 0


def _run(demo: Demo) -> tuple[Board, Served]:
    with demo.alone():
        demo.clean_up()
        with demo.simulating() as url:
            _say(f"rank endpoint (simulated data) on {url}")
            demo.enqueue()
            _say(f"{ASKED} anchors on the queue {QUEUE}; scrapy crawl goods_rank asks for them:")
            with _Progress() as progress:
                demo.crawl(url, progress.show)
        return demo.read_back()


def _show(stored: Board, served: Served, zone: dt.tzinfo) -> None:
    at = clock_text(served.at, zone)
    places, own = len(stored.rows), len(stored.own)
    del stored.rows[_PLACES_SHOWN:]
    _say(f"\n{board_text(stored, zone)}")
    _say(
        f"This list, read back from MongoDB, agrees with what the endpoint served at {at}: "
        f"{places} places and {own} own standings."
    )


def _what_next(configuration: Configuration, *, has_mongo: bool) -> str:
    # Somebody with a server of their own would look for the demo there.
    settings = ("MONGO_URI= " if has_mongo else "") + f"MONGO_DATABASE={DATABASE}"
    scrapy = _scrapy()
    return (
        f"\nThe data is made up. It stays in the database {DATABASE}, in\n"
        f"{configuration.data_dir}, until the next demo. To look again, and to go on:\n\n"
        f"  {settings} {scrapy} board\n"
        f"  {scrapy} simulate --help\n\n"
        "For real data:\n\n"
        "  export RANK_API_URL=https://HOST RANK_API_TOKENS=LICENCE\n"
        f"  {scrapy} enqueue MS4wLjABAAAA...\n"
        f"  {scrapy} crawl goods_rank -a drain=1\n"
        f"  {scrapy} board"
    )


def _scrapy() -> str:
    """Return ``scrapy`` as this user can type it."""
    ours = Path(sys.executable).parent / "scrapy"
    if shutil.which("scrapy") == str(ours):
        return "scrapy"
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)


class _Progress:
    """Writes one line again and again, or a line every few seconds where that can't be."""

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._line = ""
        self._written = -_LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_place:
            _say("")

    def show(self, counts: QueueCounts) -> None:
        left = counts.waiting + counts.leased + counts.delayed + counts.dead
        line = (
            f"  {ASKED - left} of {ASKED} anchors done, {counts.waiting} waiting, "
            f"{counts.leased} in flight"
        )
        if self._in_place:
            room = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r\x1b[K{shortened(line, room)}")
            sys.stdout.flush()
        elif line != self._line and (
            left == 0 or time.monotonic() - self._written >= _LINE_SECONDS
        ):
            self._written = time.monotonic()
            _say(line)
        self._line = line


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
