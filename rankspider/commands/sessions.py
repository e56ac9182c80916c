"""``scrapy sessions``: live sessions, and what each made of its time on air."""

from typing import Any

from scrapy.exceptions import UsageError

from rankspider.lake.questions.sessions import Session, sessions
from rankspider.moments import span_text
from rankspider.question import EXIT_CODES, Asking, QuestionCommand
from rankspider.report import Report

_DEFAULT_HOURS = 24
_MOST = 20


class Command(QuestionCommand):
    name = "sessions"
    may_name_an_anchor = True

    def short_desc(self) -> str:
        return "Live sessions: minutes on air at entry into the list and at the peak"

    def long_desc(self) -> str:
        return (
            "The sessions with the highest peaks, or ANCHOR's: since when it was on air, for how "
            "long when it entered the list and when it had the most points, its best place, and "
            "the hours the lake has of it. ANCHOR is a user_id, a sec_id, a profile link, a "
            "display_id, a short_id, or (part of) a nickname. As in: scrapy sessions NAME --hours "
            f"168. {EXIT_CODES}"
        )

    def add_question(self, group: Any) -> None:
        self.add_period(group, _DEFAULT_HOURS)
        group.add_argument(
            "--limit", type=int, default=_MOST, metavar="N", help="N sessions (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        most = asking.options.limit
        if most < 1:
            raise UsageError("--limit must be 1 or more")
        person = None if asking.name is None else asking.anchor()
        name, period = asking.list_and_period(_DEFAULT_HOURS)
        user_id = None if person is None else person.user_id
        rows = sessions(asking.database, name, period, user_id=user_id, most=most)
        who = "" if person is None else f" of {person.label}"
        head = f"{name}: sessions{who}, {span_text(period, asking.zone)}"
        return Report(head, Session, rows)
