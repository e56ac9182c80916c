"""What it takes: the score of some places when the hour closed, by hour of day."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.finals import finals
from rankspider.questions.lists import ListName

PLACES = (1, 3, 10)
LAST = "last"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score of one place at the close of the hours that begin at one hour of day."""

    hour_of_day: int
    """0 to 23, in the zone asked for."""
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
) -> list[Threshold]:
    """By hour of day and place; hours whose last state is older than asked for are left out.

    `finals` with ``{"1": {$arrayElemAt: ["$scores", 0]}, …, last: {$last: "$scores"}}``. Of each
    hour no more than these numbers are kept.
    """
    fields: dict[str, Any] = {
        str(place): {"$arrayElemAt": ["$scores", place - 1]} for place in places
    }
    fields[LAST] = {"$arrayElemAt": ["$scores", -1]}
    scores: dict[tuple[int, str], list[int]] = defaultdict(list)
    for final in finals(database, name, period, fields, within_seconds=within_seconds):
        hour_of_day = final.hour.astimezone(zone).hour
        # A place beyond the end of the list has no score.
        for place, score in final.fields.items():
            scores[hour_of_day, place].append(score)
    order = [(hour, place) for hour in range(24) for place in fields]
    return [
        Threshold(*key, len(found), min(found), float(median(found)), max(found))
        for key in order
        if (found := scores.get(key))
    ]
