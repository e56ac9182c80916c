"""Who led a period, and who rose against the one before."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.results import Total, results, totals
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The hours of a period added up for one seller, each as its list was seen last."""

    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    user_id: str
    points: int
    """The sum of the points that it had on the list."""
    hours_listed: int
    wins: int
    """Hours in which it was first."""
    hours_in_first_10: int = column("in first 10")
    best_place: int


_BY: dict[str, Callable[[Total], int]] = {
    "points": lambda total: -total.points,
    "hours": lambda total: -len(total.places),
    "wins": lambda total: -total.wins,
    "first-10": lambda total: -total.in_first,
    "place": lambda total: min(total.places),
}
MEASURES = tuple(_BY)


def leaders(
    database: Database[Document],
    name: ListName,
    period: Period,
    *,
    by: str = "points",
    tag: str | None = None,
    most: int | None = None,
) -> list[Leader]:
    """Return the first ``most`` sellers of ``period`` by one of `MEASURES`, then by points.

    From `rankspider.questions.results.results`, which see for ``tag`` and for the query.
    """
    found = totals(results(database, name, period, tag))
    order = sorted(found, key=lambda who: (_BY[by](found[who]), -found[who].points, who))[:most]
    names = nicknames(database, order)
    return [
        Leader(
            nickname=names[who],
            user_id=who,
            points=found[who].points,
            hours_listed=len(found[who].places),
            wins=found[who].wins,
            hours_in_first_10=found[who].in_first,
            best_place=min(found[who].places),
        )
        for who in order
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Riser:
    """One seller's period against the one before."""

    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    user_id: str
    points_change: int
    points: int
    points_before: int
    hours_change: int
    hours_listed: int
    hours_before: int
    is_new: bool = column("new face")
    """It was in no hour's last list of the period before."""


def before(period: Period) -> Period:
    """Return the hours before ``period``, as many."""
    return Period.until(period.start, len(period))


def rising(
    database: Database[Document],
    name: ListName,
    period: Period,
    *,
    by: str = "points",
    most: int | None = None,
) -> list[Riser]:
    """Return the ``most`` sellers that gained most against the period `before`, by points or
    ``hours``.

    Whoever has left the list altogether is among them, at the end. From
    `rankspider.questions.results.results`, twice.
    """
    now = totals(results(database, name, period))
    then = totals(results(database, name, before(period)))
    rows = [_riser(who, now.get(who, Total()), then.get(who, Total())) for who in now | then]
    rows = sorted(rows, key=_hours_first if by == "hours" else _points_first)[:most]
    names = nicknames(database, (row.user_id for row in rows))
    return [replace(row, nickname=names[row.user_id]) for row in rows]


def _riser(user_id: str, new: Total, old: Total) -> Riser:
    return Riser(
        nickname="",
        user_id=user_id,
        points_change=new.points - old.points,
        points=new.points,
        points_before=old.points,
        hours_change=len(new.places) - len(old.places),
        hours_listed=len(new.places),
        hours_before=len(old.places),
        is_new=not old.places,
    )


def _points_first(row: Riser) -> tuple[int, int, str]:
    return -row.points_change, -row.hours_change, row.user_id


def _hours_first(row: Riser) -> tuple[int, int, str]:
    return -row.hours_change, -row.points_change, row.user_id
