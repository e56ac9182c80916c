"""The list as a whole at one moment."""

import datetime as dt
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import Sighting, sightings_of


@dataclass(frozen=True, slots=True)
class State:
    """Who stood on one list, best first."""

    name: ListName
    hour: dt.datetime
    region_name: str
    user_ids: list[str]
    scores: list[int]
    seen_at: dt.datetime
    """The newest observation, up to the moment asked for, that shows or confirms it."""

    @property
    def places(self) -> dict[str, int]:
        """Return the places, from 1, by ``user_id``."""
        return {user_id: place for place, user_id in enumerate(self.user_ids, 1)}

    @property
    def deltas(self) -> list[int]:
        """Return the points behind the next better place; 0 for the first."""
        before = [*self.scores[:1], *self.scores]
        return [better - score for better, score in zip(before, self.scores, strict=False)]


def state_at(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    moment: dt.datetime | None = None,
) -> State | None:
    """Return the list ``name`` of ``hour`` as it was known at ``moment``, by default at last: that
    of its newest sighting by then.

    None if nobody had seen it by then. ``db.snapshots.find({_id: …})``, with
    `rankspider.questions.sightings.sightings_of`.
    """
    newest = sightings_of(database, name, hour).newest(moment)
    return None if newest is None else state_of(database, name, hour, newest)


def state_of(
    database: Database[Document], name: ListName, hour: dt.datetime, sighting: Sighting
) -> State | None:
    """Return the state that was seen; None if it has been deleted since."""
    state = database[collections.SNAPSHOTS].find_one({"_id": sighting.state})
    if state is None:
        return None
    return State(
        name=name,
        hour=hour,
        region_name=state["list"]["region_name"],
        user_ids=state["user_ids"],
        scores=state["scores"],
        seen_at=sighting.at,
    )


def standing_in_state(user_id: str) -> Document:
    """Return fields for a ``$project`` of `snapshots`: the user's ``place``, 0 if it has none, and
    with one its ``score`` and ``delta``."""
    index = {"$indexOfArray": ["$user_ids", user_id]}
    score = {"$arrayElemAt": ["$scores", index]}
    above = {"$arrayElemAt": ["$scores", {"$max": [0, {"$subtract": [index, 1]}]}]}
    is_there = {"$gte": [index, 0]}
    return {
        "place": {"$add": [index, 1]},
        "score": {"$cond": [is_there, score, None]},
        "delta": {"$cond": [is_there, {"$subtract": [above, score]}, None]},
    }
