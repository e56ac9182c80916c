"""Some sellers against the list: where each stands, how fast it is, and when it passes the next."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.curve import Point, curve
from rankspider.questions.lists import ListName
from rankspider.questions.people import Person
from rankspider.questions.states import State, state_at
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One seller, as it was seen last in an hour."""

    nickname: str = column("who")
    """As it came; "" if the lake has no profile."""
    user_id: str
    place: int
    """0: not on the list."""
    score: int | None = column("points")
    """None, as ``seen_at``: neither on the list nor asked for in that hour."""
    to_next: int | None
    """Points behind the next better place; off the list, behind its last; 0 for the first."""
    points_per_minute: float | None
    """Between its first and its last observation in the last minutes; None without two."""
    next_per_minute: float | None = column("next's points per minute")
    """The same of the one to pass."""
    minutes_to_pass: float | None
    """From ``seen_at``, if both keep their speed; None if that is unknown, or never comes."""
    seen_at: dt.datetime | None


def compare(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    people: Iterable[Person],
    *,
    minutes: float = 10,
) -> list[Compared]:
    """Return one row for each anchor, the best place first, then the most points.

    The list is that of `rankspider.questions.states.state_at`; speeds, and what is known of those
    off the list, are from `rankspider.questions.curve.curve`, without what was seen after the
    close.
    """
    state = state_at(database, name, hour)
    rows = [_compared(database, name, hour, state, person, minutes) for person in people]
    return sorted(rows, key=lambda row: (row.place or 1 << 31, -(row.score or 0), row.user_id))


def _compared(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    state: State | None,
    person: Person,
    minutes: float,
) -> Compared:
    points = _within_hour(curve(database, name, hour, person.user_id), hour)
    place = state.places.get(person.user_id, 0) if state else 0
    score: int | None
    seen_at: dt.datetime | None
    score, seen_at = (points[-1].score, points[-1].until) if points else (None, None)
    ahead = None
    if state and place:
        score, seen_at = state.scores[place - 1], state.seen_at
        ahead = place - 2 if place > 1 else None
    elif state and state.scores:
        ahead = len(state.scores) - 1
    to_next = 0 if place == 1 else None
    speed, next_speed = _speed(points, minutes), None
    if state and ahead is not None and score is not None:
        to_next = max(0, state.scores[ahead] - score)
        those = curve(database, name, hour, state.user_ids[ahead])
        next_speed = _speed(_within_hour(those, hour), minutes)
    return Compared(
        nickname=person.nickname,
        user_id=person.user_id,
        place=place,
        score=score,
        to_next=to_next,
        points_per_minute=speed,
        next_per_minute=next_speed,
        minutes_to_pass=_minutes_to_pass(to_next, speed, next_speed),
        seen_at=seen_at,
    )


def _minutes_to_pass(
    to_next: int | None, speed: float | None, next_speed: float | None
) -> float | None:
    if to_next is None or speed is None or next_speed is None or speed <= next_speed:
        return None
    return to_next / (speed - next_speed)


def _within_hour(points: Iterable[Point], hour: dt.datetime) -> list[Point]:
    """Return what was seen of the anchors before the close."""
    last = hour + HOUR - dt.timedelta(milliseconds=1)
    return [replace(point, until=min(point.until, last)) for point in points if point.since <= last]


def _speed(points: Sequence[Point], minutes: float) -> float | None:
    if not points:
        return None
    last = points[-1]
    start = last.until - dt.timedelta(minutes=minutes)
    # A standing that was there before and after the start was there at it.
    first = next(point for point in points if point.until >= start)
    passed = (last.until - max(first.since, start)) / dt.timedelta(minutes=1)
    return (last.score - first.score) / passed if passed else None
