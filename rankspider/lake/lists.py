"""Which lists the lake holds, and which one is meant.

A filter on the list itself stands in a ``$match`` of its own, after the one that an index answers:
MongoDB joins the two, and a simpler server still sees that the first is all index.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.moments import HOUR, hour_of
from rankspider.terminal import harmless

Document = dict[str, Any]
# About a year, in so many hours at a time: not many empty looks, and not much to read in the last.
_STEPS = (1, 2, 4, 8, *[24] * 365)


class ListName(NamedTuple):
    """What tells one list of an hour from another."""

    currency: str
    title: str
    subtitle: str
    city_code: str

    @classmethod
    def of(cls, document: Document) -> "ListName":
        """That of a document of `ranks`, `rank_history` or `snapshots`."""
        return cls(*(document["list"][name] for name in cls._fields))

    @property
    def is_site_wide(self) -> bool:
        """Regional lists have the code of their city."""
        return not self.city_code

    @property
    def stage(self) -> Document:
        """For a pipeline: only this list's documents."""
        return {"$match": {f"list.{name}": part for name, part in self._asdict().items()}}

    def fits(self, currency: str | None, title: str | None) -> bool:
        return currency in (None, self.currency) and title in (None, self.title)

    def __str__(self) -> str:
        """For a line of a terminal."""
        parts = (self.title, self.subtitle, self.city_code, self.currency)
        return " ".join(harmless(part) for part in parts if part) or "a list without a name"


def newest_hour(database: Database[Document], now: dt.datetime | None = None) -> dt.datetime | None:
    """The newest hour in the lake; None if it is empty.

    ``db.ranks.find({begin_time: {$gte: …}}).sort({begin_time: -1}).limit(1)`` on ``hour_place``,
    or any other index that begins with the hour. Looked for from ``now`` back, some hours at a
    time, since not every server stops at the first entry of an index.
    """
    until = hour_of(now or dt.datetime.now(dt.UTC))
    window: Document = {"$gte": until}
    for hours in _STEPS:
        found = _newest(database, {"begin_time": window})
        if found is not None:
            return found
        window = {"$gte": until - hours * HOUR, "$lt": until}
        until -= hours * HOUR
    return _newest(database, {})


def _newest(database: Database[Document], query: Document) -> dt.datetime | None:
    ranks = database[collections.RANKS]
    newest = ranks.find_one(query, ["begin_time"], sort=[("begin_time", -1)])
    return newest["begin_time"] if newest else None


def lists_of(database: Database[Document], hour: dt.datetime) -> dict[ListName, dt.datetime]:
    """The lists of ``hour``, and when each was observed last.

    ``db.ranks.find({begin_time: …, rank: {$gt: 0}}, {list: 1, observed_at: 1})`` on
    ``hour_place``; for an hour whose list was empty, any own standing says which list it was.
    """
    ranks = database[collections.RANKS]
    fields = ["list", "observed_at"]
    found = list(ranks.find({"begin_time": hour, "rank": {"$gt": 0}}, fields))
    found = found or list(ranks.find({"begin_time": hour}, fields).limit(1))
    lists: dict[ListName, dt.datetime] = {}
    for document in found:
        name = ListName.of(document)
        lists[name] = max(document["observed_at"], lists.get(name, document["observed_at"]))
    return lists


def lists_seen_by(
    database: Database[Document], hour: dt.datetime, moment: dt.datetime
) -> dict[ListName, dt.datetime]:
    """The lists of ``hour`` that had been seen by ``moment``, and when each was last, up to then.

    From the states, since a standing does not tell when it was seen before. On ``hour_time``::

        db.snapshots.aggregate([
          {$match: {begin_time: …, first_observed_at: {$lte: MOMENT}}},
          {$group: {_id: {currency: "$list.currency", title: "$list.title", …},
                    seen_at: {$max: {$min: ["$last_observed_at", MOMENT]}}}}])
    """
    pipeline: list[Document] = [
        {"$match": {"begin_time": hour, "first_observed_at": {"$lte": moment}}},
        {
            "$group": {
                "_id": {name: f"$list.{name}" for name in ListName._fields},
                "seen_at": {"$max": {"$min": ["$last_observed_at", moment]}},
            }
        },
    ]
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        return {ListName(**group["_id"]): group["seen_at"] for group in found}


def preferred(lists: dict[ListName, dt.datetime]) -> ListName:
    """Of several lists: a site-wide one, and of those the one observed last."""
    return max(lists, key=lambda name: (name.is_site_wide, lists[name], name))


def chosen(
    database: Database[Document],
    hours: Iterable[dt.datetime],
    *,
    currency: str | None = None,
    title: str | None = None,
) -> tuple[ListName, dt.datetime] | None:
    """The list that is meant, and the first of ``hours`` that has it; None if none has."""
    for hour in hours:
        lists = lists_of(database, hour)
        named = {name: at for name, at in lists.items() if name.fits(currency, title)}
        if named:
            return preferred(named), hour
    return None
