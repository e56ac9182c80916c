"""What happened on a list, hour by hour, for whoever wants to be told."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.lists import ListName
from rankspider.questions.overtakes import passings
from rankspider.questions.people import nicknames
from rankspider.questions.sessions import WITHIN_HOUR, began_at
from rankspider.questions.sightings import in_seen_order, sightings_of
from rankspider.report import column

_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OF_ROOM = ("user_id", "room_id", "rank", "score", "listed", "first_observed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was seen to have happened to one seller."""

    seen_at: dt.datetime
    """When it was first seen."""
    event: str
    """``entered``, ``left``: the first so many; ``passed``: by the other one; ``on air``;
    ``best place``, ``most points``: more than in all hours before."""
    user_id: str
    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    place: int
    """Then; 0: not on the list."""
    score: int | None = column("points")
    other_user_id: str | None = column("by")
    not_before: dt.datetime
    """When it was last seen to be otherwise, or the session began: it happened after that."""
    hour: dt.datetime = column("hour", is_hour=True)
    list: str = column(None)


@dataclass(slots=True)
class EventsSeen:
    """What was read of one hour of one list, and need not be read again: it only grows."""

    states: dict[str, Document] = field(default_factory=dict)
    """Of `snapshots`, by ``_id``."""
    bests: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Place and points in the hours before, by ``user_id``; 0: never listed there."""
    old_rooms: dict[str, bool] = field(default_factory=dict)
    """Whether a room was seen in the hour before."""


def events(
    database: Database[Document],
    name: ListName,
    since: dt.datetime,
    until: dt.datetime,
    *,
    first: int = 10,
) -> list[Event]:
    """Those first seen from ``since`` until ``until``, in that order; see `events_of_hour`."""
    found: list[Event] = []
    for hour in Period(hour_of(since), hour_of(until) + HOUR):
        found += events_of_hour(database, name, hour, first, EventsSeen())
    return named(database, (each for each in found if since <= each.seen_at < until))


def named(database: Database[Document], found: Iterable[Event]) -> list[Event]:
    """With their nicknames, `in_order`."""
    ordered = in_order(found)
    names = nicknames(database, (each.user_id for each in ordered))
    return [replace(each, nickname=names[each.user_id]) for each in ordered]


def in_order(found: Iterable[Event]) -> list[Event]:
    """As they were seen."""
    return sorted(found, key=lambda each: (each.seen_at, each.event, each.place, *_who(each)))


def _who(event: Event) -> tuple[str, str]:
    return event.user_id, event.other_user_id or ""


def events_of_hour(
    database: Database[Document], name: ListName, hour: dt.datetime, first: int, known: EventsSeen
) -> list[Event]:
    """Those of one hour, in no order and without names; what was seen after the close makes none.

    Of the states of the hour (`rankspider.questions.sightings`), read by ``_id`` as
    `rankspider.questions.overtakes` does; the first one is no event, as points begin anew. Records
    are against `ranks`, on ``user_hour``; rooms are on ``hour_time``::

        db.ranks.aggregate([
          {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
          {$match: {"list.currency": …, …}},
          {$project: {begin_time: 1, best_rank: 1, peak_score: 1, observed_at: 1}}])
        db.rank_history.aggregate([
          {$match: {begin_time: …, first_observed_at: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, …}},
          {$match: {room_id: {$gte: …}}}])

    Where those of `ranks` were seen after the close as well, and of rooms that began in the hour
    before, `rank_history` tells, on ``user_hour_time``.
    """
    return [
        *_on_the_list(database, name, hour, first, known),
        *_on_air(database, name, hour, known),
    ]


def _on_the_list(
    database: Database[Document], name: ListName, hour: dt.datetime, first: int, known: EventsSeen
) -> Iterator[Event]:
    sightings = sightings_of(database, name, hour).since(hour)
    sightings = [each for each in sightings if each.at < hour + HOUR]
    missing = sorted({each.state for each in sightings} - known.states.keys())
    read = database[collections.SNAPSHOTS].find({"_id": {"$in": missing}}, ["user_ids", "scores"])
    known.states.update((state["_id"], state) for state in read)
    seen = list(
        in_seen_order(known.states, (each for each in sightings if each.state in known.states))
    )
    bests: dict[str, tuple[int, int]] = {}
    for state in seen[:1]:
        _records(database, name, hour, state, first, bests, known)
    for each in passings(seen, first):
        yield Event(
            seen_at=each.seen_at,
            not_before=each.not_before,
            event="passed",
            user_id=each.passed_user_id,
            nickname="",
            place=each.passed_place,
            score=each.passed_score,
            other_user_id=each.user_id,
            hour=hour,
            list=str(name),
        )
    for before, after in pairwise(seen):
        was, now = before["user_ids"][:first], after["user_ids"][:first]
        found = [("entered", who) for who in now if who not in was]
        found += [("left", who) for who in was if who not in now]
        found += _records(database, name, hour, after, first, bests, known)
        yield from (_event(before, after, name, hour, *each) for each in found)


def _event(
    before: Document, state: Document, name: ListName, hour: dt.datetime, event: str, user_id: str
) -> Event:
    place = state["user_ids"].index(user_id) + 1 if user_id in state["user_ids"] else 0
    return Event(
        seen_at=state["first_observed_at"],
        not_before=before["last_observed_at"],
        event=event,
        user_id=user_id,
        nickname="",
        place=place,
        score=state["scores"][place - 1] if place else None,
        other_user_id=None,
        hour=hour,
        list=str(name),
    )


def _records(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    state: Document,
    first: int,
    bests: dict[str, tuple[int, int]],
    known: EventsSeen,
) -> list[tuple[str, str]]:
    """Which were broken by whom. ``bests``: place and points so far, to which those of ``state``
    are added."""
    broken = []
    rows = zip(state["user_ids"][:first], state["scores"], strict=False)
    for place, (user_id, score) in enumerate(rows, 1):
        if user_id not in known.bests:
            known.bests[user_id] = _best_before(database, name, hour, user_id)
        best, most = bests.get(user_id, known.bests[user_id])
        if not best:
            continue
        if place < best:
            broken.append(("best place", user_id))
        if score > most:
            broken.append(("most points", user_id))
        bests[user_id] = min(best, place), max(most, score)
    return broken


def _best_before(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> tuple[int, int]:
    """Return place and points; 0 if the user was never listed before, and so has no record to
    break."""
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": {"$gt": _BEGINNING, "$lt": hour}}},
        name.stage,
        {"$project": dict.fromkeys(("begin_time", "best_rank", "peak_score", "observed_at"), 1)},
    ]
    bests, late = [], []
    with database[collections.RANKS].aggregate(pipeline) as found:
        for each in found:
            if each["observed_at"] < each["begin_time"] + HOUR:
                bests.append((each["best_rank"], each["peak_score"]))
            else:  # a stale cache may have shown something better after the close
                late.append(each["begin_time"])
    for other in late:
        bests += [
            (each["rank"] if each["listed"] else 0, each["score"])
            for each in _standings(database, name, other, user_id)
        ]
    places = [place for place, _ in bests if place]
    return (min(places), max(top for _, top in bests)) if places else (0, 0)


def _standings(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> list[Document]:
    """Return what was seen of the seller within ``hour``."""
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": hour}},
        name.stage,
        {"$match": WITHIN_HOUR},
        {"$project": dict.fromkeys(_OF_ROOM, 1)},
    ]
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        return list(found)


def _on_air(
    database: Database[Document], name: ListName, hour: dt.datetime, known: EventsSeen
) -> Iterator[Event]:
    """Rooms that began in ``hour`` or the one before, and were first seen in it."""
    # Their numbers have as many digits as the Unix time has, and more.
    least = str(int((hour - HOUR).timestamp()) << 32)
    pipeline: list[Document] = [
        {"$match": {"begin_time": hour, "first_observed_at": {"$gte": hour, "$lt": hour + HOUR}}},
        name.stage,
        {"$match": {"room_id": {"$gte": least}}},
        {"$project": dict.fromkeys(_OF_ROOM, 1)},
        {"$sort": {"first_observed_at": 1}},
    ]
    rooms: dict[str, Document] = {}
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        for each in found:
            rooms.setdefault(each["room_id"], each)
    for room_id, each in rooms.items():
        began, user_id = began_at(room_id), each["user_id"]
        if began < hour - HOUR:
            continue
        if began < hour and room_id not in known.old_rooms:
            before = _standings(database, name, hour - HOUR, user_id)
            known.old_rooms[room_id] = any(other["room_id"] == room_id for other in before)
        if not known.old_rooms.get(room_id):
            yield Event(
                seen_at=each["first_observed_at"],
                not_before=began,
                event="on air",
                user_id=user_id,
                nickname="",
                place=each["rank"] if each["listed"] else 0,
                score=each["score"],
                other_user_id=None,
                hour=hour,
                list=str(name),
            )
