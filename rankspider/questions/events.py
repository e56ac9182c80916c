"""What happened on a list, hour by hour, for whoever wants to be told."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.before import Before
from rankspider.questions.lists import ListName
from rankspider.questions.overtakes import passings
from rankspider.questions.people import nicknames
from rankspider.questions.sessions import began_at
from rankspider.questions.sightings import in_seen_order, sightings_of
from rankspider.report import column


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


def events(
    database: Database[Document],
    name: ListName,
    since: dt.datetime,
    until: dt.datetime,
    *,
    first: int = 10,
) -> list[Event]:
    """Those first seen from ``since`` until ``until``, in that order; see `events_of_hour`."""
    hours = Period(hour_of(since), hour_of(until) + HOUR)
    before = Before(database, name, hours.end)
    found = [each for hour in hours for each in events_of_hour(before, hour, first, EventsSeen())]
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


def events_of_hour(before: Before, hour: dt.datetime, first: int, known: EventsSeen) -> list[Event]:
    """Those of one hour, in no order and without names; what was seen after the close makes none.

    Of the states of the hour (`rankspider.questions.sightings`), read by ``_id`` as
    `rankspider.questions.overtakes` does; the first one is no event, as points begin anew. Records
    and rooms are against what was `before`.
    """
    return [*_on_the_list(before, hour, first, known), *_on_air(before, hour)]


def _on_the_list(
    before: Before, hour: dt.datetime, first: int, known: EventsSeen
) -> Iterator[Event]:
    database, name = before.database, before.name
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
        _records(before, hour, state, first, bests, known)
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
    for old, new in pairwise(seen):
        was, now = old["user_ids"][:first], new["user_ids"][:first]
        found = [("entered", who) for who in now if who not in was]
        found += [("left", who) for who in was if who not in now]
        found += _records(before, hour, new, first, bests, known)
        yield from (_event(old, new, name, hour, *each) for each in found)


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
    before: Before,
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
            known.bests[user_id] = before.best(hour, user_id)
        best, most = bests.get(user_id, known.bests[user_id])
        if not best:
            continue
        if place < best:
            broken.append(("best place", user_id))
        if score > most:
            broken.append(("most points", user_id))
        bests[user_id] = min(best, place), max(most, score)
    return broken


def _on_air(before: Before, hour: dt.datetime) -> Iterator[Event]:
    """Rooms that began in ``hour`` or the one before, and were first seen in it."""
    for (user_id, room_id), each in before.rooms(hour).items():
        began = began_at(room_id)
        if began < hour - HOUR:
            continue
        if began < hour and (user_id, room_id) in before.rooms(hour - HOUR):
            continue
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
            list=str(before.name),
        )
