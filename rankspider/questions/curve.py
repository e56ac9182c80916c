"""How one anchor fared within an hour: place and points over time, and its speed."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import in_seen_order
from rankspider.questions.sights import place_of, sights_by_hour
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One standing, from when it was first seen until it was last seen; one that came back, as
    after points were taken back or after a list without it, is there once more."""

    since: dt.datetime
    until: dt.datetime
    place: int
    """On the list; 0: not listed, whatever place the endpoint gives it."""
    score: int = column("points")
    delta: int = column("behind next")
    """Points behind the next better place; off the list it follows no known rule."""
    points_per_minute: float | None
    """Won since the standing before was first seen, a minute; None for the first one."""


def curve(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> list[Point]:
    """Return the standings of a user in the list ``name`` of ``hour``, the first one first.

    Off the list a user has none unless it was asked for. From
    `rankspider.questions.sights.sights_by_hour`, which has the queries.
    """
    hours = sights_by_hour(database, name, Period(hour, hour + HOUR), user_id)
    sights = next((found for _, found in hours), [])
    by_facts = {_facts_of(each.standing): each.standing for each in sights if each.standing}
    seen = _without_own((each.at, _facts_of(each.standing)) for each in sights)
    found_again = in_seen_order({**by_facts, _ABSENT: {}}, seen)
    return list(_points(standing for standing in found_again if "rank" in standing))


_Facts = tuple[int, int, int]
_ABSENT: _Facts = (-1, 0, 0)
"""The list was seen without the user."""


def _facts_of(standing: Document | None) -> _Facts:
    """Return what tells one standing from another: place on the list, points, points behind the
    next."""
    if standing is None:
        return _ABSENT
    return place_of(standing), standing["score"], standing["delta"]


def _without_own(
    seen: Iterable[tuple[dt.datetime, _Facts]],
) -> Iterator[tuple[dt.datetime, _Facts]]:
    """Yield the sights in order. A list without the user ends its stay there, and none off the
    list."""
    is_listed = False
    for at, by_facts in seen:
        if by_facts != _ABSENT or is_listed:
            yield at, by_facts
        is_listed = by_facts[0] > 0


def overall_speed(points: list[Point]) -> float | None:
    """Return the points a minute from the first standing to the last; None if that is no time at
    all."""
    return _speed(points[0], points[-1]) if points else None


def _points(standings: Iterable[Document]) -> Iterator[Point]:
    before = None
    for standing in standings:
        point = Point(
            since=standing["first_observed_at"],
            until=standing["last_observed_at"],
            place=place_of(standing),
            score=standing["score"],
            delta=standing["delta"],
            points_per_minute=None,
        )
        yield point if before is None else replace(point, points_per_minute=_speed(before, point))
        before = point


def _speed(before: Point, after: Point) -> float | None:
    minutes = (after.since - before.since) / dt.timedelta(minutes=1)
    return (after.score - before.score) / minutes if minutes > 0 else None
