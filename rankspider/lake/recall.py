"""Tell whether an observation is older than what the lake has on record, for whoever cannot ask the
fleet's memory: a revision alone does not tell, since what was seen again is not written again."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.items import Item, ListItem, RankedList, RejectedItem
from rankspider.lake import collections


@dataclass(frozen=True, slots=True)
class SeenLater:
    """The observations of an hour after some moment."""

    is_list: bool
    """Whether the list as a whole was."""
    user_ids: frozenset[str]
    """Who stood in it, or was asked for and answered."""

    def includes(self, item: Item) -> bool:
        if isinstance(item, RejectedItem):
            return False  # its time is only when it was rejected last
        return self.is_list if isinstance(item, ListItem) else item.user_id in self.user_ids


NOTHING_LATER = SeenLater(False, frozenset())


async def seen_later(
    database: AsyncDatabase[dict[str, Any]], ranked_list: RankedList, moment: dt.datetime
) -> SeenLater:
    """Return what was observed of ``ranked_list`` after ``moment``, by `calls` and `sightings`; on
    their ``hour_time``."""
    hour = {"begin_time": ranked_list.begin_time}
    states: set[str] = set()
    user_ids: set[str] = set()
    calls = database[collections.CALLS].find(
        {**hour, "observed_at": {"$gt": moment}}, ["list_state", "user_id"]
    )
    async for call in calls:
        states.add(call["list_state"])
        user_ids.add(call["user_id"])
    sightings = database[collections.SIGHTINGS].find(
        {**hour, "last_observed_at": {"$gt": moment}}, ["state"]
    )
    states |= {sighting["state"] async for sighting in sightings}
    ours = [state for state in states if state and state.startswith(f"{ranked_list.key}/")]
    found = database[collections.SNAPSHOTS].find({"_id": {"$in": ours}}, ["user_ids"])
    async for snapshot in found:
        user_ids |= {*(snapshot["user_ids"] or [])}
    return SeenLater(bool(ours), frozenset(user_ids - {None}))
