"""``scrapy day``: one seller's sessions, and what its time came to."""

from rankspider.moments import span_text
from rankspider.questions.command import Asking
from rankspider.questions.day import DaySession, day
from rankspider.questions.groups import PeriodCommand
from rankspider.report import Report


class Command(PeriodCommand):
    name = "day"
    names_an_anchor = True
    summary = "One seller's day: sessions with start and end, hours listed, points"
    description = (
        "Each session of ANCHOR in a period: since when it was on air, until when it was seen so, "
        "by when it was gone, hours listed, best place, points; the last row sums up the period. "
        "As in: scrapy day NAME --from 2030-01-31 --to 2030-02-01."
    )

    def answer(self, asking: Asking) -> Report:
        person = asking.anchor()
        name, period = asking.list_and_period()
        rows = day(asking.database, name, period, person.user_id)
        head = f"{person.label} in {name}, {span_text(period, asking.zone)}"
        return Report(head, DaySession, rows, asking.about_hours(name, period))
