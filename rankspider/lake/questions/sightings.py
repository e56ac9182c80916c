"""When the states of a list were seen: a state that went may come back.

A state's document tells when it was first and last seen, whatever stood between. `sightings` has
each moment at which a worker took it for news: when it came, when it came back, and once in
RANK_LIST_LAG_SECONDS while it stayed. Hours written before this release have none.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeVar

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName

_Key = TypeVar("_Key")
"""Of one kind, with an order."""
Sighting = tuple[dt.datetime, str]
"""When, and the ``_id`` of the state in `snapshots`."""


def sightings_since(
    database: Database[Document], name: ListName, hour: dt.datetime, since: dt.datetime
) -> list[Sighting]:
    """All from ``since`` on, the earliest first. On ``hour_time``::

    db.sightings.aggregate([
      {$match: {begin_time: …, observed_at: {$gte: …}}},
      {$match: {"list.currency": …, "list.title": …, …}},
      {$project: {observed_at: 1, state: 1}}])
    """
    return sorted(_found(database, name, hour, {"$gte": since}))


def newest_sighting(
    database: Database[Document], name: ListName, hour: dt.datetime, moment: dt.datetime
) -> Sighting | None:
    """The last one up to ``moment``. The same query, with ``{$lte: …}``, ``{$sort: {observed_at:
    -1}}`` and ``{$limit: 1}``."""
    newest: list[Document] = [{"$sort": {"observed_at": -1}}, {"$limit": 1}]
    return next(iter(_found(database, name, hour, {"$lte": moment}, *newest)), None)


def stays(
    documents: Mapping[_Key, Document], again: Iterable[tuple[dt.datetime, _Key]]
) -> Iterator[Document]:
    """``documents`` in the order in which each was seen, and once more for each time it came back.

    Each was seen at its first and its last observation, and at the moments of ``again``; it has
    the first and the last of that stay.
    """
    seen: list[tuple[dt.datetime, Any]] = [*again]
    for key, document in documents.items():
        seen += [(document["first_observed_at"], key), (document["last_observed_at"], key)]
    for key, stay in groupby(sorted(seen), key=lambda each: each[1]):
        times = [at for at, _ in stay]
        times_of_stay = {"first_observed_at": times[0], "last_observed_at": times[-1]}
        yield documents[key] | times_of_stay


def _found(
    database: Database[Document],
    name: ListName,
    hour: dt.datetime,
    when: Document,
    *more: Document,
) -> list[Sighting]:
    pipeline = [
        {"$match": {"begin_time": hour, "observed_at": when}},
        name.stage,
        *more,
        {"$project": {"observed_at": 1, "state": 1}},
    ]
    with database[collections.SIGHTINGS].aggregate(pipeline) as found:
        return [(each["observed_at"], each["state"]) for each in found]
