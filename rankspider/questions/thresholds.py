"""What it takes: the score of some places when the hour closed, by hour of day or weekday."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.lists import ListName
from rankspider.questions.results import results

PLACES = (1, 3, 10)
LAST = "last"
_ANY = -1
TIMES: dict[str, Callable[[dt.datetime], tuple[int, int]]] = {
    "hour": lambda hour: (_ANY, hour.hour),
    "weekday": lambda hour: (hour.isoweekday(), _ANY),
    "both": lambda hour: (hour.isoweekday(), hour.hour),
}
"""Weekday and hour of day."""
_Key = tuple[tuple[int, int], int, str]
"""Time, and number and name of the place."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score of one place at the close of the hours that begin at one time of day or week."""

    weekday: int | None
    """1, Monday, to 7, in the zone asked for; None if it was not asked for."""
    hour_of_day: int | None
    """0 to 23, the same."""
    place: str
    """A number, or ``last``: the end of the list, however long it was."""
    hours: int
    """How many such hours there were with that place."""
    minimum: int
    median: float
    maximum: int


def thresholds(
    database: Database[Document],
    name: ListName,
    period: Period,
    zone: dt.tzinfo,
    *,
    places: Sequence[int] = PLACES,
    within_seconds: float = 300,
    by: str = "hour",
    tag: str | None = None,
) -> list[Threshold]:
    """Return one row for each time of one of `TIMES` and place; hours whose last state is older
    than asked for are left out.

    With ``tag``, places are counted among the sellers that had it then. From
    `rankspider.questions.results.results`, a day at a time. Of each hour no more than these numbers
    are kept.
    """
    scores: dict[_Key, list[int]] = defaultdict(list)
    for result in results(database, name, period, tag, within_seconds=within_seconds):
        hour, found = result.hour.astimezone(zone), list(result.scores.values())
        when = TIMES[by](hour)
        # A place beyond the end of the list has no score.
        for number, place in enumerate(places):
            if place <= len(found):
                scores[when, number, str(place)].append(found[place - 1])
        if found:
            scores[when, len(places), LAST].append(found[-1])
    return [
        Threshold(
            _known(when[0]),
            _known(when[1]),
            place,
            len(of_place),
            min(of_place),
            float(median(of_place)),
            max(of_place),
        )
        for (when, _, place), of_place in sorted(scores.items())
    ]


def _known(part: int) -> int | None:
    return None if part == _ANY else part
