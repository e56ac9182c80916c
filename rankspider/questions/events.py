"""What happened on a list since a moment, for whoever wants to be told."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.lists import ListName
from rankspider.questions.overtakes import passings
from rankspider.questions.people import nicknames
from rankspider.questions.sessions import began_at
from rankspider.questions.sightings import sightings_of, stays
from rankspider.report import column

_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was seen to have happened to one seller."""

    seen_at: dt.datetime
    """When it was first seen; it happened before that."""
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
    hour: dt.datetime = column("hour", is_hour=True)

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells the event from every other one, whatever becomes known of it."""
        return self.seen_at, self.event, self.user_id, self.other_user_id


def events(
    database: Database[Document],
    name: ListName,
    since: dt.datetime,
    until: dt.datetime,
    *,
    first: int = 10,
) -> list[Event]:
    """Return the events first seen from ``since`` until ``until``, in that order.

    Of the states of each hour (`rankspider.questions.sightings`), read by ``_id`` as
    `rankspider.questions.overtakes` does; the first one of an hour is no event, as points begin
    anew. Records are against `ranks`, on ``user_hour``; rooms are on ``hour_time``::

        db.ranks.aggregate([
          {$match: {user_id: …, begin_time: {$gt: …, $lt: …}}},
          {$match: {"list.currency": …, …}},
          {$project: {best_rank: 1, peak_score: 1}}])
        db.rank_history.aggregate([
          {$match: {begin_time: …, first_observed_at: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, …}},
          {$match: {room_id: {$ne: null}}}])
    """
    found: list[Event] = []
    for hour in Period(hour_of(since), hour_of(until) + HOUR):
        found += _on_the_list(database, name, hour, first)
        found += _on_air(database, name, hour, since)
    found = sorted(
        (each for each in found if since <= each.seen_at < until),
        key=lambda each: (each.seen_at, each.event, each.place, each.user_id),
    )
    named = nicknames(database, (each.user_id for each in found))
    return [replace(each, nickname=named[each.user_id]) for each in found]


def _on_the_list(
    database: Database[Document], name: ListName, hour: dt.datetime, first: int
) -> Iterator[Event]:
    found = sightings_of(database, name, hour).since(hour)
    sightings = [each for each in found if each.at < hour + HOUR]
    keys = {"_id": {"$in": sorted({each.state for each in sightings})}}
    read = database[collections.SNAPSHOTS].find(keys, ["user_ids", "scores"])
    states = {state["_id"]: state for state in read}
    seen = list(stays(states, (each for each in sightings if each.state in states)))
    bests: dict[str, tuple[int, int]] = {}
    for state in seen[:1]:
        list(_records(database, name, hour, state, first, bests))
    for each in passings(seen, first):
        yield Event(
            seen_at=each.seen_at,
            event="passed",
            user_id=each.passed_user_id,
            nickname="",
            place=each.passed_place,
            score=each.passed_score,
            other_user_id=each.user_id,
            hour=hour,
        )
    for before, after in pairwise(seen):
        yield from _moves(before, after, hour, first)
        yield from _records(database, name, hour, after, first, bests)


def _event(state: Document, hour: dt.datetime, event: str, user_id: str) -> Event:
    place = state["user_ids"].index(user_id) + 1 if user_id in state["user_ids"] else 0
    return Event(
        seen_at=state["first_observed_at"],
        event=event,
        user_id=user_id,
        nickname="",
        place=place,
        score=state["scores"][place - 1] if place else None,
        other_user_id=None,
        hour=hour,
    )


def _moves(before: Document, after: Document, hour: dt.datetime, first: int) -> Iterator[Event]:
    was, now = before["user_ids"][:first], after["user_ids"][:first]
    yield from (_event(after, hour, "entered", who) for who in now if who not in was)
    yield from (_event(after, hour, "left", who) for who in was if who not in now)


def _records(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    state: Document,
    first: int,
    bests: dict[str, tuple[int, int]],
) -> Iterator[Event]:
    """Yield the records that ``state`` broke; its places and points are added to ``bests``, those
    so far."""
    rows = zip(state["user_ids"][:first], state["scores"], strict=False)
    for place, (user_id, score) in enumerate(rows, 1):
        if user_id not in bests:
            bests[user_id] = _best_before(database, name, hour, user_id)
        best, most = bests[user_id]
        if best and place < best:
            yield _event(state, hour, "best place", user_id)
        if best and score > most:
            yield _event(state, hour, "most points", user_id)
        if best:
            bests[user_id] = min(best, place), max(most, score)


def _best_before(
    database: Database[Document], name: ListName, hour: dt.datetime, user_id: str
) -> tuple[int, int]:
    """Return place and points; 0 if the user was never listed before, and so has no record to
    break."""
    pipeline: list[Document] = [
        {"$match": {"user_id": user_id, "begin_time": {"$gt": _BEGINNING, "$lt": hour}}},
        name.stage,
        {"$project": {"best_rank": 1, "peak_score": 1}},
    ]
    with database[collections.RANKS].aggregate(pipeline) as found:
        bests = [(each["best_rank"], each["peak_score"]) for each in found if each["best_rank"]]
    return (min(place for place, _ in bests), max(top for _, top in bests)) if bests else (0, 0)


def _on_air(
    database: Database[Document], name: ListName, hour: dt.datetime, since: dt.datetime
) -> Iterator[Event]:
    """Yield the rooms that began from ``since`` on and were first seen in ``hour``."""
    pipeline: list[Document] = [
        {"$match": {"begin_time": hour, "first_observed_at": {"$gte": since, "$lt": hour + HOUR}}},
        name.stage,
        {"$match": {"room_id": {"$ne": None}}},
        {"$sort": {"first_observed_at": 1}},
    ]
    rooms = set()
    with database[collections.RANK_HISTORY].aggregate(pipeline) as found:
        for each in found:
            room_id = each["room_id"]
            if room_id not in rooms and max(since, hour) <= began_at(room_id):
                rooms.add(room_id)
                yield Event(
                    seen_at=each["first_observed_at"],
                    event="on air",
                    user_id=each["user_id"],
                    nickname="",
                    place=each["rank"] if each["listed"] else 0,
                    score=each["score"],
                    other_user_id=None,
                    hour=hour,
                )
