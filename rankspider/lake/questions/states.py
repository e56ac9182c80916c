"""The list as a whole at one moment."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName


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

    None if nobody had seen it by then. A state is held from its first observation to its last; of
    those seen by ``moment`` it is the one with the newest evidence, and, where two have the same,
    the one that came later. On ``hour_time``::

        db.snapshots.aggregate([
          {$match: {begin_time: …, first_observed_at: {$lte: MOMENT}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}},
          {$set: {seen_at: {$min: ["$last_observed_at", MOMENT]}}},
          {$sort: {seen_at: -1, first_observed_at: -1}},
          {$limit: 1}])
    """
    pipeline = state_pipeline(name, hour, moment)
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        state = next(iter(found), None)
    if state is None:
        return None
    return State(
        name=name,
        hour=hour,
        region_name=state["list"]["region_name"],
        user_ids=state["user_ids"],
        scores=state["scores"],
        seen_at=state["seen_at"],
    )


def state_pipeline(
    name: ListName, hour: dt.datetime, moment: dt.datetime | None
) -> list[dict[str, Any]]:
    """The pipeline of `state_at`, over `snapshots`."""
    seen: Document = {"begin_time": hour}
    if moment is not None:
        seen["first_observed_at"] = {"$lte": moment}
    evidence = "$last_observed_at" if moment is None else {"$min": ["$last_observed_at", moment]}
    return [
        {"$match": seen},
        name.stage,
        {"$set": {"seen_at": evidence}},
        {"$sort": {"seen_at": -1, "first_observed_at": -1}},
        {"$limit": 1},
    ]
