"""Live sessions: when each began, and what it made of its time on air."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.report import column

_FIELDS = ("begin_time", "rank", "score", "listed", "first_observed_at", "sec_uid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One room of one seller, from its first hour in the lake to its last."""

    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    user_id: str = column(None)
    sec_uid: str = column(None)
    room_id: str = column(None)
    began_at: dt.datetime = column("on air since")
    """To the second: the upper half of ``room_id``."""
    entered_at: dt.datetime | None = column(None)
    """When it was first seen on the list; None: never."""
    minutes_at_entry: float | None = column("min at entry")
    """How long it had been on air by then."""
    peak_score: int = column("peak points")
    """The most in any one hour; points begin at 0 with each."""
    peak_at: dt.datetime = column(None)
    minutes_at_peak: float = column("min at peak")
    best_rank: int | None
    hours: int
    """How many hours the lake has of it."""


# What a stale cache answers after the close is of no room's time.
_HOUR_MS = 3_600_000
WITHIN_HOUR = {"$expr": {"$lt": ["$first_observed_at", {"$add": ["$begin_time", _HOUR_MS]}]}}


class _Room(NamedTuple):
    user_id: str
    room_id: str
    peak: int
    """In the period asked for."""


def began_at(room_id: str) -> dt.datetime:
    """Return when the session of a room began: its number holds the Unix second above 32 others."""
    return dt.datetime.fromtimestamp(int(room_id) >> 32, dt.UTC)


def sessions(
    database: Database[Document],
    name: ListName,
    period: Period,
    *,
    user_id: str | None = None,
    most: int = 20,
) -> list[Session]:
    """Return the sessions with a standing in ``period``: those with the highest peaks in it, at
    ``most``.

    Unless ``user_id`` says whose, sellers are looked at by their peaks in the period, for as long
    as one may have a session among the first; read on ``hour_place``::

        db.ranks.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$group: {_id: "$user_id", peak: {$max: "$peak_score"}}},
          {$sort: {peak: -1, _id: 1}}])

    The sessions of each, on ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$match: {room_id: {$ne: null}, $expr: {$lt: ["$first_observed_at", CLOSE]}}},
          {$group: {_id: "$room_id", peak: {$max: "$score"}}}])

    The chosen ones are then read whole, also from before ``period``, from the hour in which they
    began, with ``{$match: {user_id: …, begin_time: {$gt: …}}}`` and ``{$match: {room_id: …}}``.

    ``$gt`` the hour before, as SecantusDB 0.7 misses what equals the bound of a ``$gte`` on an
    index that has a further field behind a descending one.
    """
    sellers = _sellers(database, name, period) if user_id is None else [(user_id, None)]
    rooms: list[_Room] = []
    for seller, peak in sellers:
        if peak is not None and len(rooms) == most and rooms[-1].peak > peak:
            break
        rooms += _rooms(database, name, period, seller)
        rooms = sorted(rooms, key=lambda room: (-room.peak, room.room_id))[:most]
    names = nicknames(database, (room.user_id for room in rooms))
    found = (_session(database, name, room.user_id, room.room_id) for room in rooms)
    named = (replace(session, nickname=names[session.user_id]) for session in found)
    return sorted(named, key=lambda session: (-session.peak_score, session.room_id))


def _sellers(
    database: Database[Document], name: ListName, period: Period
) -> Iterator[tuple[str, int]]:
    pipeline: list[Document] = [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        name.stage,
        {"$group": {"_id": "$user_id", "peak": {"$max": "$peak_score"}}},
        {"$sort": {"peak": -1, "_id": 1}},
    ]
    with database[collections.RANKS].aggregate(pipeline, allowDiskUse=True) as found:
        for group in found:
            yield group["_id"], group["peak"]


def _rooms(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> Iterator[_Room]:
    hours = {"$gt": period.start - HOUR, "$lt": period.end}
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": hours}},
        name.stage,
        {"$match": {"room_id": {"$ne": None}, **WITHIN_HOUR}},
        {"$group": {"_id": "$room_id", "peak": {"$max": "$score"}}},
    ]
    for group in database[collections.RANK_HISTORY].aggregate(pipeline):
        yield _Room(user_id, group["_id"], group["peak"])


def _session(database: Database[Document], name: ListName, user_id: str, room_id: str) -> Session:
    """Return one session, without the seller's name."""
    start = began_at(room_id)
    # A clock that is a little off could place the start behind the first hour's end.
    before = hour_of(start) - 2 * HOUR
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": {"$gt": before}}},
        name.stage,
        {"$match": {"room_id": room_id, **WITHIN_HOUR}},
        {"$project": dict.fromkeys(_FIELDS, 1)},
    ]
    standings = list(database[collections.RANK_HISTORY].aggregate(pipeline))
    peak = max(standings, key=lambda each: (each["score"], -each["first_observed_at"].timestamp()))
    placed = [each for each in standings if each["listed"] and each["rank"] > 0]
    entered_at = min((each["first_observed_at"] for each in placed), default=None)
    return Session(
        nickname="",
        user_id=user_id,
        sec_uid=peak["sec_uid"],
        room_id=room_id,
        began_at=start,
        entered_at=entered_at,
        minutes_at_entry=None if entered_at is None else _minutes(entered_at - start),
        peak_score=peak["score"],
        peak_at=peak["first_observed_at"],
        minutes_at_peak=_minutes(peak["first_observed_at"] - start),
        best_rank=min((each["rank"] for each in placed), default=None),
        hours=len({each["begin_time"] for each in standings}),
    )


def _minutes(duration: dt.timedelta) -> float:
    return duration / dt.timedelta(minutes=1)
