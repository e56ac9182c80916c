"""Which lists the lake holds, and which one is meant.

A list is there if `snapshots` have a state of it. Standings in `ranks` do not make one: a worker
that was stopped may have stored some of an answer's rows and not its list. Where an hour has no
state of the list that is meant, as when each answer had a broken row in it, `lists_of_rows` says of
which lists there are rows; only `rankspider.questions.board.board` shows those, and says so.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.lists import ListName
from rankspider.questions.sightings import Sighting, sightings_of

# About a year, in so many hours at a time: not many empty looks, and not much to read in the last.
_STEPS = (1, 2, 4, 8, *[24] * 365)


def newest_hour(database: Database[Document], now: dt.datetime | None = None) -> dt.datetime | None:
    """Return the newest hour that has a list; None if the lake is empty.

    ``db.snapshots.find({begin_time: {$gte: …}}).sort({begin_time: -1}).limit(1)`` on ``hour_time``.
    Looked for from ``now`` back, some hours at a time, since not every server stops at the first
    entry of an index. In a lake without any, the same of `ranks`.
    """
    until = hour_of(now or dt.datetime.now(dt.UTC))
    window: Document = {"$gte": until}
    for hours in _STEPS:
        found = _newest(database, collections.SNAPSHOTS, {"begin_time": window})
        if found is not None:
            return found
        window = {"$gte": until - hours * HOUR, "$lt": until}
        until -= hours * HOUR
    newest = _newest(database, collections.SNAPSHOTS, {})
    return newest or _newest(database, collections.RANKS, {})


def _newest(database: Database[Document], name: str, query: Document) -> dt.datetime | None:
    newest = database[name].find_one(query, ["begin_time"], sort=[("begin_time", -1)])
    return newest["begin_time"] if newest else None


def lists_of(
    database: Database[Document], hour: dt.datetime, moment: dt.datetime | None = None
) -> dict[ListName, Sighting]:
    """Return the lists of ``hour`` that had been seen by ``moment``, and the newest sighting of
    each.

    With `rankspider.questions.sightings.sightings_of`, and on ``hour_time``::

        db.snapshots.aggregate([
          {$match: {begin_time: …, first_observed_at: {$lte: MOMENT}}},
          {$group: {_id: {currency: "$list.currency", title: "$list.title", …}}}])
    """
    by_then = {} if moment is None else {"first_observed_at": {"$lte": moment}}
    pipeline: list[Document] = [
        {"$match": {"begin_time": hour, **by_then}},
        {"$group": {"_id": {part: f"$list.{part}" for part in ListName._fields}}},
    ]
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        names = [ListName(**group["_id"]) for group in found]
    newest = {name: sightings_of(database, name, hour).newest(moment) for name in names}
    return {name: sighting for name, sighting in newest.items() if sighting is not None}


def hours_of_lists(
    database: Database[Document], name: ListName, period: Period
) -> dict[ListName, list[dt.datetime]]:
    """Return the hours of ``period`` that have the list ``name``, empty or not, the earliest first;
    of the others, which lists they have instead, if any.

    Where `sightings` have the list, `snapshots` have it as well, and need not be read: they are
    for the hours between. On ``hour_time``::

        db.sightings.find({begin_time: {$gte: …, $lt: …}}, {begin_time: 1, state: 1})
        db.snapshots.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$group: {_id: {hour: "$begin_time", currency: "$list.currency", …}}},
          {$sort: {"_id.hour": 1}}])
    """
    within = {"begin_time": {"$gte": period.start, "$lt": period.end}}
    sightings = database[collections.SIGHTINGS].find(within, ["begin_time", "state"])
    seen = {each["begin_time"] for each in sightings if name.has(each["begin_time"], each["state"])}
    hours: dict[ListName, list[dt.datetime]] = defaultdict(list)
    for was_seen, stretch in groupby(period, seen.__contains__):
        if was_seen:
            hours[name] += stretch
        else:
            unseen = list(stretch)
            for other, hour in _hours_of_states(database, Period(unseen[0], unseen[-1] + HOUR)):
                hours[other].append(hour)
    return hours


def _hours_of_states(
    database: Database[Document], period: Period
) -> Iterator[tuple[ListName, dt.datetime]]:
    key = {"hour": "$begin_time", **{part: f"$list.{part}" for part in ListName._fields}}
    pipeline: list[Document] = [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        {"$group": {"_id": key}},
        {"$sort": {"_id.hour": 1}},
    ]
    with database[collections.SNAPSHOTS].aggregate(pipeline) as found:
        for group in found:
            hour = group["_id"].pop("hour")
            yield ListName(**group["_id"]), hour


def lists_of_rows(
    database: Database[Document], hour: dt.datetime, fields: Iterable[str] = ()
) -> dict[ListName, list[Document]]:
    """Return the lists that have standings with a place in ``hour``, and these; or, if none has,
    one own standing without a place, which tells of an empty list. On ``hour_place``::

        db.ranks.find({begin_time: …, rank: {$gt: 0}})
    """
    ranks, fields = database[collections.RANKS], ["list", "observed_at", *fields]
    found = list(ranks.find({"begin_time": hour, "rank": {"$gt": 0}}, fields))
    found = found or list(ranks.find({"begin_time": hour}, fields).limit(1))
    lists: dict[ListName, list[Document]] = defaultdict(list)
    for document in found:
        lists[ListName.of(document)].append(document)
    return lists


def preferred(lists: Mapping[ListName, dt.datetime]) -> ListName:
    """Return one of several lists: a site-wide one, and of those the one observed last."""
    return max(lists, key=lambda name: (name.is_site_wide, lists[name], name))


def observed_at(documents: Iterable[Document]) -> dt.datetime:
    """Return the newest of the times at which the lists were observed."""
    newest: dt.datetime = max(each["observed_at"] for each in documents)
    return newest


def chosen(
    database: Database[Document],
    hours: Iterable[dt.datetime],
    *,
    currency: str | None = None,
    title: str | None = None,
) -> tuple[ListName, dt.datetime] | None:
    """Return the list that is meant, and the first of ``hours`` that has it, or rows of it; None if
    none has."""
    for hour in hours:
        seen = {name: sighting.at for name, sighting in lists_of(database, hour).items()}
        named = {name: at for name, at in seen.items() if name.fits(currency, title)}
        if not named:
            rows = lists_of_rows(database, hour)
            named = {name: observed_at(rows[name]) for name in rows if name.fits(currency, title)}
        if named:
            return preferred(named), hour
    return None
