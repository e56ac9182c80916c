"""The last known state of each hour's list: what the questions about results start from."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import Sighting, sightings_by_hour

_AT_ONCE = 100
_SECOND = dt.timedelta(seconds=1)
END_SECONDS = 120
"""Seen so shortly before its close, a list shows how it ended."""


@dataclass(frozen=True, slots=True)
class Final:
    """The state of one hour's list that was seen last."""

    hour: dt.datetime
    seen_at: dt.datetime
    fields: Document
    """What was asked for of it."""

    @property
    def seconds_before_close(self) -> int:
        """Return how long before the end of the hour the state was seen; below 0: only after it."""
        return seconds_before_close(self.hour, self.seen_at)


def seconds_before_close(hour: dt.datetime, seen_at: dt.datetime) -> int:
    """Return how many seconds before the end of ``hour`` that was, rounded up; below 0 if the hour
    was over, however short a time."""
    left = -((seen_at - hour - HOUR) // _SECOND)
    return left if seen_at < hour + HOUR else min(left, -1)


def is_end_seen(hour: dt.datetime, seen_at: dt.datetime, within_seconds: float) -> bool:
    """Return whether a list that was seen then shows how its hour ended."""
    return 0 < (hour + HOUR - seen_at).total_seconds() <= within_seconds


def newest_by_hour(
    database: Database[Document], name: ListName, period: Period
) -> Iterator[tuple[dt.datetime, Sighting]]:
    """Yield the last sighting of each hour of ``period`` that has one, the earliest hour first."""
    for sightings in sightings_by_hour(database, name, period):
        newest = sightings.newest()
        if newest is not None:
            yield sightings.hour, newest


def finals(
    database: Database[Document],
    name: ListName,
    period: Period,
    fields: Mapping[str, Any],
    *,
    within_seconds: float | None = None,
) -> Iterator[Final]:
    """Yield the last state of each hour of ``period`` that has one, the earliest hour first.

    ``fields`` says what of it, as names and expressions of a ``$project``. With ``within_seconds``,
    only states seen so shortly before their hour closed. Which it is, say
    `rankspider.questions.sightings.sightings_by_hour`; the states are read by ``_id``, a hundred at
    a time::

        db.snapshots.aggregate([{$match: {_id: {$in: […]}}}, {$project: {…}}])
    """
    last = {
        newest.state: (hour, newest.at)
        for hour, newest in newest_by_hour(database, name, period)
        if within_seconds is None or is_end_seen(hour, newest.at, within_seconds)
    }
    keys = list(last)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        pipeline = [{"$match": {"_id": {"$in": some}}}, {"$project": dict(fields)}]
        with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
            states = {state.pop("_id"): state for state in found}
        yield from (Final(*last[key], states[key]) for key in some if key in states)
