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
from rankspider.questions.trend import standings_pipeline
from rankspider.questions.which import has_list
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


_Places = dict[dt.datetime, int]
"""One user's best place in each hour in which it was on the list."""


def leaders(
    database: Database[Document], name: ListName, period: Period, most: int | None = None
) -> list[Streaks]:
    """Those with the most hours on the list in ``period``, at most ``most`` of them.

    For each hour that has the list (`has_list`), on ``hour_best`` (a range of hours would read
    every anchor that was asked for)::

        db.ranks.aggregate([
          {$match: {begin_time: …, best_rank: {$gt: 0}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$project: {user_id: 1, best_rank: 1}}])
    """
    listed: dict[str, _Places] = defaultdict(dict)
    hours = [hour for hour in period if has_list(database, name, hour)]
    for hour in hours:
        pipeline: list[Document] = [
            {"$match": {"begin_time": hour, "best_rank": {"$gt": 0}}},
            name.stage,
            {"$project": {"user_id": 1, "best_rank": 1}},
        ]
        with database[collections.RANKS].aggregate(pipeline) as found:
            for standing in found:
                listed[standing["user_id"]][hour] = standing["best_rank"]
    rows = [_streaks(user_id, places, hours[-1]) for user_id, places in listed.items()]
    return _named(database, sorted(rows, key=_standing)[:most])


def streaks_of(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[Streaks]:
    """The same of one user: one row, or none if it was not listed in ``period``.

    The hours are one query, on ``user_hour``: that of `rankspider.questions.trend`. Each is
    asked for its list, and those at the end of ``period`` are, as for the leaders.
    """
    pipeline = standings_pipeline(name, period, user_id)
    with database[collections.RANKS].aggregate(pipeline) as found:
        places = {
            each["begin_time"]: each["best_rank"]
            for each in found
            if each["best_rank"] and has_list(database, name, each["begin_time"])
        }
    if not places:
        return []
    newest = next(hour for hour in period.newest_first if has_list(database, name, hour))
    return _named(database, [_streaks(user_id, places, newest)])


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
    """First hour and length of each run of hours that follow each other; ``hours`` ascend."""
    first, length = hours[0], 0
    for hour in hours:
        if hour != first + length * HOUR:
            yield first, length
            first, length = hour, 0
        length += 1
    yield first, length


def _standing(row: Streaks) -> tuple[int, int, int, str]:
    """Most hours first, then the longest streak, then the best place."""
    return -row.hours_listed, -row.longest_streak, row.best_place, row.user_id


def _named(database: Database[Document], rows: list[Streaks]) -> list[Streaks]:
    names = nicknames(database, [row.user_id for row in rows])
    return [replace(row, nickname=names[row.user_id]) for row in rows]
