"""``scrapy coverage``: hours without a list or its end, and anchors that were not seen."""

import argparse
from typing import Any

from scrapy.exceptions import UsageError

from rankspider.moments import span_text
from rankspider.questions.calls import anchors_without_own
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.coverage import HourCovered, Unseen, hours_covered, unseen
from rankspider.report import Report

_WITHIN_SECONDS = 120
_UNSEEN_HOURS = 3
_MOST_HOURS = 100_000
_HAS_GAPS = 1


class Command(QuestionCommand):
    name = "coverage"
    default_hours = 24
    ends_now = True
    summary = "What the lake missed: hours, ends of hours, anchors"
    description = (
        "For each hour up to now, whether its list is there, how shortly before the close it was "
        "seen last, and the longest time without an observation; with --anchors, which anchors "
        "asked for in these hours have not been seen since. A cron job may run: scrapy coverage "
        "--hours 6 --fail-on-gaps."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--within",
            type=float,
            default=_WITHIN_SECONDS,
            metavar="S",
            help="an hour's list must have been seen in its last S seconds (%(default)s)",
        )
        group.add_argument(
            "--anchors", action="store_true", help="show the anchors that were not seen"
        )
        group.add_argument(
            "--unseen",
            type=float,
            default=_UNSEEN_HOURS,
            metavar="N",
            help="anchors not seen for N hours (%(default)s)",
        )
        group.add_argument(
            "--fail-on-gaps",
            action="store_true",
            help="exit code 1 if an hour or its end is missing, or an anchor was not seen",
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        self._has_gaps = False
        exit_code = super().execute(args, opts)
        return _HAS_GAPS if self._has_gaps and opts.fail_on_gaps else exit_code

    def answer(self, asking: Asking) -> Report:
        options, database = asking.options, asking.database
        if not (options.within >= 0 and 0 <= options.unseen <= _MOST_HOURS):
            raise UsageError(f"--within must be 0 or more, --unseen from 0 to {_MOST_HOURS}")
        name, period = asking.list_and_period()
        within = options.within
        hours = list(hours_covered(database, name, period, asking.now, within_seconds=within))
        missed = unseen(database, period, asking.now, hours=options.unseen)
        gaps = sum(hour.is_gap for hour in hours)
        self._has_gaps = bool(gaps or missed)
        asking.about_hours(name, period)  # for its remarks: the notes are this answer itself
        span = span_text(period, asking.zone)
        notes = [
            f"Hours without a list, or without one in the last {within:g} s (--within): {gaps}",
            f"Anchors asked for, and not seen for {options.unseen:g} hours (--unseen): "
            f"{len(missed)}"
            + (" (--anchors shows them)" if missed and not options.anchors else ""),
        ]
        if silent := anchors_without_own(database, period):
            notes.append(
                f"Anchors that got lists and no standing of their own: {silent} ('scrapy calls "
                "--by anchor' names them)"
            )
        if options.anchors:
            return Report(f"Anchors asked for and not seen, {span}", Unseen, missed, notes)
        return Report(f"{name}: coverage, {span}", HourCovered, hours, notes)
