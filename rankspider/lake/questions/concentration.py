"""How much of an hour's points the first few have."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake.lists import Document, ListName
from rankspider.lake.questions.finals import finals
from rankspider.moments import Period
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


_TOTAL = {"$sum": "$scores"}
_FIELDS: dict[str, Any] = {
    "places": {"$size": "$scores"},
    "points": _TOTAL,
    "first_3": {"$sum": {"$slice": ["$scores", 3]}},
    "first_10": {"$sum": {"$slice": ["$scores", 10]}},
    # Shares are squared, not points: those squares could pass 64 bits.
    "squares": {
        "$cond": [
            {"$gt": [_TOTAL, 0]},
            {
                "$let": {
                    "vars": {"total": _TOTAL},
                    "in": {
                        "$sum": {
                            "$map": {
                                "input": "$scores",
                                "as": "score",
                                "in": {"$pow": [{"$divide": ["$$score", "$$total"]}, 2]},
                            }
                        }
                    },
                }
            },
            None,
        ]
    },
}


def concentration(
    database: Database[Document], name: ListName, period: Period
) -> list[Concentration]:
    """One row an hour, the earliest first.

    `finals` with sums over ``$scores``, such as ``{$sum: {$slice: ["$scores", 3]}}``; the squares
    are ``{$sum: {$map: {input: "$scores", in: {$pow: [{$divide: ["$$this", total]}, 2]}}}}``.
    """
    found = finals(database, name, period, _FIELDS)
    return [_row(final.hour, final.seconds_before_close, **final.fields) for final in found]


def _row(
    hour: dt.datetime,
    seconds_before_close: int,
    places: int,
    points: int,
    first_3: int,
    first_10: int,
    squares: float | None,
) -> Concentration:
    return Concentration(
        hour=hour,
        seconds_before_close=seconds_before_close,
        places=places,
        points=points,
        first_3_percent=100 * first_3 / points if points else None,
        first_10_percent=100 * first_10 / points if points else None,
        hhi=None if squares is None else 10_000 * squares,
    )
