"""When one seller was seen in which standing: on the list, asked for, or missing from the list."""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import Sightings, sightings_by_hour
from rankspider.questions.states import standing_in_state


class Sight(NamedTuple):
    """One observation."""

    at: dt.datetime
    standing: Document | None
    """Of `rank_history`; None: the list was seen without the seller, who may have one all the
    same."""
    is_room_known: bool = True
    """If not, it may have been another one with the same place and points."""


class _Seen(NamedTuple):
    """A moment, and the ``_id`` of the standing that was seen then; "" for none."""

    at: dt.datetime
    key: str
    is_room_known: bool = True


def place_of(standing: Document) -> int:
    """On the list; 0: not listed, whatever place the endpoint gives it."""
    place: int = standing["rank"] if standing["listed"] else 0
    return place


def sights_by_hour(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> Iterator[tuple[dt.datetime, list[Sight]]]:
    """Each hour of ``period`` that has a standing of the seller, the earliest first, and its
    sights in order.

    What was seen outside of the hour tells of it only where nothing was seen within. The standings
    are on ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$sort: {begin_time: 1}}])

    ``$gt`` the hour before: see `rankspider.questions.sessions.sessions`. When each was seen again,
    say the sightings of the list for what stands there, by ``_id`` of `snapshots`
    (`rankspider.questions.sightings`), and the calls for the anchor's own, up to an hour after the
    close, on ``user_time``::

        db.calls.aggregate([
          {$match: {user_id: …, observed_at: {$gte: …, $lt: …}}},
          {$project: {observed_at: 1, standing: 1}}])
    """
    pipeline: list[Document] = [
        {
            "$match": {
                "user_id": user_id,
                "begin_time": {"$gt": period.start - HOUR, "$lt": period.end},
            }
        },
        name.stage,
        {"$sort": {"begin_time": 1}},
    ]
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        by_hour = {
            hour: {each["_id"]: each for each in standings}
            for hour, standings in groupby(found, key=lambda each: each["begin_time"])
        }
    if not by_hour:
        return
    asked = _asked(database, user_id, Period(min(by_hour), max(by_hour) + 2 * HOUR))
    lists = sightings_by_hour(database, name, Period(min(by_hour), max(by_hour) + HOUR))
    seen = next(lists, None)
    for hour, standings in by_hour.items():
        while seen and seen.hour < hour:
            seen = next(lists, None)
        sightings = seen if seen and seen.hour == hour else Sightings(database, name, hour)
        yield hour, _sights(database, sightings, standings, asked, user_id)


def _asked(database: Database[Document], user_id: str, when: Period) -> list[_Seen]:
    """When the seller was asked for, and how it stood."""
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "observed_at": {"$gte": when.start, "$lt": when.end}}},
        {"$project": {"observed_at": 1, "standing": 1}},
    ]
    with database[collections.CALLS].aggregate(pipeline) as found:
        return [_Seen(call["observed_at"], call["standing"]) for call in found]


def _sights(
    database: Database[Document],
    sightings: Sightings,
    standings: dict[str, Document],
    asked: Iterable[_Seen],
    user_id: str,
) -> list[Sight]:
    first, last = sightings.span
    known = [
        _Seen(standing[moment], key)
        for key, standing in standings.items()
        for moment in ("first_observed_at", "last_observed_at")
    ]
    known += (each for each in asked if each.key in standings)
    known = sorted(each for each in known if first <= each.at <= last)
    seen = {*known, *_listed(database, sightings, standings, known, user_id)}
    within = (each for each in sorted(seen) if first <= each.at <= last)
    return [Sight(at, standings.get(key), is_known) for at, key, is_known in within]


def _listed(
    database: Database[Document],
    sightings: Sightings,
    standings: dict[str, Document],
    known: list[_Seen],
    user_id: str,
) -> Iterator[_Seen]:
    """When the list was seen, with the seller on it or without; nothing if it never was on it.

    A list does not say in which room a seller was. Of several standings with the same numbers it
    is the one that was on record last; but for sure only if no other one is the next on record.
    """
    numbers: dict[tuple[int, ...], list[_Seen]] = defaultdict(list)
    for each in known:
        standing = standings[each.key]
        if standing["listed"]:
            # A row may tell another delta than follows from the points, and is flagged then.
            numbers[standing["rank"], standing["score"]].append(each)
            numbers[standing["rank"], standing["score"], standing["delta"]].append(each)
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
        if state not in said:
            continue
        if not said[state][0]:
            yield _Seen(at, "")
        elif fitting := numbers.get(said[state], numbers.get(said[state][:2])):
            after = bisect_right(fitting, at, key=lambda each: each.at)
            last, *following = fitting[max(0, after - 1) : after + 1]
            is_known = last.at == at or all(each.key == last.key for each in following)
            yield _Seen(at, last.key, is_known)
