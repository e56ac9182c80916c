"""How one anchor fared within an hour: place and points over time, and its speed."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import Sightings, sightings_of, stays
from rankspider.questions.states import standing_in_state
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

    Off the list a user has none unless it was asked for. What was seen after the close tells of the
    hour only where nothing was seen within. On ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: …}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$sort: {first_observed_at: 1, last_observed_at: 1}}])

    When each was seen again, say the sightings of the list for what stands there, by ``_id`` of
    `snapshots` (`rankspider.questions.sightings`), and the calls for the anchor's own, up to an
    hour after the close, on ``user_time``::

        db.calls.aggregate([
          {$match: {user_id: …, observed_at: {$gte: …, $lt: …}}},
          {$project: {observed_at: 1, standing: 1}}])
    """
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": hour}},
        name.stage,
        {"$sort": {"first_observed_at": 1, "last_observed_at": 1}},
    ]
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        standings = list(found)
    if not standings:
        return []
    said = {_said(standing): standing for standing in standings}
    seen = [
        (standing[moment], _said(standing))
        for standing in standings
        for moment in ("first_observed_at", "last_observed_at")
    ]
    seen += _asked(database, hour, user_id, standings)
    sightings = sightings_of(database, name, hour)
    seen += _listed(database, sightings, user_id, standings)
    first, last = sightings.span
    within = sorted(each for each in seen if first <= each[0] <= last)
    found_again = stays({**said, _ABSENT: {}}, _without_own(within))
    return list(_points(standing for standing in found_again if "rank" in standing))


_Said = tuple[int, int, int]
_Seen = tuple[dt.datetime, _Said]
"""When, and what."""
_ABSENT: _Said = (-1, 0, 0)
"""The list was seen without the user."""


def _said(standing: Document) -> _Said:
    """Return what tells one standing from another: place on the list, points, points behind the
    next."""
    return standing["rank"] if standing["listed"] else 0, standing["score"], standing["delta"]


def _without_own(seen: Iterable[_Seen]) -> Iterator[_Seen]:
    """Yield the sightings in order. A list without the user ends its stay there, and begins none
    off the list."""
    is_listed = False
    for at, said in seen:
        if said != _ABSENT or is_listed:
            yield at, said
        is_listed = said[0] > 0


def _asked(
    database: Database[Document], hour: dt.datetime, user_id: str, standings: list[Document]
) -> Iterator[_Seen]:
    """Yield the sightings of the user by calls for it."""
    said = {each["_id"]: _said(each) for each in standings}
    when = {"$gte": standings[0]["first_observed_at"], "$lt": hour + 2 * HOUR}
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "observed_at": when}},
        {"$project": {"observed_at": 1, "standing": 1}},
    ]
    with database[collections.CALLS].aggregate(pipeline) as found:
        for call in found:
            if call["standing"] in said:
                yield call["observed_at"], said[call["standing"]]


def _listed(
    database: Database[Document],
    sightings: Sightings,
    user_id: str,
    standings: list[Document],
) -> Iterator[_Seen]:
    """Yield the sightings of the list, with the user on it or without; nothing if it never was on
    it."""
    numbers: dict[tuple[int, ...], _Said] = {}
    for each in standings:
        if each["listed"]:
            # A row may tell another delta than follows from the points, and is flagged then.
            numbers[each["rank"], each["score"]] = _said(each)
            numbers[each["rank"], each["score"], each["delta"]] = _said(each)
    if not numbers:
        return
    seen = sightings.since(sightings.hour)
    pipeline: list[Document] = [
        {"$match": {"_id": {"$in": sorted({state for _, state in seen})}}},
        {"$match": {"user_ids": {"$type": "array"}}},
        {"$project": standing_in_state(user_id)},
    ]
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        said = {each["_id"]: (each["place"], each["score"], each["delta"]) for each in found}
    for at, state in seen:
        if state in said:
            place = said[state][0]
            which = numbers.get(said[state], numbers.get(said[state][:2])) if place else _ABSENT
            if which is not None:
                yield at, which


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
            place=_said(standing)[0],
            score=standing["score"],
            delta=standing["delta"],
            points_per_minute=None,
        )
        yield point if before is None else replace(point, points_per_minute=_speed(before, point))
        before = point


def _speed(before: Point, after: Point) -> float | None:
    minutes = (after.since - before.since) / dt.timedelta(minutes=1)
    return (after.score - before.score) / minutes if minutes > 0 else None
