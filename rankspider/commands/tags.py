"""``scrapy tags``: what is sold, by share of places and points."""

from rankspider.moments import span_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.tags import TagShare, tags
from rankspider.report import Report


class Command(QuestionCommand):
    name = "tags"
    default_hours = 24
    rests_on_ends = True
    summary = "Tags and their share of places and points"
    description = (
        "Over the lists as they were seen last in each hour: how many places each tag (综合 ...) "
        "holds, and how many points these have. A place with several tags counts for each. As in: "
        "scrapy tags --from 2030-01-31 --hours 24 --json."
    )

    def answer(self, asking: Asking) -> Report:
        name, period = asking.list_and_period()
        head = f"{name}: tags, {span_text(period, asking.zone)}"
        rows = tags(asking.database, name, period)
        return Report(head, TagShare, rows, asking.about_hours(name, period))
