"""Who came onto the list, who left it and who moved, against the hour before."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.states import State, state_at
from rankspider.report import column

Move = Literal["entered", "left", "up", "down", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One user in the last known states of two hours' lists; None where it was not listed."""

    move: Move
    place: int | None
    place_before: int | None = column("before")
    nickname: str
    """As it came; "" if the lake has no profile."""
    user_id: str
    score: int | None = column("points")
    score_before: int | None = column("points before")


@dataclass(frozen=True, slots=True)
class Movers:
    """The two states that were compared, and the users of both."""

    before: State
    after: State
    rows: list[Mover]
    """In the order of the list, then those who left in the order of the list before."""


def movers(database: Database[Document], name: ListName, hour: dt.datetime) -> Movers | None:
    """Return the list ``name`` of ``hour`` against that of the hour before, both as they were seen
    last.

    None if one of the two hours has no such list. Two queries of `state_at`, on ``hour_time`` of
    `snapshots`.
    """
    before, after = (state_at(database, name, each) for each in (hour - HOUR, hour))
    if before is None or after is None:
        return None
    places, places_before = after.places, before.places
    left = [user_id for user_id in before.user_ids if user_id not in places]
    everybody = [*after.user_ids, *left]
    names = nicknames(database, everybody)

    def row(user_id: str) -> Mover:
        place, place_before = places.get(user_id), places_before.get(user_id)
        return Mover(
            move=_move(place, place_before),
            place=place,
            place_before=place_before,
            nickname=names[user_id],
            user_id=user_id,
            score=None if place is None else after.scores[place - 1],
            score_before=None if place_before is None else before.scores[place_before - 1],
        )

    return Movers(before, after, [row(user_id) for user_id in everybody])


def _move(place: int | None, before: int | None) -> Move:
    if place is None:
        return "left"
    if before is None:
        return "entered"
    return "kept" if place == before else "up" if place < before else "down"
