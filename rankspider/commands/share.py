"""``scrapy share``: what share of the points one seller or a group had."""

from typing import Any

from rankspider.moments import span_text
from rankspider.questions.command import Asking
from rankspider.questions.groups import GroupCommand, PeriodCommand
from rankspider.questions.versus import Share, share
from rankspider.report import Report


class Command(GroupCommand, PeriodCommand):
    name = "share"
    summary = "Share of the points that one seller or a group had, by hour or day"
    description = (
        "Of the points on the list as it was seen last in each hour: how many one seller had, or "
        "several together. As in: scrapy share --file my_anchors.txt --week --by day."
    )

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--by", choices=("hour", "day"), default="hour", help="a row for each (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        people = self.people(asking)
        name, period = asking.list_and_period()
        zone = asking.zone if asking.options.by == "day" else None
        ids = [person.user_id for person in people]
        rows = share(asking.database, name, period, ids, zone)
        who = people[0].label if len(people) == 1 else f"{len(people)} anchors"
        head = f"{name}: share of {who}, {span_text(period, asking.zone)}"
        return Report(head, Share, rows, asking.about_hours(name, period))
