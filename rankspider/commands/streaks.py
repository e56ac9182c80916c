"""``scrapy streaks``: time on the list, of one anchor or of those with the most."""

import argparse
from typing import Any

from scrapy.exceptions import UsageError

from rankspider.lake.questions.streaks import Streaks, leaders, streaks_of
from rankspider.moments import hour_text
from rankspider.question import EXIT_CODES, Asking, QuestionCommand
from rankspider.report import Report

_HOURS = 24


class Command(QuestionCommand):
    name = "streaks"
    may_name_an_anchor = True

    def short_desc(self) -> str:
        return "Show who was on the list for how many hours, and how many in a row"

    def long_desc(self) -> str:
        return (
            "Show in how many hours of a period ANCHOR, or each of those with the most of them, "
            "was seen on the list; the longest streak of hours in a row; and the one that still "
            "goes on. An hour that the lake has no list of ends a streak. ANCHOR is a user_id, a "
            "sec_id, a profile link, a display_id, a short_id, or (part of) a nickname. Examples: "
            "'scrapy streaks --hours 168 --limit 10', 'scrapy streaks MS4wLjABAAAA... --from "
            "2030-01-31'. " + EXIT_CODES
        )

    def add_question(self, group: Any) -> None:
        self.add_period(group, _HOURS)
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="the first N (%(default)s)"
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if opts.limit < 1:
            raise UsageError("--limit must be 1 or more")
        return super().execute(args, opts)

    def answer(self, asking: Asking) -> Report:
        anchor = asking.anchor() if asking.name is not None else None
        name, period = asking.list_and_period(_HOURS)
        if anchor is not None:
            rows = streaks_of(asking.database, name, period, anchor.user_id)
        else:
            rows = leaders(asking.database, name, period, asking.options.limit)
        start, end = (hour_text(hour, asking.zone) for hour in (period.start, period.end))
        head = f"{name}, {len(period)} hours from {start} to {end}"
        return Report(head=head, row=Streaks, rows=rows)
