"""``scrapy thresholds``: the score it takes for some places, by hour of day."""

from typing import Any

from scrapy.exceptions import UsageError

from rankspider.moments import span_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.thresholds import PLACES, TIMES, Threshold, thresholds
from rankspider.report import Report
from rankspider.terminal import harmless

_WITHIN_SECONDS = 300


class Command(QuestionCommand):
    name = "thresholds"
    default_hours = 7 * 24
    summary = "The score needed for places 1, 3, 10 and last, by hour of day"
    description = (
        "For each hour of day, the least, the median and the highest score that places 1, 3, 10 "
        "and the last one had when their hours closed. As in: scrapy thresholds --from 2030-01-01 "
        "--to 2030-02-01; or, for when the tenth place of a trade is cheap: scrapy thresholds "
        "--hours 672 --tag 服饰 --by both --place 10."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--within",
            type=float,
            default=_WITHIN_SECONDS,
            metavar="S",
            help="only hours whose list was seen in their last S seconds (%(default)s)",
        )

        group.add_argument(
            "--by", choices=tuple(TIMES), default="hour", help="a row for each (%(default)s)"
        )
        group.add_argument("--tag", metavar="TAG", help="places among the sellers with this tag")
        group.add_argument(
            "--place", type=int, metavar="N", help="of place N alone, the cheapest times first"
        )

    def answer(self, asking: Asking) -> Report:
        within = asking.options.within
        if not within >= 0:  # nor NaN
            raise UsageError("--within must be 0 or more")
        name, period = asking.list_and_period()
        place, by, tag = asking.options.place, asking.options.by, asking.options.tag
        if place is not None and place < 1:
            raise UsageError("--place must be 1 or more")
        how = {"within_seconds": within, "by": by, "tag": tag}
        database, zone, places = asking.database, asking.zone, [place] if place else PLACES
        rows = thresholds(database, name, period, zone, places=places, **how)
        if place:
            rows = [row for row in rows if row.place == str(place)]
            rows.sort(key=lambda row: row.median)
        among = f" among {harmless(tag)}" if tag is not None else ""
        head = f"{name}: scores at the close{among}, {span_text(period, asking.zone)}"
        note = f"Without hours whose list was not seen in their last {within:g} s (--within)."
        return Report(head, Threshold, rows, [note, *asking.about_hours(name, period)])
