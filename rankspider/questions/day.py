"""What one seller's time came to: its sessions, and the sum."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.lists import ListName
from rankspider.questions.sessions import began_at
from rankspider.questions.trend import trend
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A session of one seller, as far as it lies in the period, or all of the period."""

    room_id: str = column(None)
    """"" for the sum of the period, which is the last row."""
    began_at: dt.datetime | None = column("on air since")
    """To the second: the upper half of ``room_id``."""
    last_seen_at: dt.datetime | None = column("on air until")
    """When it was last seen in that room: it ended after that."""
    gone_by: dt.datetime | None
    """When it was first seen in no room, or in another one; None: not in this period."""
    hours: int
    """That the lake has of it."""
    hours_listed: int
    """In which it was seen on the list, for however short a time."""
    best_place: int | None
    points: int
    """The sum of what it had when it was seen last in each hour, on the list or asked for."""


_FIELDS = (
    *("begin_time", "rank", "score", "listed", "room_id"),
    *("first_observed_at", "last_observed_at"),
)


def day(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[Stretch]:
    """Return one row a session, the earliest first, and one of all; none if the lake has nothing of
    the seller.

    The sum is that of `rankspider.questions.trend.trend`. The sessions, on ``user_hour_time``::

        db.rank_history.aggregate([
          {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$project: {begin_time: 1, rank: 1, score: 1, listed: 1, room_id: 1, …}}])

    ``$gt`` the hour before: see `rankspider.questions.sessions.sessions`. What a stale cache showed
    after the close counts for no session.
    """
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id}},
        name.stage,
        {"$project": dict.fromkeys(_FIELDS, 1)},
    ]
    pipeline[0]["$match"]["begin_time"] = {"$gt": period.start - HOUR, "$lt": period.end}
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        standings = [each for each in found if each["first_observed_at"] < _close(each)]
    rooms = defaultdict(list)
    for each in standings:
        if each["room_id"] is not None:
            rooms[each["room_id"]].append(each)
    rows = [_session(room_id, its, standings) for room_id, its in rooms.items()]
    hours = [each for each in trend(database, name, period, user_id) if each.observed_at]
    if not hours:
        return rows
    places = [each.best_place for each in hours if each.best_place]
    whole = Stretch(
        room_id="",
        began_at=None,
        last_seen_at=None,
        gone_by=None,
        hours=len(hours),
        hours_listed=len(places),
        best_place=min(places, default=None),
        points=sum(each.score or 0 for each in hours),
    )
    return [*sorted(rows, key=lambda row: int(row.room_id)), whole]


def _close(standing: Document) -> dt.datetime:
    close: dt.datetime = standing["begin_time"] + HOUR
    return close


def _session(room_id: str, its: list[Document], standings: list[Document]) -> Stretch:
    """Return the row of one session; ``its`` are those of ``standings`` that are of this room."""
    last = {each["begin_time"]: each for each in sorted(its, key=_seen)}
    last_seen_at = max(min(each["last_observed_at"], _close(each)) for each in its)
    others = (each["first_observed_at"] for each in standings if each["room_id"] != room_id)
    placed = [each for each in its if each["listed"] and each["rank"] > 0]
    return Stretch(
        room_id=room_id,
        began_at=began_at(room_id),
        last_seen_at=last_seen_at,
        gone_by=min((at for at in others if at > last_seen_at), default=None),
        hours=len(last),
        hours_listed=len({each["begin_time"] for each in placed}),
        best_place=min((each["rank"] for each in placed), default=None),
        points=sum(each["score"] for each in last.values()),
    )


def _seen(standing: Document) -> tuple[dt.datetime, dt.datetime]:
    return standing["last_observed_at"], standing["first_observed_at"]
