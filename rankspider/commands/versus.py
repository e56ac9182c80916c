"""``scrapy versus``: which of two was ahead, by hour of day."""

from scrapy.exceptions import UsageError

from rankspider.moments import span_text
from rankspider.questions.command import Asking
from rankspider.questions.groups import GroupCommand, PeriodCommand
from rankspider.questions.versus import Ahead, versus
from rankspider.report import Report


class Command(GroupCommand, PeriodCommand):
    name = "versus"
    default_hours = 7 * 24
    least = most = 2
    summary = "In how many hours each of two sellers was ahead, by hour of day"
    description = (
        "Of the lists as they were seen last in each hour: in how many of them the seller named "
        "first stood above the other, the other above it, and neither was listed, by hour of day. "
        "As in: scrapy versus NAME 25892778718 --month."
    )

    def answer(self, asking: Asking) -> Report:
        people = self.people(asking)
        if len(people) < 2:
            raise UsageError(f"both names are of one anchor, {people[0].label}: name another one")
        first, second = people
        name, period = asking.list_and_period()
        ids = (first.user_id, second.user_id)
        rows = versus(asking.database, name, period, asking.zone, *ids)
        span = span_text(period, asking.zone)
        head = f"{name}: {first.label} (first) versus {second.label} (second), {span}"
        ahead = [sum(row.first_ahead for row in rows), sum(row.second_ahead for row in rows)]
        sums = f"Ahead in all: the first in {ahead[0]} hours, the second in {ahead[1]}"
        return Report(head, Ahead, rows, [sums, *asking.about_hours(name, period)])
