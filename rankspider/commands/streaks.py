"""``scrapy streaks``: time on the list, of one anchor or of those with the most."""

from typing import Any

from rankspider.moments import hour_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.streaks import Streaks, leaders, streaks_of
from rankspider.report import Report


class Command(QuestionCommand):
    name = "streaks"
    default_hours = 24
    rests_on_ends = True
    may_name_an_anchor = True
    summary = "Show who was on the list for how many hours, and how many in a row"
    description = (
        "Show in how many hours of a period ANCHOR, or each of those with the most of them, was "
        "seen on the list; the longest streak of hours in a row; and the one that still goes on. "
        "An hour that the lake has no list of ends a streak. ANCHOR is a user_id, a sec_id, a "
        "profile link, a display_id, a short_id, or (part of) a nickname. Examples: 'scrapy "
        "streaks --hours 168 --limit 10', 'scrapy streaks MS4wLjABAAAA... --from 2030-01-31'."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="the first N (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        anchor = asking.anchor() if asking.name is not None else None
        name, period = asking.list_and_period()
        if anchor is not None:
            rows = streaks_of(asking.database, name, period, anchor.user_id)
        else:
            rows = leaders(asking.database, name, period, asking.options.limit)
        start, end = (hour_text(hour, asking.zone) for hour in (period.start, period.end))
        head = f"{name}, {len(period)} hours from {start} to {end}"
        notes = asking.about_hours(name, period)
        return Report(head=head, row=Streaks, rows=rows, notes=notes)
