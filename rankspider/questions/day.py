"""What one seller's time came to: its sessions, and the sum."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.lists import ListName
from rankspider.questions.sessions import began_at
from rankspider.questions.sights import place_of, sights_by_hour
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySession:
    """A session of one seller, as far as it lies in the period, or all of the period."""

    room_id: str = column(None)
    """"" for the sum of the period, which is the last row."""
    began_at: dt.datetime | None = column("on air since")
    """To the second: the upper half of ``room_id``."""
    last_seen_at: dt.datetime | None = column("on air until")
    """When it was last seen in that room: it ended after that."""
    gone_by: dt.datetime | None
    """When it was first seen after that, in no room or in another one; None: not in this
    period."""
    hours: int
    """That the lake has of it."""
    hours_listed: int
    """In which it was seen on the list, for however short a time."""
    best_place: int | None
    points: int
    """The sum of what it had when it was seen last in each hour, on the list or asked for."""


def day(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[DaySession]:
    """Return one row a session, the earliest first, and one of all; none if the lake has nothing of
    the seller.

    From `rankspider.questions.sights.sights_by_hour`, which has the queries. What a stale cache
    showed after the close counts for no session.
    """
    rooms: dict[str, list[_Sight]] = defaultdict(list)
    sights = list(_sights(database, name, period, user_id))
    for sight in sights:
        if sight.is_room_known and sight.standing["room_id"] is not None:
            rooms[sight.standing["room_id"]].append(sight)
    rows = [_session(room_id, its, sights) for room_id, its in rooms.items()]
    whole = [_sums("", sights)] if sights else []
    return [*sorted(rows, key=lambda row: int(row.room_id)), *whole]


class _Sight(NamedTuple):
    at: dt.datetime
    hour: dt.datetime
    standing: Document
    is_room_known: bool


def _sights(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> Iterator[_Sight]:
    for hour, sights in sights_by_hour(database, name, period, user_id):
        for each in sights:
            if each.standing is not None:
                yield _Sight(each.at, hour, each.standing, each.is_room_known)


def _session(room_id: str, its: list[_Sight], sights: list[_Sight]) -> DaySession:
    """``its``: those of ``sights``, which are in order, that are of this room for sure."""
    last_seen_at = its[-1].at
    known = (each.at for each in sights if each.is_room_known)
    return replace(
        _sums(room_id, its),
        began_at=began_at(room_id),
        last_seen_at=last_seen_at,
        gone_by=min((at for at in known if at > last_seen_at), default=None),
    )


def _sums(room_id: str, sights: list[_Sight]) -> DaySession:
    last = {each.hour: each.standing["score"] for each in sights}
    on_list = [each for each in sights if place_of(each.standing)]
    return DaySession(
        room_id=room_id,
        began_at=None,
        last_seen_at=None,
        gone_by=None,
        hours=len(last),
        hours_listed=len({each.hour for each in on_list}),
        best_place=min((place_of(each.standing) for each in on_list), default=None),
        points=sum(last.values()),
    )
