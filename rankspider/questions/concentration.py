"""How much of an hour's points the first few have."""

import datetime as dt
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.finals import finals
from rankspider.questions.lists import ListName
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """Shares of the points on the list as it was seen last in an hour."""

    hour: dt.datetime = column("hour", is_hour=True)
    seconds_before_close: int = column("s before close")
    places: int
    points: int
    """Of all places together."""
    first_3_percent: float | None = column("first 3 %")
    """None, as the next two, if nobody has a point."""
    first_10_percent: float | None = column("first 10 %")
    hhi: float | None = column("HHI")
    """Herfindahl–Hirschman index: the squares of all shares in percent, added up. 10,000 is one
    seller alone; 100 is a hundred equal ones."""


def concentration(
    database: Database[Document], name: ListName, period: Period
) -> list[Concentration]:
    """Return one row an hour, the earliest first, from `finals` with ``{scores: "$scores"}``.

    Added up here: a server's sum of 64-bit points may pass 64 bits.
    """
    found = finals(database, name, period, {"scores": "$scores"})
    return [_row(final.hour, final.seconds_before_close, final.fields["scores"]) for final in found]


def _row(hour: dt.datetime, seconds_before_close: int, scores: list[int]) -> Concentration:
    points = sum(scores)
    return Concentration(
        hour=hour,
        seconds_before_close=seconds_before_close,
        places=len(scores),
        points=points,
        first_3_percent=100 * sum(scores[:3]) / points if points else None,
        first_10_percent=100 * sum(scores[:10]) / points if points else None,
        hhi=sum((100 * score / points) ** 2 for score in scores) if points else None,
    )
