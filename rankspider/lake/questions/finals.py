"""The last known state of each hour's list: what the questions about results start from."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.moments import HOUR, Period


@dataclass(frozen=True, slots=True)
class Final:
    """Of the states of one hour's list, the one seen last."""

    hour: dt.datetime
    seconds_before_close: int
    """How long before the end of the hour it was seen; 0 if at the end, or after it."""
    fields: Document
    """What was asked for of it."""


def finals(
    database: Database[Document],
    name: ListName,
    period: Period,
    fields: Mapping[str, Any],
    *,
    of: Sequence[str] = ("scores",),
    within_seconds: float | None = None,
) -> Iterator[Final]:
    """The last state of each hour of ``period`` that has one, the earliest hour first.

    ``fields`` says what of it, as names and expressions of a ``$project``, which may speak of the
    state's fields ``of``. With ``within_seconds``, only states seen so shortly before their hour
    closed. One pass over the states of these hours, on ``hour_time``::

        db.snapshots.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$project: {begin_time: 1, last_observed_at: 1, first_observed_at: 1, scores: 1}},
          {$sort: {begin_time: 1, last_observed_at: -1, first_observed_at: -1}},
          {$group: {_id: "$begin_time", last_observed_at: {$first: "$last_observed_at"},
                    scores: {$first: "$scores"}}},
          {$sort: {_id: 1}},
          {$project: {last_observed_at: 1, fields: {…}}}])
    """
    pipeline = finals_pipeline(name, period, fields, of)
    with database[collections.SNAPSHOTS].aggregate(pipeline, allowDiskUse=True) as found:
        for state in found:
            left = (state["_id"] + HOUR - state["last_observed_at"]).total_seconds()
            if within_seconds is None or left <= within_seconds:
                yield Final(state["_id"], max(0, round(left)), state["fields"])


def finals_pipeline(
    name: ListName, period: Period, fields: Mapping[str, Any], of: Sequence[str]
) -> list[Document]:
    """The pipeline of `finals`, over `snapshots`."""
    # Only what is needed is sorted, and worked out for the last states alone.
    kept = ("begin_time", "last_observed_at", "first_observed_at", *of)
    return [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        name.stage,
        {"$project": {"_id": 0, **dict.fromkeys(kept, 1)}},
        {"$sort": {"begin_time": 1, "last_observed_at": -1, "first_observed_at": -1}},
        {
            "$group": {
                "_id": "$begin_time",
                **{field: {"$first": f"${field}"} for field in ("last_observed_at", *of)},
            }
        },
        {"$sort": {"_id": 1}},
        {"$project": {"last_observed_at": 1, "fields": dict(fields)}},
    ]
