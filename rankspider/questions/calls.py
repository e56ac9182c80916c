"""The calls that were made: how many, what came of them, and each of one anchor."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.call import OK
from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.report import column

_TIMES = {"hour": dt.datetime, "day": str}
_WITHOUT_OWN = [
    {"$eq": ["$outcome", OK]},
    {"$ne": ["$anchor", None]},
    {"$eq": ["$user_id", None]},
]
KEYS = (*_TIMES, "outcome", "licence", "purpose", "anchor", "worker")
"""What calls are counted by. A day is one of the zone asked in; the others may be None."""


@dataclass(frozen=True, kw_only=True)
class CallsCounted:
    """The calls that have one value of each key in common; the keys stand before these."""

    calls: int
    ok: int
    """Those that brought a list."""
    failed: int
    without_own: int = column("no own")
    """Those that brought a list, and nothing of the anchor that was asked for."""
    ok_percent: float = column("ok %")
    bytes: int
    """Of the bodies, together."""
    mean_milliseconds: float = column("mean ms")
    first_asked_at: dt.datetime = column("first")
    last_asked_at: dt.datetime = column("last")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One call, as in the ledger: see `rankspider.lake.call`."""

    asked_at: dt.datetime
    anchor: str | None = column(None)
    user_id: str | None = column(None)
    purpose: str
    outcome: str
    status: int | None
    milliseconds: int = column("ms")
    bytes: int | None
    observed_at: dt.datetime | None
    begin_time: dt.datetime | None = column("hour", is_hour=True)
    licence: str | None
    worker: str
    list_state: str | None = column(None)
    standing: str | None = column(None)
    profile: str | None = column(None)


def counted_by(keys: Sequence[str]) -> type[CallsCounted]:
    """Return the columns of a row of `calls_counted`: ``keys`` first."""
    fields = [
        (key, _TIMES.get(key, str | None), column(key, is_hour=key == "hour")) for key in keys
    ]
    group = dataclasses.make_dataclass("_Group", fields, frozen=True, kw_only=True)
    bases = (CallsCounted, group)
    return dataclasses.make_dataclass("_Counted", (), bases=bases, frozen=True, kw_only=True)


def calls_counted(
    database: Database[Document],
    period: Period,
    keys: Sequence[str],
    zone: ZoneInfo,
    only: Document,
) -> Iterator[CallsCounted]:
    """Yield a row for each group of the calls that left in ``period`` and have the fields
    ``only``.

    Hours and days in their order; within one, most calls first. One pass on ``asked``, or
    ``anchor_asked``::

        db.calls.aggregate([
          {$match: {asked_at: {$gte: …, $lt: …}}},
          {$match: {outcome: …}},
          {$group: {_id: {hour: {$dateTrunc: {date: "$asked_at", unit: "hour"}}},
                    calls: {$sum: 1}, ok: {$sum: {$cond: […]}}, …}},
          {$sort: {"_id.hour": 1, calls: -1}}])
    """
    day = {"date": "$asked_at", "format": "%Y-%m-%d", "timezone": zone.key}
    values: Document = {key: f"${key}" for key in KEYS} | {
        "hour": {"$dateTrunc": {"date": "$asked_at", "unit": "hour"}},
        "day": {"$dateToString": day},
    }
    counts = {
        "calls": {"$sum": 1},
        "ok": {"$sum": {"$cond": [{"$eq": ["$outcome", OK]}, 1, 0]}},
        "without_own": {"$sum": {"$cond": [{"$and": _WITHOUT_OWN}, 1, 0]}},
        "bytes": {"$sum": "$bytes"},
        "milliseconds": {"$avg": "$milliseconds"},
        "first": {"$min": "$asked_at"},
        "last": {"$max": "$asked_at"},
    }
    times = {f"_id.{key}": 1 for key in keys if key in _TIMES}
    others = {f"_id.{key}": 1 for key in keys if key not in _TIMES}
    pipeline = [
        *_made_in(period, only),
        {"$group": {"_id": {key: values[key] for key in keys}, **counts}},
        {"$sort": {**times, "calls": -1, **others}},
    ]
    row = counted_by(keys)
    with database[collections.CALLS].aggregate(pipeline, allowDiskUse=True) as found:
        for group in found:
            calls, ok = group["calls"], group["ok"]
            yield row(
                **{key: group["_id"].get(key) for key in keys},
                calls=calls,
                ok=ok,
                failed=calls - ok,
                without_own=group["without_own"],
                ok_percent=100 * ok / calls,
                bytes=group["bytes"],
                mean_milliseconds=group["milliseconds"],
                first_asked_at=group["first"],
                last_asked_at=group["last"],
            )


def calls_made(
    database: Database[Document], period: Period, only: Document, most: int | None
) -> list[CallMade]:
    """Return the calls that left in ``period`` and have the fields ``only``: the newest ``most``,
    the last one first. On ``asked``, those of an anchor on ``anchor_asked``::

        db.calls.aggregate([
          {$match: {asked_at: {$gte: …, $lt: …}}},
          {$match: {anchor: …}},
          {$sort: {asked_at: -1}},
          {$limit: …}])
    """
    first: list[Document] = [] if most is None else [{"$limit": most}]
    pipeline = [*_made_in(period, only), {"$sort": {"asked_at": -1}}, *first]
    names = [field.name for field in dataclasses.fields(CallMade)]
    with database[collections.CALLS].aggregate(pipeline, allowDiskUse=True) as found:
        return [CallMade(**{name: call[name] for name in names}) for call in found]


def has_calls(database: Database[Any]) -> bool:
    """Return whether there is any call: a lake from before the ledger has none."""
    return database[collections.CALLS].find_one({}, ["_id"]) is not None


def _made_in(period: Period, only: Document) -> list[Document]:
    """Return the two stages that select the calls, as those of a list: see
    `rankspider.questions.lists`."""
    return [{"$match": {"asked_at": {"$gte": period.start, "$lt": period.end}}}, {"$match": only}]


def anchors_without_own(database: Database[Document], period: Period) -> int:
    """Return how many anchors were asked for in ``period``, got lists, and were told of in none::

    db.calls.aggregate([
      {$match: {asked_at: {$gte: …, $lt: …}}},
      {$match: {outcome: "ok", anchor: {$ne: null}}},
      {$group: {_id: "$anchor", known: {$max: "$user_id"}}},
      {$match: {known: null}}])
    """
    pipeline: list[Document] = [
        *_made_in(period, {"outcome": OK, "anchor": {"$ne": None}}),
        {"$group": {"_id": "$anchor", "known": {"$max": "$user_id"}}},
        {"$match": {"known": None}},
    ]
    with database[collections.CALLS].aggregate(pipeline, allowDiskUse=True) as found:
        return sum(1 for _ in found)
