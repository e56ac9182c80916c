"""When the states of a list were seen: a state that went may come back.

A state's document tells when it was first and last seen, whatever stood between. `sightings` has
each moment at which a worker took it for news: when it came, when it came back, and once in
RANK_LIST_LAG_SECONDS while it stayed. Hours written before this release have none.
"""

import datetime as dt

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import Document, ListName

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
