"""``scrapy concentration``: how much of an hour's points the first few have."""

from rankspider.moments import span_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.concentration import Concentration, concentration
from rankspider.report import Report


class Command(QuestionCommand):
    name = "concentration"
    default_hours = 24
    rests_on_ends = True
    summary = "Share of an hour's points that the first 3 and 10 have"
    description = (
        "Of the points on the list as it was seen last in each hour: the share of the first 3 and "
        "the first 10 places, and the Herfindahl-Hirschman index (10,000: one seller has all; 100: "
        "a hundred equal ones). As in: scrapy concentration --from 2d --csv."
    )

    def answer(self, asking: Asking) -> Report:
        name, period = asking.list_and_period()
        rows = concentration(asking.database, name, period)
        head = f"{name}: concentration, {span_text(period, asking.zone)}"
        asking.about_hours(name, period)  # for its remarks: the rows tell the rest
        return Report(head, Concentration, rows)
