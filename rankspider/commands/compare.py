"""``scrapy compare``: some anchors against the list."""

from typing import Any

from scrapy.exceptions import UsageError

from rankspider.moments import HOUR, hour_text
from rankspider.questions.command import Asking
from rankspider.questions.compare import Compared, compare
from rankspider.questions.groups import GroupCommand
from rankspider.report import Report


class Command(GroupCommand):
    name = "compare"
    summary = "My anchors against the list: place, points, speed, and the next to pass"
    description = (
        "Where each anchor stood when it was seen last in an hour, listed or not: place, points, "
        "points to the next better place, points a minute over the last --minutes, and the "
        "minutes until it passes the next one at these speeds. As in: scrapy compare NAME "
        "25892778718, or scrapy compare --file my_anchors.txt --hour 3h."
    )

    def add_question(self, group: Any) -> None:
        super().add_question(group)
        group.add_argument(
            "--minutes", type=float, default=10, metavar="N", help="speed over N (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        minutes = asking.options.minutes
        if not 0 < minutes <= 60:
            raise UsageError("--minutes must be above 0, and 60 at most")
        people = self.people(asking)
        name, hour = asking.list_and_hour()
        rows = compare(asking.database, name, hour, people, minutes=minutes)
        state = "over" if hour + HOUR <= asking.now else "live"
        head = f"{name}, hour of {hour_text(hour, asking.zone)} ({state})"
        return Report(head, Compared, rows)
