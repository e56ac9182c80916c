"""``scrapy trend``: one anchor's places over the hours."""

from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.trend import HourPlace, trend
from rankspider.report import Report


class Command(QuestionCommand):
    name = "trend"
    default_hours = 24
    names_an_anchor = True
    rests_on_ends = True
    summary = "Show an anchor's places over the hours"
    description = (
        "Show where ANCHOR stood when each hour's list was seen last, its best place of the hour, "
        "and its points. ANCHOR is a user_id, a sec_id, a profile link, a display_id, a short_id, "
        "or (part of) a nickname. Examples: 'scrapy trend MS4wLjABAAAA... --hours 72', 'scrapy "
        "trend 77 --from 2030-01-31 --to 2030-02-01 --csv'."
    )

    def answer(self, asking: Asking) -> Report:
        anchor = asking.anchor()
        name, period = asking.list_and_period()
        rows = trend(asking.database, name, period, anchor.user_id)
        return Report(
            head=f"{anchor.label} in {name}",
            row=HourPlace,
            rows=rows,
            notes=asking.about_hours(name, period),
        )
