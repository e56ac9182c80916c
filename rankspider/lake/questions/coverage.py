"""What the lake missed: hours without a list or without its end, and anchors not seen."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.lake.people import nicknames
from rankspider.moments import HOUR, Period
from rankspider.report import column

State = Literal["ok", "missing", "no end", "open"]
_Interval = tuple[dt.datetime, dt.datetime]
_INTERVAL = ("first_observed_at", "last_observed_at")
_MOMENT = ("observed_at",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCovered:
    """How well one hour's list was watched."""

    hour: dt.datetime = column("hour", is_hour=True)
    state: State
    """``missing``: there is none; ``no end``: none was seen shortly before it closed; ``open``:
    it goes on, and how it ends is not known yet."""
    states: int
    """How many distinct ones were seen."""
    seconds_before_close: int | None = column("last seen, s before close")
    largest_gap_seconds: int = column("largest gap, s")
    """The longest time without an observation, also from the start of the hour and up to its end
    (or to now). While a list stays as it is, one in RANK_LIST_LAG_SECONDS is on record."""
    gap_began_at: dt.datetime = column("since")

    @property
    def is_gap(self) -> bool:
        return self.state in ("missing", "no end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """An anchor that was asked for, and then neither answered for nor listed for long."""

    nickname: str
    """As it came; "" if the lake has no profile."""
    user_id: str
    sec_uid: str
    last_seen_at: dt.datetime


def hours_covered(
    database: Database[Document],
    name: ListName,
    period: Period,
    now: dt.datetime,
    *,
    within_seconds: float = 120,
) -> Iterator[HourCovered]:
    """Every hour of ``period`` that has begun, the earliest first.

    ``within_seconds``: how long before the close the last state may have been seen. One pass on
    ``hour_time``, of which an hour is held at a time::

        db.snapshots.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$project: {begin_time: 1, first_observed_at: 1, last_observed_at: 1}},
          {$sort: {begin_time: 1}}])
        db.sightings.aggregate(…)  // the same, of observed_at
    """
    with (
        _of_each_hour(database, collections.SNAPSHOTS, name, period, _INTERVAL) as states,
        _of_each_hour(database, collections.SIGHTINGS, name, period, _MOMENT) as sightings,
    ):
        for hour in period:
            if hour > now:
                return
            yield hour_covered(hour, states(hour), sightings(hour), now, within_seconds)


@contextmanager
def _of_each_hour(
    database: Database[Document],
    collection: str,
    name: ListName,
    period: Period,
    fields: Sequence[str],
) -> Iterator[Callable[[dt.datetime], list[Document]]]:
    """What gives an hour's documents; it is to be asked for one hour after the other."""
    pipeline = times_pipeline(name, period, fields)
    with database[collection].aggregate(pipeline, allowDiskUse=True) as found:
        by_hour = groupby(found, key=lambda document: document["begin_time"])
        following = next(by_hour, None)

        def of_hour(hour: dt.datetime) -> list[Document]:
            nonlocal following
            if following is None or following[0] != hour:
                return []
            documents = list(following[1])
            following = next(by_hour, None)
            return documents

        yield of_hour


def times_pipeline(name: ListName, period: Period, fields: Sequence[str]) -> list[Document]:
    """The pipelines of `hours_covered`, over `snapshots` and `sightings`."""
    return [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        name.stage,
        {"$project": {"_id": 0, "begin_time": 1, **dict.fromkeys(fields, 1)}},
        {"$sort": {"begin_time": 1}},
    ]


def hour_covered(
    hour: dt.datetime,
    states: Sequence[Document],
    sightings: Sequence[Document],
    now: dt.datetime,
    within_seconds: float,
) -> HourCovered:
    """From the documents of one hour in `snapshots` and `sightings`, in any order."""
    close = hour + HOUR
    seen = [(state["first_observed_at"], state["last_observed_at"]) for state in states]
    gap, since = _largest_gap(hour, min(close, now), _watched(seen, sightings))
    left = round((close - max(last for _, last in seen)).total_seconds()) if seen else None
    state: State = "missing" if left is None else "ok"
    if now < close:
        state = "open"
    elif left is not None and left > within_seconds:
        state = "no end"
    return HourCovered(
        hour=hour,
        state=state,
        states=len(seen),
        seconds_before_close=left if left is None else max(0, left),
        largest_gap_seconds=round(gap.total_seconds()),
        gap_began_at=since,
    )


def _watched(seen: list[_Interval], sightings: Sequence[Document]) -> list[_Interval]:
    """The times somebody looked. Without sightings, as in hours from before there were any, a
    state that was seen twice counts as watched in between."""
    if not sightings:
        return sorted(seen)
    moments = {sighting["observed_at"] for sighting in sightings}
    moments.update(*seen)
    return [(moment, moment) for moment in sorted(moments)]


def _largest_gap(
    start: dt.datetime, end: dt.datetime, seen: Iterable[_Interval]
) -> tuple[dt.timedelta, dt.datetime]:
    """The longest time between ``start`` and ``end`` that is in no interval, and when it began."""
    largest, since, seen_to = dt.timedelta(0), start, start
    for first, last in [*seen, (end, end)]:
        if first - seen_to > largest:
            largest, since = first - seen_to, seen_to
        seen_to = max(seen_to, last)
    return largest, since


def unseen(
    database: Database[Document], period: Period, now: dt.datetime, *, hours: float = 3
) -> list[Unseen]:
    """Anchors asked in ``period`` that no list and no answer has shown for ``hours``.

    Who was asked for shows in a standing of its own, off the list: whoever stood on the list at
    the end of every hour it was asked for in cannot be told from one that never was. One pass on
    ``hour_place``; the server holds one entry an anchor::

        db.ranks.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$group: {_id: "$user_id", sec_uid: {$last: "$sec_uid"},
                    listed: {$min: "$listed"}, seen: {$max: "$observed_at"}}},
          {$match: {listed: false, seen: {$lt: …}}},
          {$sort: {seen: 1, _id: 1}}])
    """
    pipeline = unseen_pipeline(period, now - hours * HOUR)
    found = list(database[collections.RANKS].aggregate(pipeline, allowDiskUse=True))
    names = nicknames(database, (group["_id"] for group in found))
    return [
        Unseen(
            nickname=names[group["_id"]],
            user_id=group["_id"],
            sec_uid=group["sec_uid"],
            last_seen_at=group["seen"],
        )
        for group in found
    ]


def unseen_pipeline(period: Period, before: dt.datetime) -> list[Document]:
    """The pipeline of `unseen`, over `ranks`."""
    return [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        {
            "$group": {
                "_id": "$user_id",
                "sec_uid": {"$last": "$sec_uid"},
                "listed": {"$min": "$listed"},
                "seen": {"$max": "$observed_at"},
            }
        },
        {"$match": {"listed": False, "seen": {"$lt": before}}},
        {"$sort": {"seen": 1, "_id": 1}},
    ]
