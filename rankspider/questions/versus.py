"""Sellers against each other and against the list: who was ahead, and what share they had."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.lists import ListName
from rankspider.questions.results import results
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The hours that begin at one hour of day, each as its list was seen last."""

    hour_of_day: int
    """0 to 23, in the zone asked for."""
    hours: int
    """That have the list."""
    first_ahead: int
    """Hours in which the one named first stood above the other, or alone was on the list."""
    second_ahead: int
    neither_listed: int


def versus(
    database: Database[Document],
    name: ListName,
    period: Period,
    zone: dt.tzinfo,
    first: str,
    second: str,
) -> list[Ahead]:
    """Return one row for each hour of day that occurs, of two ``user_id``.

    From `rankspider.questions.results.results`.
    """
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for result in results(database, name, period):
        listed = [who for who in result.places if who in (first, second)]  # the best first
        found[result.hour.astimezone(zone).hour][listed[0] if listed else ""] += 1
    return [
        Ahead(
            hour_of_day=hour,
            hours=count.total(),
            first_ahead=count[first],
            second_ahead=count[second],
            neither_listed=count[""],
        )
        for hour, count in sorted(found.items())
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part that some had of the points on the lists of an hour or a day, as they were seen
    last."""

    since: dt.datetime = column("from", is_hour=True)
    """The hour's start; of a day, that of its first hour that has the list."""
    hours: int
    """That have the list."""
    places: int
    """Places that the group had in them, added up."""
    points: int
    """That the group had."""
    points_of_all: int
    percent: float | None
    """None if nobody has a point."""


def share(
    database: Database[Document],
    name: ListName,
    period: Period,
    user_ids: Collection[str],
    zone: dt.tzinfo | None = None,
) -> list[Share]:
    """Return one row an hour that has the list; with ``zone``, one for each day there.

    From `rankspider.questions.results.results`.
    """
    together = defaultdict(list)
    for result in results(database, name, period):
        together[result.hour.astimezone(zone).date() if zone else result.hour].append(result)
    rows = []
    for hours in together.values():
        points = [each.scores[who] for each in hours for who in user_ids if who in each.scores]
        of_all = sum(sum(each.scores.values()) for each in hours)
        rows.append(
            Share(
                since=hours[0].hour,
                hours=len(hours),
                places=len(points),
                points=sum(points),
                points_of_all=of_all,
                percent=100 * sum(points) / of_all if of_all else None,
            )
        )
    return rows
