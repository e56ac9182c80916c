"""``scrapy thresholds``: the score it takes for some places, by hour of day."""

from typing import Any

from scrapy.exceptions import UsageError

from rankspider.moments import span_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.thresholds import Threshold, thresholds
from rankspider.report import Report

_WITHIN_SECONDS = 300


class Command(QuestionCommand):
    name = "thresholds"
    default_hours = 7 * 24
    summary = "The score needed for places 1, 3, 10 and last, by hour of day"
    description = (
        "For each hour of day, the least, the median and the highest score that places 1, 3, 10 "
        "and the last one had when their hours closed. As in: scrapy thresholds --from 2030-01-01 "
        "--to 2030-02-01."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--within",
            type=float,
            default=_WITHIN_SECONDS,
            metavar="S",
            help="only hours whose list was seen in their last S seconds (%(default)s)",
        )

    def answer(self, asking: Asking) -> Report:
        within = asking.options.within
        if not within >= 0:  # nor NaN
            raise UsageError("--within must be 0 or more")
        name, period = asking.list_and_period()
        rows = thresholds(asking.database, name, period, asking.zone, within_seconds=within)
        head = f"{name}: scores at the close, {span_text(period, asking.zone)}"
        note = f"Without hours whose list was not seen in their last {within:g} s (--within)."
        return Report(head, Threshold, rows, [note, *asking.about_hours(name, period)])
