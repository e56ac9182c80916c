"""How one anchor fared within an hour: place and points over time, and its speed."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.lake.questions.sightings import sightings_since, stays
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One standing, from when it was first seen until it was last seen; one that came back, as
    after points were taken back, is there once more."""

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

    Off the list a user has none unless it was asked for. Where one standing lies within another's
    interval, that one came back: then the states of the list say when, by their sightings
    (`rankspider.lake.questions.sightings`). On ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: …}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$sort: {first_observed_at: 1, last_observed_at: 1}}])
    """
    pipeline = curve_pipeline(name, hour, user_id)
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        standings = list(found)
    if any(_overlap(before, after) for before, after in pairwise(standings)):
        standings = list(_stays(standings, _seen_again(database, name, hour, user_id)))
    return list(_points(standings))


def curve_pipeline(name: ListName, hour: dt.datetime, user_id: str) -> list[dict[str, Any]]:
    """The pipeline of `curve`, over `rank_history`."""
    return [
        {"$match": {"user_id": user_id, "begin_time": hour}},
        name.stage,
        {"$sort": {"first_observed_at": 1, "last_observed_at": 1}},
    ]


def _overlap(before: Document, after: Document) -> bool:
    return bool(before["last_observed_at"] > after["first_observed_at"])


_Standing = tuple[int, int, int]
"""Place, points, and points behind the next better place."""


def _seen_again(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> list[tuple[dt.datetime, _Standing]]:
    """What each sighting of the list says of the user, if it stood there."""
    sightings = sightings_since(database, name, hour, hour)
    keys = sorted({state for _, state in sightings})
    place = {"$indexOfArray": ["$user_ids", user_id]}
    above = {"$arrayElemAt": ["$scores", {"$max": [0, {"$subtract": [place, 1]}]}]}
    score = {"$arrayElemAt": ["$scores", place]}
    pipeline: list[Document] = [
        {"$match": {"_id": {"$in": keys}, "user_ids": user_id}},
        {"$project": {"place": place, "score": score, "above": above}},
    ]
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        said = {
            state["_id"]: (state["place"] + 1, state["score"], state["above"] - state["score"])
            for state in found
        }
    return [(at, said[state]) for at, state in sightings if state in said]


def _stays(
    standings: list[Document], again: list[tuple[dt.datetime, _Standing]]
) -> Iterator[Document]:
    """``standings`` by the order in which each was seen, with the times of each stay."""
    numbers: dict[tuple[int, ...], int] = {}
    for number, each in enumerate(standings):
        # A row may tell another delta than follows from the points, and is flagged then.
        numbers[each["rank"], each["score"]] = number
        numbers[each["rank"], each["score"], each["delta"]] = number
    known = [(at, numbers.get(said, numbers.get(said[:2]))) for at, said in again]
    seen = [(at, number) for at, number in known if number is not None]
    return stays(dict(enumerate(standings)), seen)


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
