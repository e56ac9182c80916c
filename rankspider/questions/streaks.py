"""Time on the list: hours listed, and how many of them in a row."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.sightings import sightings_of
from rankspider.questions.trend import standings_pipeline
from rankspider.questions.which import hours_of_lists
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """One user's time on the list within a period."""

    nickname: str
    """As it came; "" if the lake has no profile."""
    user_id: str
    hours_listed: int
    """Hours in which it was seen on the list, for however short a time."""
    longest_streak: int
    """Most of them in a row. An hour that the lake has no list of ends a streak."""
    longest_from: dt.datetime = column("from", is_hour=True)
    """The first hour of the longest streak, of the earlier one if two are as long."""
    current_streak: int
    """Hours in a row up to the last hour of the period that has the list; 0: not listed then."""
    best_place: int
    last_hour: dt.datetime = column("last listed", is_hour=True)


_FIELDS = ("user_id", "begin_time", "best_rank", "observed_at")
_Places = dict[dt.datetime, int]
"""One user's best place in each hour in which it was on the list."""


def leaders(
    database: Database[Document], name: ListName, period: Period, most: int | None = None
) -> list[Streaks]:
    """Return those with the most hours on the list in ``period``, at most ``most`` of them.

    For each hour that has the list (`hours_of_lists`), on ``hour_best`` (a range of hours would
    read every anchor that was asked for)::

        db.ranks.aggregate([
          {$match: {begin_time: …, best_rank: {$gt: 0}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$project: {user_id: 1, begin_time: 1, best_rank: 1, observed_at: 1}}])

    What a stale cache showed after the close is left out; see `_within_hour`.
    """
    listed: dict[str, _Places] = defaultdict(dict)
    hours = hours_of_lists(database, name, period)[name]
    for hour in hours:
        pipeline: list[Document] = [
            {"$match": {"begin_time": hour, "best_rank": {"$gt": 0}}},
            name.stage,
            {"$project": dict.fromkeys(_FIELDS, 1)},
        ]
        with database[collections.RANKS].aggregate(pipeline) as found:
            for user_id, hour_, place in _within_hour(database, name, list(found)):
                listed[user_id][hour_] = place
    rows = [_streaks(user_id, places, hours[-1]) for user_id, places in listed.items()]
    return _named(database, sorted(rows, key=_standing)[:most])


def streaks_of(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[Streaks]:
    """Return one row for one user, or none if it was not listed in ``period``.

    The hours are one query, on ``user_hour``: that of `rankspider.questions.trend`.
    """
    hours = hours_of_lists(database, name, period)[name]
    pipeline = standings_pipeline(name, period, user_id)
    with database[collections.RANKS].aggregate(pipeline) as found:
        standings = [each for each in found if each["best_rank"] and each["begin_time"] in hours]
    places = {hour: place for _, hour, place in _within_hour(database, name, standings)}
    return _named(database, [_streaks(user_id, places, hours[-1])] if places else [])


def _within_hour(
    database: Database[Document], name: ListName, standings: list[Document]
) -> Iterator[tuple[str, dt.datetime, int]]:
    """Yield user, hour and best place of ``standings`` in `ranks`; of those that were seen after
    their hour as well, by what was seen within it, unless its list was not. On ``hour_time``::

        db.rank_history.aggregate([
          {$match: {begin_time: …, first_observed_at: {$lte: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$match: {user_id: {$in: […]}, listed: true, rank: {$gt: 0}}},
          {$group: {_id: "$user_id", place: {$min: "$rank"}}}])
    """
    late: dict[dt.datetime, list[str]] = defaultdict(list)
    for each in standings:
        if each["observed_at"] < each["begin_time"] + HOUR:
            yield each["user_id"], each["begin_time"], each["best_rank"]
        else:
            late[each["begin_time"]].append(each["user_id"])
    for hour, user_ids in late.items():
        until = sightings_of(database, name, hour).span[1]
        pipeline: list[Document] = [
            {"$match": {"begin_time": hour, "first_observed_at": {"$lte": until}}},
            name.stage,
            {"$match": {"user_id": {"$in": user_ids}, "listed": True, "rank": {"$gt": 0}}},
            {"$group": {"_id": "$user_id", "place": {"$min": "$rank"}}},
        ]
        with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
            for group in found:
                yield group["_id"], hour, group["place"]


def _streaks(user_id: str, places: _Places, newest: dt.datetime) -> Streaks:
    runs = list(_runs(sorted(places)))
    longest_from, longest = max(runs, key=lambda run: run[1])  # the first of those as long
    last_from, last = runs[-1]
    return Streaks(
        nickname="",
        user_id=user_id,
        hours_listed=len(places),
        longest_streak=longest,
        longest_from=longest_from,
        current_streak=last if last_from + last * HOUR > newest else 0,
        best_place=min(places.values()),
        last_hour=max(places),
    )


def _runs(hours: Sequence[dt.datetime]) -> Iterator[tuple[dt.datetime, int]]:
    """Yield first hour and length of each run of hours that follow each other; ``hours`` ascend."""
    first, length = hours[0], 0
    for hour in hours:
        if hour != first + length * HOUR:
            yield first, length
            first, length = hour, 0
        length += 1
    yield first, length


def _standing(row: Streaks) -> tuple[int, int, int, str]:
    """Return the sort key: most hours first, then the longest streak, then the best place."""
    return -row.hours_listed, -row.longest_streak, row.best_place, row.user_id


def _named(database: Database[Document], rows: list[Streaks]) -> list[Streaks]:
    names = nicknames(database, [row.user_id for row in rows])
    return [replace(row, nickname=names[row.user_id]) for row in rows]
