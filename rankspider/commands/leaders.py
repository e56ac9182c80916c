"""``scrapy leaders``: who led a day, a week or a month."""

from typing import Any

from rankspider.moments import span_text
from rankspider.questions.command import Asking
from rankspider.questions.groups import PeriodCommand
from rankspider.questions.leaders import MEASURES, Leader, leaders
from rankspider.report import Report
from rankspider.terminal import harmless


class Command(PeriodCommand):
    name = "leaders"
    summary = "Who led a day, a week or a month: points, hours, wins, first ten"
    description = (
        "Of the lists as they were seen last in each hour: the sum of each seller's points, the "
        "hours it was listed, first, and in the first ten, and its best place. As in: scrapy "
        "leaders --week --by wins --tag 服饰."
    )

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--by", choices=MEASURES, default="points", help="what orders them (%(default)s)"
        )
        group.add_argument("--tag", metavar="TAG", help="only places of sellers with this tag then")
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="the first N (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        name, period = asking.list_and_period()
        options = asking.options
        by, tag, most = options.by, options.tag, options.limit
        rows = leaders(asking.database, name, period, by=by, tag=tag, most=most)
        which = f" of {harmless(tag)}" if tag is not None else ""
        head = f"{name}: leaders{which} by {by}, {span_text(period, asking.zone)}"
        return Report(head, Leader, rows, asking.about_hours(name, period))
