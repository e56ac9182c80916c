"""``scrapy movers``: who came onto the list and who left it, against the hour before."""

import datetime as dt
from collections import Counter
from typing import Any, get_args

from rankspider.errors import NotInTheLake
from rankspider.moments import HOUR, Period, clock_text, hour_text
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.lists import ListName
from rankspider.questions.movers import Move, Mover, movers
from rankspider.questions.states import State, state_at
from rankspider.report import Report


class Command(QuestionCommand):
    name = "movers"
    rests_on_ends = True
    summary = "Show who entered and left the list against the hour before"
    description = (
        "Show who stands on an hour's list and did not on that of the hour before, and who no "
        "longer does, both lists as they were seen last; with --all also who went up, down or kept "
        "the place. Examples: 'scrapy movers', 'scrapy movers --hour 2030-01-31T19:00 --all "
        "--json'."
    )

    def add_question(self, group: Any) -> None:
        group.add_argument("--all", action="store_true", help="also those who stayed")

    def answer(self, asking: Asking) -> Report:
        name, hour = asking.list_and_hour()
        found = movers(asking.database, name, hour)
        about = asking.about_hours(name, Period(hour - HOUR, hour + HOUR))
        if found is None:
            missing = f"{_missing(name, hour, asking)}: give another --hour"
            raise NotInTheLake("; ".join([missing, *asking.remarks]))
        shown = [row for row in found.rows if asking.options.all or row.move in ("entered", "left")]
        states = f"{_seen(found.before, asking)}; {_seen(found.after, asking)}"
        moves = Counter(row.move for row in found.rows)
        counts = ", ".join(f"{move}: {moves[move]}" for move in get_args(Move))
        return Report(head=f"{name}: {states}", row=Mover, rows=shown, notes=[counts, *about])


def _missing(name: ListName, hour: dt.datetime, asking: Asking) -> str:
    """Say which of the two lists that are compared is not there, or that neither is."""
    missing = [
        f"the {which} ({hour_text(begin, asking.zone)})"
        for which, begin in (("hour", hour), ("hour before", hour - HOUR))
        if state_at(asking.database, name, begin) is None
    ]
    return f"the lake does not hold {name} of {' and of '.join(missing)}"


def _seen(state: State, asking: Asking) -> str:
    hour = hour_text(state.hour, asking.zone)
    return f"hour of {hour}, seen at {clock_text(state.seen_at, asking.zone)}"
