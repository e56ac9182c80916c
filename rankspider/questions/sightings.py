"""Say when the states of a list were seen: the one notion that every question has of it.

A state that went may come back, so its own first and last do not tell. Three collections hold
observations, and all that any of them holds is known:

- `calls` each one, for as long as they are kept;
- `sightings` the first and the last of each state in every ten seconds (those of earlier releases
  are moments, without a last one);
- `snapshots` a state's first of all, and one of the last time it stood.

What was seen outside of its hour, as a stale cache answers after the close, tells of it only where
nothing was seen within.

So without `calls`, what is said is right to within ten seconds: of two states that were served by
turns, it is then the one whose first or last there came latest. An hour from before there were
sightings has `snapshots` alone: a state is taken to have held from its first to its last.
"""

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeVar

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import END_OF_TIME, HOUR, Period
from rankspider.questions.lists import ListName

BUCKET = dt.timedelta(seconds=10)
"""What a document of `sightings` is about."""
_LAST = ({"$sort": {"observed_at": -1, "list_state": -1}}, {"$limit": 1})
_FIRST = ({"$sort": {"observed_at": 1}}, {"$limit": 1})
_MILLISECOND = dt.timedelta(milliseconds=1)
_BEGIN_OF_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)
_Key = TypeVar("_Key", tuple[int, int, int], str)


class Sighting(NamedTuple):
    """One observation; of two in one millisecond, the greater state counts as the later."""

    at: dt.datetime
    state: str
    """Its ``_id`` in `snapshots`."""


class Span(NamedTuple):
    """Two observations of one state."""

    first: dt.datetime
    last: dt.datetime
    state: str
    is_whole: bool = True
    """Whether nothing later is known of it in its ten seconds; not so of earlier releases'."""


@dataclass(frozen=True)
class Sightings:
    """The sightings of one list in one hour."""

    database: Database[Document]
    name: ListName
    hour: dt.datetime
    states: list[Span] = field(default_factory=list)
    """One for each state, of all its time."""
    buckets: list[Span] = field(default_factory=list)
    """Within ten seconds each, the earliest first."""

    def newest(self, moment: dt.datetime | None = None) -> Sighting | None:
        """Return the last sighting up to ``moment``; None if there is none.

        `calls` are asked only for what comes after all that the other two know by then.
        """
        moment = min(moment or END_OF_TIME, self.span[1])
        every = list(self.known())
        known = [each for each in every if each.at <= moment]
        if not known:
            return None
        newest = max(known)
        if self._covers_the_latest and len(known) == len(every):
            return newest
        called = self.called(newest.at, moment, *_LAST)
        if called or (self.buckets and self.buckets[0].first <= moment):
            return max([newest, *called])
        # If each state held from its first to its last: of two, the one that came later.
        begun = [span for span in self.states if span.first <= moment]
        last = max(begun, key=lambda span: (min(span.last, moment), *span[::2]))
        return max(each for each in known if each.state == last.state)

    def next_after(self, moment: dt.datetime) -> dt.datetime | None:
        """Return when any state of the list was first seen after ``moment``; None: never."""
        known = (each.at for each in self.known() if each.at > moment)
        after = min(known, default=END_OF_TIME)
        called = self.called(moment + _MILLISECOND, after, *_FIRST)
        after = min([after, *(each.at for each in called)])
        return None if after == END_OF_TIME else after

    def since(self, moment: dt.datetime) -> list[Sighting]:
        """Return all sightings from ``moment`` on, the earliest first, but for those that repeat
        the one before."""
        known = set(self.known())
        stretches = self._by_turns()
        if not self._covers_the_latest:
            stretches.append((max(known).at if self.buckets else moment, END_OF_TIME))
        for first, last in stretches:
            if last >= moment:
                known.update(self.called(first, last))
        return sorted(each for each in known if each.at >= moment)

    @property
    def _covers_the_latest(self) -> bool:
        """Whether no call can be of later than all buckets: its sighting is stored first."""
        return bool(self.buckets) and all(span.is_whole for span in self.buckets)

    def known(self) -> Iterator[Sighting]:
        """Yield all sightings but those of `calls`, in no order."""
        first, last = self.span
        return (each for each in self._ends() if first <= each.at <= last)

    @property
    def seen_states(self) -> set[str]:
        """Return each state that was seen."""
        return {each.state for each in self.known()}

    @cached_property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """Return between which moments the list was seen: those of its hour, unless none is."""
        within = self.hour, self.hour + HOUR - _MILLISECOND
        if any(within[0] <= each.at <= within[1] for each in self._ends()):
            return within
        return _BEGIN_OF_TIME, END_OF_TIME

    def _ends(self) -> Iterator[Sighting]:
        for span in (*self.states, *self.buckets):
            yield Sighting(span.first, span.state)
            yield Sighting(span.last, span.state)

    def called(self, first: dt.datetime, last: dt.datetime, *which: Document) -> list[Sighting]:
        """Return the sightings of `calls` between two moments, all or as the stages ``which`` say.
        On ``hour_time``::

            db.calls.aggregate([
              {$match: {begin_time: …, observed_at: {$gte: …, $lte: …}}},
              {$match: {list_state: {$gte: "LIST KEY/", $lt: "LIST KEY0"}}},
              {$sort: {observed_at: -1, list_state: -1}}, {$limit: 1}])
        """
        key = self.name.of_hour(self.hour).key
        when = {"$gte": max(first, self.span[0]), "$lte": min(last, self.span[1])}
        pipeline: list[Document] = [
            {"$match": {"begin_time": self.hour, "observed_at": when}},
            {"$match": {"list_state": {"$gte": f"{key}/", "$lt": f"{key}0"}}},  # 0 comes after /
            *which,
            {"$project": {"_id": 0, "observed_at": 1, "list_state": 1}},
        ]
        with self.database[collections.CALLS].aggregate(pipeline) as found:
            return [Sighting(each["observed_at"], each["list_state"]) for each in found]

    def _by_turns(self) -> list[tuple[dt.datetime, dt.datetime]]:
        """Return the times in which several states came by turns: firsts and lasts do not tell in
        which order."""
        together: list[list[Span]] = []
        for span in self.buckets:
            if together and span.first <= max(each.last for each in together[-1]):
                together[-1].append(span)
            else:
                together.append([span])
        several = [spans for spans in together if len(spans) > 1]
        return [(spans[0].first, max(each.last for each in spans)) for spans in several]


