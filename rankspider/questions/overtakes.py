"""Who passed whom in the last minutes of an hour."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.sightings import in_seen_order, sightings_of
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtake:
    """Between two states that follow each other, one seller went past another.

    Both are on the list before and after: who enters or leaves it overtakes nobody. Nor does who
    only comes level in points: ahead is who was, until one has more.
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
    """Return the passings that were seen in the last ``minutes`` of ``hour``, in the order they
    were seen.

    With ``places``, only those that end within the first so many. Of the states that were seen
    since then and the one before (`rankspider.questions.sightings`)::

        db.snapshots.find({_id: {$in: […]}}, {user_ids: 1, scores: 1})
    """
    since = hour + HOUR - dt.timedelta(minutes=minutes)
    found = list(passings(_states(database, name, hour, since), places))
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
    """Yield the states one after the other, each with the times of that stay: a state that came
    back is there once more."""
    sightings = sightings_of(database, name, hour)
    before = sightings.newest(since - dt.timedelta(milliseconds=1))
    seen = [*([] if before is None else [before]), *sightings.since(since)]
    keys = {"_id": {"$in": sorted({sighting.state for sighting in seen})}}
    found = database[collections.SNAPSHOTS].find(keys, ["user_ids", "scores"])
    states = {state["_id"]: state for state in found}
    return in_seen_order(states, (sighting for sighting in seen if sighting.state in states))


_Pair = frozenset[str]


def passings(states: Iterable[Document], places: int | None) -> Iterator[Overtake]:
    """Yield the passings in states of `snapshots` that follow each other, by the new places, then
    by who was passed; without names."""
    level: set[_Pair] = set()
    for before, after in pairwise(states):
        was = {user_id: place for place, user_id in enumerate(before["user_ids"], 1)}
        rows = list(zip(after["user_ids"], after["scores"], strict=True))
        before_level, level = level, set()
        here = [user_id for user_id, _ in rows if user_id in was]
        if not before_level and here == sorted(here, key=was.__getitem__):
            continue  # as most states: nobody moved against anybody
        for place, (user_id, score) in enumerate(rows, 1):
            for passed_place, (passed, passed_score) in enumerate(rows[place:], place + 1):
                if user_id not in was or passed not in was:
                    continue
                was_above = was[user_id] < was[passed]
                if was_above and not before_level:
                    continue
                pair = frozenset((user_id, passed))
                if was_above != (pair in before_level):
                    continue  # it was ahead already
                if score == passed_score:
                    level.add(pair)  # above the other, and not ahead of it yet
                elif places is None or place <= places:
                    yield Overtake(
                        seen_at=after["first_observed_at"],
                        not_before=before["last_observed_at"],
                        user_id=user_id,
                        nickname="",
                        from_place=max(was[user_id], was[passed]),
                        place=place,
                        score=score,
                        passed_user_id=passed,
                        passed_nickname="",
                        passed_place=passed_place,
                        passed_score=passed_score,
                    )
