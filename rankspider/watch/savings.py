"""Work out what the watch list has spared: the calls made for it, beside those at fixed
intervals."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake.collections import CALLS, Document

_PURPOSES = ("own", "list", "close")
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Saved:
    """The calls of the last 24 hours, made and spared."""

    made: dict[str, int]
    """Calls by purpose."""
    at_fixed_intervals: float
    """How many it would have been, had each anchor been asked ``every`` so often."""


def saved(
    database: Database[Document], documents: Iterable[Document], now: dt.datetime | None = None
) -> Saved:
    """Count the calls for the anchors of ``documents``, those of `watched`.

    ``db.calls.aggregate([{$match: {asked_at: {$gte: …}, purpose: {$in: […]}}}, {$group: …}])``, on
    the index ``asked``.
    """
    now = now or dt.datetime.now(dt.UTC)
    since = now - _DAY
    stages: list[Document] = [
        {"$match": {"asked_at": {"$gte": since, "$lt": now}, "purpose": {"$in": _PURPOSES}}},
        {"$group": {"_id": "$purpose", "count": {"$sum": 1}}},
    ]
    with database[CALLS].aggregate(stages) as found:
        made = {each["_id"]: int(each["count"]) for each in found}
    fixed = sum(
        (now - max(since, each["added_at"])).total_seconds() / each["every"]
        for each in documents
        if not each["paused"] and each["added_at"] < now
    )
    return Saved({purpose: made.get(purpose, 0) for purpose in _PURPOSES}, fixed)


def saved_text(of_day: Saved) -> str:
    """Return it as a sentence."""
    each = ", ".join(f"{count:,} {purpose}" for purpose, count in of_day.made.items())
    total = sum(of_day.made.values())
    return (
        f"In the last 24 hours {total:,} calls were made for it ({each}); at fixed intervals it "
        f"would have been {of_day.at_fixed_intervals:,.0f}."
    )
