"""Who passed whom in the last minutes of an hour."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.lake.people import nicknames
from rankspider.moments import HOUR
from rankspider.report import column

_FIELDS = ("user_ids", "scores", "first_observed_at", "last_observed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtake:
    """Between two states that follow each other, one seller went past another.

    Both are on the list before and after: who enters or leaves it overtakes nobody.
    """

    seen_at: dt.datetime
    """When the new order was first seen."""
    not_before: dt.datetime = column("old order last seen")
    """When the old order was last seen: it happened after that."""
    user_id: str = column(None)
    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    from_place: int = column("from")
    place: int = column("to")
    score: int = column("points")
    passed_user_id: str = column(None)
    passed_nickname: str = column("passed")
    passed_place: int = column("now at")
    passed_score: int = column("its points")


def overtakes(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    *,
    minutes: float = 5,
    places: int | None = None,
) -> list[Overtake]:
    """Those seen in the last ``minutes`` of ``hour``, in the order they were seen.

    With ``places``, only those that end within the first so many. The states since then, and the
    one before them, are read one by one on ``hour_time``::

        db.snapshots.aggregate([
          {$match: {begin_time: …, first_observed_at: {$gte: …}}},  // before: {$lt: …}
          {$match: {"list.currency": …, "list.title": …, …}},
          {$sort: {first_observed_at: 1}},                          // before: -1, and {$limit: 1}
          {$project: {user_ids: 1, scores: 1, first_observed_at: 1, last_observed_at: 1}}])
    """
    since = hour + HOUR - dt.timedelta(minutes=minutes)
    found = [
        overtake
        for before, after in pairwise(_states(database, name, hour, since))
        for overtake in overtakes_between(before, after, places)
    ]
    names = nicknames(
        database, (who for each in found for who in (each.user_id, each.passed_user_id))
    )
    return [
        replace(each, nickname=names[each.user_id], passed_nickname=names[each.passed_user_id])
        for each in found
    ]


def _states(
    database: Database[Document], name: ListName, hour: dt.datetime, since: dt.datetime
) -> Iterator[Document]:
    snapshots = database[collections.SNAPSHOTS]
    yield from snapshots.aggregate(before_pipeline(name, hour, since))
    with snapshots.aggregate(since_pipeline(name, hour, since)) as states:
        yield from states


def before_pipeline(name: ListName, hour: dt.datetime, since: dt.datetime) -> list[Document]:
    """The state that held at ``since``."""
    return _pipeline(name, hour, {"$lt": since}, -1, {"$limit": 1})


def since_pipeline(name: ListName, hour: dt.datetime, since: dt.datetime) -> list[Document]:
    """The states from ``since`` on."""
    return _pipeline(name, hour, {"$gte": since}, 1)


def _pipeline(
    name: ListName, hour: dt.datetime, when: Document, order: int, *more: Document
) -> list[Document]:
    return [
        {"$match": {"begin_time": hour, "first_observed_at": when}},
        name.stage,
        {"$sort": {"first_observed_at": order}},
        *more,
        {"$project": dict.fromkeys(_FIELDS, 1)},
    ]


def overtakes_between(before: Document, after: Document, places: int | None) -> Iterator[Overtake]:
    """Of two states of `snapshots`, by the new places, then by who was passed; without names."""
    was = {user_id: place for place, user_id in enumerate(before["user_ids"], 1)}
    # A state that came back has been seen again after the one that interrupted it.
    not_before = min(before["last_observed_at"], after["first_observed_at"])
    rows = list(zip(after["user_ids"], after["scores"], strict=True))
    for place, (user_id, score) in enumerate(rows[:places], 1):
        for passed_place, (passed_user_id, passed_score) in enumerate(rows[place:], place + 1):
            if was.get(user_id, 0) > was.get(passed_user_id, len(was)):
                yield Overtake(
                    seen_at=after["first_observed_at"],
                    not_before=not_before,
                    user_id=user_id,
                    nickname="",
                    from_place=was[user_id],
                    place=place,
                    score=score,
                    passed_user_id=passed_user_id,
                    passed_nickname="",
                    passed_place=passed_place,
                    passed_score=passed_score,
                )