def sightings_of(database: Database[Document], name: ListName, hour: dt.datetime) -> Sightings:
    """Return the sightings of the list ``name`` of ``hour``, of which there may be none."""
    found = sightings_by_hour(database, name, Period(hour, hour + HOUR))
    return next(found, Sightings(database, name, hour))


def sightings_by_hour(
    database: Database[Document], name: ListName, period: Period
) -> Iterator[Sightings]:
    """Yield the sightings of each hour of ``period`` that has the list, the earliest first.

    An hour has a list if `snapshots` have a state of it. One pass over each collection, of which an
    hour is held at a time. On ``hour_time``::

        db.snapshots.find({begin_time: {$gte: …, $lt: …}},
                          {begin_time: 1, first_observed_at: 1, last_observed_at: 1})
                    .sort({begin_time: 1})
        db.sightings.find(…)  // the same, of state, observed_at and last_observed_at

    Of which list a state is, its ``_id`` says.
    """
    found = (_spans(database, collection, name, period) for collection in _SPANS)
    for hour, spans in groupby(heapq.merge(*found, key=itemgetter(0)), key=itemgetter(0)):
        of: dict[str, list[Span]] = {collection: [] for collection in _SPANS}
        for _, collection, span in spans:
            of[collection].append(span)
        if of[collections.SNAPSHOTS]:
            buckets = sorted(of[collections.SIGHTINGS])
            yield Sightings(database, name, hour, of[collections.SNAPSHOTS], buckets)


_SPANS = {
    collections.SNAPSHOTS: ("_id", "first_observed_at", "last_observed_at"),
    collections.SIGHTINGS: ("state", "observed_at", "last_observed_at"),
}
"""Which fields are a span's state, first and last."""


def _spans(
    database: Database[Document], collection: str, name: ListName, period: Period
) -> Iterator[tuple[dt.datetime, str, Span]]:
    """Yield each span with its hour and its collection, the earliest hour first."""
    of_state, of_first, of_last = _SPANS[collection]
    hours = {"begin_time": {"$gte": period.start, "$lt": period.end}}
    # An aggregation, or a filter on the list, costs the embedded server half as much again.
    found = database[collection].find(hours, ["begin_time", *_SPANS[collection]])
    with found.sort("begin_time", 1).allow_disk_use(True) as spans:
        for each in spans:
            hour, state, last = each["begin_time"], each[of_state], each.get(of_last)
            if name.has(hour, state):
                first = each[of_first]
                yield hour, collection, Span(first, last or first, state, last is not None)


def in_seen_order(
    documents: Mapping[_Key, Document], seen: Iterable[tuple[dt.datetime, _Key]]
) -> Iterator[Document]:
    """Yield ``documents`` in the order in which each was seen, and once more for each time it came
    back, with the first and the last of that stay."""
    for key, stay in groupby(sorted(seen), key=itemgetter(1)):
        times = [at for at, _ in stay]
        times_of_stay = {"first_observed_at": times[0], "last_observed_at": times[-1]}
        yield documents[key] | times_of_stay
