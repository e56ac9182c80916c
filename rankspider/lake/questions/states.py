"""The list as a whole at one moment."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName
from rankspider.lake.questions.sightings import newest_sighting


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
        """Places, from 1, by ``user_id``."""
        return {user_id: place for place, user_id in enumerate(self.user_ids, 1)}

    def as_document(self) -> Document:
        """As `snapshots` has it, as far as the order goes; seen at `seen_at`."""
        return {
            "user_ids": self.user_ids,
            "scores": self.scores,
            "first_observed_at": self.seen_at,
            "last_observed_at": self.seen_at,
        }

    @property
    def deltas(self) -> list[int]:
        """Points behind the next better place; 0 for the first."""
        before = [*self.scores[:1], *self.scores]
        return [better - score for better, score in zip(before, self.scores, strict=False)]


def state_at(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    moment: dt.datetime | None = None,
) -> State | None:
    """The list ``name`` of ``hour`` as it was known at ``moment``, by default at last.

    None if nobody had seen it by then. Of the states seen by ``moment`` it is the one seen last:
    at its first observation, at its last, or at one of its sightings, since a state may have come
    back; where two were seen at once, the one that came later. On ``hour_time`` (with
    `rankspider.lake.questions.sightings.newest_sighting`)::

        db.snapshots.aggregate([
          {$match: {begin_time: …, first_observed_at: {$lte: MOMENT}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$set: {seen_at: {$cond: [{$lte: ["$last_observed_at", MOMENT]},
                                    "$last_observed_at", "$first_observed_at"]}}},
          {$sort: {seen_at: -1, first_observed_at: -1}},
          {$limit: 1}])
    """
    sighting = None if moment is None else newest_sighting(database, name, hour, moment)
    snapshots = database[collections.SNAPSHOTS]
    pipeline = state_pipeline(name, hour, moment, has_sightings=sighting is not None)
    with snapshots.aggregate(pipeline) as found:
        state = next(iter(found), None)
    if state is not None and sighting is not None and sighting[0] > state["seen_at"]:
        state = snapshots.find_one({"_id": sighting[1]}) or state
    if state is None:
        return None
    last = state["last_observed_at"]
    return State(
        name=name,
        hour=hour,
        region_name=state["list"]["region_name"],
        user_ids=state["user_ids"],
        scores=state["scores"],
        seen_at=last if moment is None else min(last, moment),
    )


def state_pipeline(
    name: ListName, hour: dt.datetime, moment: dt.datetime | None, *, has_sightings: bool
) -> list[dict[str, Any]]:
    """The pipeline of `state_at`, over `snapshots`.

    Without sightings nobody knows whether a state came back: then it is taken to have held from
    its first observation to its last.
    """
    seen: Document = {"begin_time": hour}
    evidence: Any = "$last_observed_at"
    if moment is not None:
        seen["first_observed_at"] = {"$lte": moment}
        known = {"$lte": ["$last_observed_at", moment]}
        otherwise = "$first_observed_at" if has_sightings else moment
        evidence = {"$cond": [known, "$last_observed_at", otherwise]}
    return [
        {"$match": seen},
        name.stage,
        {"$set": {"seen_at": evidence}},
        {"$sort": {"seen_at": -1, "first_observed_at": -1}},
        {"$limit": 1},
    ]
