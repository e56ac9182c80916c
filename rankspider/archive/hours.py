"""Count what the archive holds, by hour."""

import datetime as dt
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.archive.selection import AnswerFilter
from rankspider.lake import collections
from rankspider.lake.collections import Document


@dataclass(frozen=True, slots=True)
class ArchivedHour:
    """What the archive holds of one hour."""

    begin_time: dt.datetime | None
    """Start of the ranked hour; None: answers without a list."""
    answers: int
    first_observed_at: dt.datetime
    last_observed_at: dt.datetime
    bytes: int
    """As they came."""
    stored_bytes: int
    """As they are kept, with the bases made in that hour."""


def archived_hours(database: Database[Document], selection: AnswerFilter) -> list[ArchivedHour]:
    """Return what the archive holds of each hour, oldest first."""
    of_bases = database[collections.ARCHIVE_BASES].aggregate([_BASES_BY_HOUR])
    bases = {group["_id"]: group["stored"] for group in of_bases}
    matching = {"$match": selection.filter()}
    groups = database[collections.ARCHIVE].aggregate([matching, _ANSWERS_BY_HOUR])
    found = [
        ArchivedHour(
            begin_time=group["_id"],
            answers=group["answers"],
            first_observed_at=group["first"],
            last_observed_at=group["last"],
            bytes=group["length"],
            stored_bytes=group["stored"] + bases.get(group["_id"], 0),
        )
        for group in groups
    ]
    return sorted(found, key=lambda each: (each.begin_time is not None, each.begin_time or 0))


_ANSWERS_BY_HOUR = {
    "$group": {
        "_id": "$begin_time",
        "answers": {"$sum": 1},
        "first": {"$min": "$observed_at"},
        "last": {"$max": "$observed_at"},
        "length": {"$sum": "$length"},
        "stored": {"$sum": "$stored"},
    }
}
_BASES_BY_HOUR = {"$group": {"_id": "$begin_time", "stored": {"$sum": "$stored"}}}
