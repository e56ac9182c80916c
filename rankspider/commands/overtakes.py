"""``scrapy overtakes``: who passed whom in the last minutes of an hour."""

import datetime as dt
from typing import Any

from scrapy.exceptions import UsageError

from rankspider.moments import HOUR, Period, clock_text, hour_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.overtakes import Overtake, overtakes
from rankspider.questions.states import State, state_at
from rankspider.report import Report

_DEFAULT_MINUTES = 5


class Command(QuestionCommand):
    name = "overtakes"
    rests_on_ends = True
    summary = "Who passed whom in the last minutes of an hour"
    description = (
        "Each time a seller on the list was first seen ahead of one that had been ahead of it, "
        "when the old order had been seen last, and both sellers' new places and points. Who "
        "enters or leaves the list passes nobody. As in: scrapy overtakes --hour 1h --minutes 10 "
        "--places 10."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument(
            "--minutes",
            type=float,
            default=_DEFAULT_MINUTES,
            metavar="M",
            help="seen in the hour's last M minutes (%(default)s)",
        )
        group.add_argument(
            "--places", type=int, metavar="N", help="only into one of the first N places (all)"
        )

    def answer(self, asking: Asking) -> Report:
        minutes, places = asking.options.minutes, asking.options.places
        if not 0 < minutes <= 60 or (places is not None and places < 1):
            raise UsageError("--minutes must be above 0 and at most 60, --places 1 or more")
        name, hour = asking.list_and_hour()
        rows = overtakes(asking.database, name, hour, minutes=minutes, places=places)
        head = (
            f"{name}: overtakes in the last {minutes:g} minutes of the hour of "
            f"{hour_text(hour, asking.zone)}"
        )
        notes = asking.about_hours(name, Period(hour, hour + HOUR))
        if not rows:
            notes.append(_why_none(state_at(asking.database, name, hour), asking))
        return Report(head, Overtake, rows, notes)


def _why_none(last: State | None, asking: Asking) -> str:
    """Say whether nobody looked, or nobody passed anybody; ``last`` is the list as it was seen
    last."""
    if last is None:
        return "The lake holds no state of the list as a whole in this hour: nothing can be told."
    since = last.hour + HOUR - dt.timedelta(minutes=asking.options.minutes)
    seen = f"the list was seen last at {clock_text(last.seen_at, asking.zone)}"
    if last.seen_at < since:
        return f"The list was not seen in these minutes: {seen}."
    return f"The list was seen in these minutes, and nobody passed anybody: {seen}."
