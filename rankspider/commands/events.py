"""``scrapy events``: what happened since a moment, and as it happens."""

import argparse
import datetime as dt
import sys
import time
from typing import Any, NoReturn

from scrapy.exceptions import UsageError

from rankspider.connections import mongo_errors
from rankspider.connections.mongo import WRITE_SECONDS
from rankspider.moments import HOUR, moment_in, moment_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.events import Event
from rankspider.questions.following import Following
from rankspider.report import Report, json_of
from rankspider.terminal import remark


class Command(QuestionCommand):
    name = "events"
    asks_of_a_time = False
    answers_within = WRITE_SECONDS  # so that --follow notices a server that says nothing
    summary = "Who entered, left, was passed, went on air, or broke its record"
    description = (
        "What was first seen since a moment: who entered or left the first --first places, was "
        "passed within them, went on air, or had its best place or most points so far. As in: "
        "scrapy events --since 45min, or scrapy events --follow, which writes JSON, one object a "
        "line, as it happens, until Ctrl-C."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument("--since", default="1h", metavar="T", help="from T on (%(default)s)")
        group.add_argument(
            "--first", type=int, default=10, metavar="N", help="the first N places (%(default)s)"
        )
        group.add_argument("--follow", action="store_true", help="go on until Ctrl-C, as JSON")
        group.add_argument(
            "--every", type=float, default=2, metavar="S", help="--follow: look each S seconds"
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if opts.first < 1 or not 0 < opts.every <= 3600:
            raise UsageError("--first must be 1 or more, --every above 0, and 3600 at most")
        if opts.follow and opts.csv:
            raise UsageError("--follow writes JSON: leave out --csv")
        return super().execute(args, opts)

    def answer(self, asking: Asking) -> Report:
        options, zone = asking.options, asking.zone
        since = moment_in(options.since, "--since", zone, asking.now)
        assert since is not None
        if not dt.timedelta(0) < asking.now - since <= 31 * 24 * HOUR:
            raise UsageError("--since must be in the past, by 31 days at most")
        name, _ = asking.list_and_hour()
        asking.context.clear()  # a row has its own
        which = {"currency": options.currency, "title": options.title}
        following = Following(asking.database, name, since, first=options.first, **which)
        if options.follow:
            self._follow(following, options.every)
        head = f"{name}: since {moment_text(since, zone)}"
        return Report(head, Event, following.news(asking.now))

    @staticmethod
    def _follow(following: Following, every: float) -> NoReturn:
        """Write what comes until Ctrl-C, and wait for a MongoDB that is away."""
        is_away = False
        while True:
            try:
                new = following.news(dt.datetime.now(dt.UTC))
            except Exception as error:
                if not mongo_errors.is_away(error):
                    raise
                if not is_away:
                    why = mongo_errors.server_message(error)
                    remark(f"MongoDB is away ({why}): waiting until it is back")
                is_away = True
            else:
                if is_away:
                    remark("MongoDB is back")
                is_away = False
                sys.stdout.writelines(json_of(Report("", Event, new)))
                sys.stdout.flush()
            time.sleep(every)
