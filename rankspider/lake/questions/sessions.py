"""Live sessions: when each began, and what it made of its time on air."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.lake.people import nicknames
from rankspider.moments import HOUR, Period, hour_of
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


def began_at(room_id: str) -> dt.datetime:
    """When the session of a room began: its number holds the Unix second above 32 others."""
    return dt.datetime.fromtimestamp(int(room_id) >> 32, dt.UTC)


def sessions(
    database: Database[Document],
    name: ListName,
    period: Period,
    *,
    user_id: str | None = None,
    most: int = 20,
) -> list[Session]:
    """The sessions with a standing in ``period``: those with the highest peaks in it, at ``most``.

    With ``user_id``, those of one seller, found in ``rank_history`` on ``user_hour_time``; else
    those of ``ranks`` on ``hour_place``, which shows only the last session of a seller in an
    hour::

        db.ranks.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},    // rank_history: user_id: …, begin_time: …
          {$match: {"list.currency": …, "list.title": …, …}},
          {$match: {room_id: {$ne: null}}},
          {$group: {_id: {user: "$user_id", room: "$room_id"}, peak: {$max: "$peak_score"}}},
          {$sort: {peak: -1, "_id.room": 1}}, {$limit: …}])

    Each is then read whole, also from before ``period``, on ``user_hour_time``; ``start`` is the
    hour in which the session began::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: {$gte: start}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$match: {room_id: …}},
          {$project: {begin_time: 1, rank: 1, score: 1, listed: 1, first_observed_at: 1}}])
    """
    rooms = _rooms(database, name, period, user_id, most)
    found = [_session(database, name, each["user"], each["room"]) for each in rooms]
    names = nicknames(database, (session.user_id for session in found))
    named = (replace(session, nickname=names[session.user_id]) for session in found)
    return sorted(named, key=lambda session: (-session.peak_score, session.room_id))


def _rooms(
    database: Database[Document], name: ListName, period: Period, user_id: str | None, most: int
) -> Iterator[Document]:
    collection = collections.RANKS if user_id is None else collections.RANK_HISTORY
    pipeline = rooms_pipeline(name, period, user_id, most)
    for group in database[collection].aggregate(pipeline, allowDiskUse=True):
        yield group["_id"]


def rooms_pipeline(
    name: ListName, period: Period, user_id: str | None, most: int
) -> list[Document]:
    """The first pipeline of `sessions`: over `rank_history` for one seller, else `ranks`."""
    hours = {"begin_time": {"$gte": period.start, "$lt": period.end}}
    who = {} if user_id is None else {"user_id": user_id}
    peak = "$peak_score" if user_id is None else "$score"
    return [
        {"$match": {**who, **hours}},
        name.stage,
        {"$match": {"room_id": {"$ne": None}}},
        {"$group": {"_id": {"user": "$user_id", "room": "$room_id"}, "peak": {"$max": peak}}},
        {"$sort": {"peak": -1, "_id.room": 1}},
        {"$limit": most},
    ]


def _session(database: Database[Document], name: ListName, user_id: str, room_id: str) -> Session:
    pipeline = session_pipeline(name, user_id, room_id)
    return session_of(user_id, room_id, database[collections.RANK_HISTORY].aggregate(pipeline))


def session_pipeline(name: ListName, user_id: str, room_id: str) -> list[Document]:
    """The second pipeline of `sessions`, over `rank_history`."""
    # A clock that is a little off could place the start behind the first hour's end.
    start = hour_of(began_at(room_id)) - HOUR
    return [
        {"$match": {"user_id": user_id, "begin_time": {"$gte": start}}},
        name.stage,
        {"$match": {"room_id": room_id}},
        {"$project": dict.fromkeys(_FIELDS, 1)},
    ]


def session_of(user_id: str, room_id: str, history: Iterable[Document]) -> Session:
    """From one room's documents in `rank_history`, at least one; without the name."""
    standings = list(history)
    start = began_at(room_id)
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
