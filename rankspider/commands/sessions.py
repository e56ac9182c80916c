"""``scrapy sessions``: live sessions, and what each made of its time on air."""

from typing import Any

from rankspider.moments import span_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.sessions import Session, sessions
from rankspider.report import Report


class Command(QuestionCommand):
    name = "sessions"
    default_hours = 24
    rests_on_ends = True
    may_name_an_anchor = True
    summary = "Live sessions: minutes on air at entry into the list and at the peak"
    description = (
        "The sessions with the highest peaks, or ANCHOR's: since when it was on air, for how long "
        "when it entered the list and when it had the most points, its best place, and the hours "
        "the lake has of it. ANCHOR is a user_id, a sec_id, a profile link, a display_id, a "
        "short_id, or (part of) a nickname. As in: scrapy sessions NAME --hours 168."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="N sessions (%(default)s)"
        )

    def answer(self, asking: Asking) -> Report:
        person = None if asking.name is None else asking.anchor()
        name, period = asking.list_and_period()
        user_id, who = (person.user_id, f" of {person.label}") if person else (None, "")
        most = asking.options.limit
        rows = sessions(asking.database, name, period, user_id=user_id, most=most)
        head = f"{name}: sessions{who}, {span_text(period, asking.zone)}"
        return Report(head, Session, rows, asking.about_hours(name, period))
