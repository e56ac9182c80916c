"""How one anchor fared within an hour: place and points over time, and its speed."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One distinct standing: it was first seen at ``since`` and last at ``until``."""

    since: dt.datetime
    until: dt.datetime
    place: int
    """0: not listed."""
    score: int = column("points")
    delta: int = column("behind next")
    """Points behind the next better place; off the list it follows no known rule."""
    points_per_minute: float | None
    """Won since the standing before was first seen, a minute; None for the first one."""


def curve(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> list[Point]:
    """The standings of a user in the list ``name`` of ``hour``, the first one first.

    Off the list a user has none unless it was asked for. On ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: …}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$sort: {first_observed_at: 1, last_observed_at: 1}}])
    """
    pipeline = curve_pipeline(name, hour, user_id)
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        return list(_points(list(found)))


def curve_pipeline(name: ListName, hour: dt.datetime, user_id: str) -> list[dict[str, Any]]:
    """The pipeline of `curve`, over `rank_history`."""
    return [
        {"$match": {"user_id": user_id, "begin_time": hour}},
        name.stage,
        {"$sort": {"first_observed_at": 1, "last_observed_at": 1}},
    ]


def overall_speed(points: list[Point]) -> float | None:
    """Points a minute from the first standing to the last; None if that is no time at all."""
    if not points:
        return None
    minutes = (points[-1].since - points[0].since).total_seconds() / 60
    return (points[-1].score - points[0].score) / minutes if minutes > 0 else None


def _points(standings: list[Document]) -> Iterator[Point]:
    for before, standing in pairwise([None, *standings]):
        assert standing is not None
        yield Point(
            since=standing["first_observed_at"],
            until=standing["last_observed_at"],
            place=standing["rank"],
            score=standing["score"],
            delta=standing["delta"],
            points_per_minute=None if before is None else _speed(before, standing),
        )


def _speed(before: Document, after: Document) -> float | None:
    minutes = (after["first_observed_at"] - before["first_observed_at"]).total_seconds() / 60
    won: int = after["score"] - before["score"]
    return won / minutes if minutes > 0 else None
