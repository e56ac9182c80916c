"""``scrapy rising``: who moved most against the period before."""

from typing import Any

from rankspider.moments import span_text
from rankspider.questions.command import Asking
from rankspider.questions.groups import PeriodCommand
from rankspider.questions.leaders import Riser, before, rising
from rankspider.report import Report


class Command(PeriodCommand):
    name = "rising"
    summary = "Who gained most against the day, week or month before, and new faces"
    description = (
        "Each seller's points and hours on the list, as it was seen last in each hour, against "
        "the period before, of the same length. As in: scrapy rising --week --by hours."
    )

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--by", choices=("points", "hours"), default="points", help="(%(default)s)"
        )
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="the first N (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        name, period = asking.list_and_period()
        by, most = asking.options.by, asking.options.limit
        rows = rising(asking.database, name, period, by=by, most=most)
        head = f"{name}: rising by {by}, {span_text(period, asking.zone)}"
        notes = asking.about_hours(name, period)
        earlier = asking.about_hours(name, before(period))
        return Report(head, Riser, rows, [*notes, *(f"The period before: {n}" for n in earlier)])
