"""One anchor's places over the hours."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.moments import Period
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class HourPlace:
    """Where the anchor stood when an hour's list was seen last; None where that is not known."""

    hour: dt.datetime = column("hour", is_hour=True)
    place: int
    """0: not listed then."""
    best_place: int
    """Of the hour; 0: it was never seen on the list."""
    score: int | None = column("points")
    """When it was seen last, on the list or asked for."""
    delta: int | None = column("behind next")
    observed_at: dt.datetime | None


def trend(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[HourPlace]:
    """One row for each hour of ``period`` that has the list, the earliest first.

    The anchor's standings are one query, on ``user_hour``::

        db.ranks.aggregate([
          {$match: {user_id: …, begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}}])

    One who fell off unasked keeps the last place that was seen, so each hour is asked who was seen
    there last, and that is the holder; an hour without a standing is asked for its first place, to
    tell "not listed" from "no list". Both on ``hour_place``::

        db.ranks.aggregate([{$match: {begin_time: …, rank: …}}, {$match: {"list.currency": …, …}},
                            {$sort: {observed_at: -1}}, {$limit: 1}])
    """
    pipeline = standings_pipeline(name, period, user_id)
    with database[collections.RANKS].aggregate(pipeline) as found:
        standings = {standing["begin_time"]: standing for standing in found}
    return list(_hours(database, name, period, user_id, standings))


def standings_pipeline(name: ListName, period: Period, user_id: str) -> list[dict[str, Any]]:
    """A user's standings over the hours, over `ranks`."""
    hours = {"$gte": period.start, "$lt": period.end}
    return [{"$match": {"user_id": user_id, "begin_time": hours}}, name.stage]


def holder_pipeline(name: ListName, hour: dt.datetime, place: int) -> list[dict[str, Any]]:
    """Who was seen last at ``place``, over `ranks`."""
    return [
        {"$match": {"begin_time": hour, "rank": place}},
        name.stage,
        {"$sort": {"observed_at": -1}},
        {"$limit": 1},
    ]


def holder(
    database: Database[Document], name: ListName, hour: dt.datetime, place: int
) -> str | None:
    """The ``user_id`` of who was seen last at ``place``; None if nobody was."""
    with database[collections.RANKS].aggregate(holder_pipeline(name, hour, place)) as found:
        return next((str(standing["user_id"]) for standing in found), None)


def _hours(
    database: Database[Document],
    name: ListName,
    period: Period,
    user_id: str,
    standings: dict[dt.datetime, Document],
) -> Iterator[HourPlace]:
    for hour in period:
        standing = standings.get(hour)
        if standing is not None:
            place: int = standing["rank"]
            # Told a place that the list itself doesn't go down to, nobody else can have it.
            has_it = not standing["listed"] or holder(database, name, hour, place) == user_id
            yield HourPlace(
                hour=hour,
                place=place if has_it else 0,
                best_place=standing["best_rank"],
                score=standing["score"],
                delta=standing["delta"],
                observed_at=standing["observed_at"],
            )
        elif holder(database, name, hour, 1) is not None:
            yield HourPlace(
                hour=hour, place=0, best_place=0, score=None, delta=None, observed_at=None
            )
