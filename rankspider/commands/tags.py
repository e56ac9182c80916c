"""``scrapy tags``: what is sold, by share of places and points."""

from typing import Any

from rankspider.lake.questions.tags import TagShare, tags
from rankspider.moments import span_text
from rankspider.question import EXIT_CODES, Asking, QuestionCommand
from rankspider.report import Report

_DEFAULT_HOURS = 24


class Command(QuestionCommand):
    name = "tags"

    def short_desc(self) -> str:
        return "Tags and their share of places and points"

    def long_desc(self) -> str:
        return (
            "Over the lists as they were seen last in each hour: how many places each tag (综合 "
            "...) holds, and how many points these have. A place with several tags counts for "
            f"each. As in: scrapy tags --from 2030-01-31 --hours 24 --json. {EXIT_CODES}"
        )

    def add_question(self, group: Any) -> None:
        self.add_period(group, _DEFAULT_HOURS)

    def answer(self, asking: Asking) -> Report:
        name, period = asking.list_and_period(_DEFAULT_HOURS)
        head = f"{name}: tags, {span_text(period, asking.zone)}"
        return Report(head, TagShare, tags(asking.database, name, period))
