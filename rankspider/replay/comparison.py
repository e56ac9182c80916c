"""Two lakes side by side, document by document.

A crawl notes in `calls` until when it saw what stays as it is, and in the records only until when
that was news; a replay notes the last time of all. With it goes what an observation says beside its
record: the seconds left, the mirrors' hosts, who was asked, how far an unlisted anchor is from the
list. So documents that differ in nothing else, and are seen later in the replay, count as the same.

What is older than a collection keeps its documents (`rankspider.lake.retention`), either side may
have forgotten. What the lake saw last before the archive begins, no replay brings; and of what it
saw then as well, a replay cannot say when it was seen first, and what its best was.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from rankspider.facts import facts_of
from rankspider.items import OWN_TEXTS
from rankspider.lake import collections, retention
from rankspider.lake.collections import Document

COMPARED = (
    collections.RANKS,
    collections.RANK_HISTORY,
    collections.USERS,
    collections.USER_HISTORY,
    collections.SNAPSHOTS,
    collections.REJECTED,
)
_FEW = 3
_BEGIN_OF_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)
_PAGE = 500
_LAST = ("observed_at", "last_observed_at")
# Each follows from all observations, the earliest as well.
_OF_ALL = ("first_observed_at", "best_rank", "peak_score")
# The same record at another moment says these anew.
_MOMENTARY: dict[str, tuple[str, ...]] = {
    collections.SNAPSHOTS: ("delta_time",),
    collections.REJECTED: ("anchor", "payload"),
}
_STANDINGS = (collections.RANKS, collections.RANK_HISTORY)


@dataclass
class Difference:
    """How one collection of the lake compares to the replayed one; ids are the first few."""

    same: int = 0
    seen_later: int = 0
    """The same, but for when the replay saw it last."""
    outdated: int = 0
    """On one side alone, and older than the lake keeps it or than the archive goes back."""
    different: int = 0
    only_in_lake: int = 0
    only_replayed: int = 0
    different_ids: list[str] = field(default_factory=list)
    """Each with the fields that differ."""
    only_in_lake_ids: list[str] = field(default_factory=list)
    only_replayed_ids: list[str] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return not (self.different or self.only_in_lake or self.only_replayed)


def compare(
    lake: Database[Document],
    replayed: Database[Document],
    progress: Callable[[str], None],
    now: dt.datetime | None = None,
    *,
    archived_since: dt.datetime = _BEGIN_OF_TIME,
) -> dict[str, Difference]:
    """Compare the lakes, collection by collection. ``progress`` is called with the name of each
    before it is read. How long the lake keeps it, its own index says. ``archived_since``: all
    answers that were observed from then on are in the archive."""
    found, now = {}, now or dt.datetime.now(dt.UTC)
    for collection in COMPARED:
        progress(collection)
        expiry = lake[collection].index_information().get(retention.INDEX, {})
        seconds = expiry.get("expireAfterSeconds")
        since = _BEGIN_OF_TIME if seconds is None else now - dt.timedelta(seconds=seconds)
        found[collection] = _compared(collection, lake, replayed, since, archived_since)
    return found


def _compared(
    collection: str,
    lake: Database[Document],
    replayed: Database[Document],
    since: dt.datetime,
    archived_since: dt.datetime,
) -> Difference:
    difference = Difference()
    both = (_by_id(side, database[collection]) for side, database in enumerate((lake, replayed)))
    for id_, same_id in groupby(merge(*both, key=itemgetter(0)), key=itemgetter(0)):
        sides = {side: document for _, side, document in same_id}
        there, here = sides.get(0), sides.get(1)
        dated = collections.DATED[collection]
        is_kept_no_longer = len(sides) == 1 and _is_before(since, there or here, dated)
        if is_kept_no_longer or (here is None and _is_before(archived_since, there, *_LAST)):
            difference.outdated += 1
        elif here is None:
            difference.only_in_lake += 1
            _add(difference.only_in_lake_ids, id_)
        elif there is None:
            difference.only_replayed += 1
            _add(difference.only_replayed_ids, id_)
        elif there == here:
            difference.same += 1
        elif fields := differing(collection, there, here, max(since, archived_since)):
            difference.different += 1
            _add(difference.different_ids, f"{id_}: {', '.join(fields)}")
        else:
            difference.seen_later += 1
    return difference


def _is_before(since: dt.datetime, document: Document | None, *times: str) -> bool:
    """Return whether the first of ``times`` that ``document`` has is before ``since``."""
    dated = next((document[name] for name in times if name in document), None) if document else None
    return isinstance(dated, dt.datetime) and dated < since


def differing(
    collection: str, there: Document, here: Document, since: dt.datetime = _BEGIN_OF_TIME
) -> list[str]:
    """Return the fields in which two documents of one ``_id`` differ, but for a later last time
    here, and, if one was seen before ``since``, for what follows from that: a document that went
    came back without it."""
    ignored = ("revision", *_MOMENTARY.get(collection, ()))
    if min(each.get("first_observed_at") or since for each in (there, here)) < since:
        ignored += _OF_ALL
    if collection in _STANDINGS and not here.get("listed"):
        ignored += OWN_TEXTS
    return [
        name
        for name in sorted({*there, *here})
        if name not in ignored and not _agree(name, there.get(name), here.get(name))
    ] + ([] if _tie(collection, there) == _tie(collection, here) else ["revision"])


def _agree(name: str, there: Any, here: Any) -> bool:
    if name in _LAST and isinstance(there, dt.datetime) and isinstance(here, dt.datetime):
        return here >= there
    return bool(facts_of(there) == facts_of(here))


def _tie(collection: str, document: Document) -> str:
    """Return the revision without its time: which record the newest observation was of."""
    if collection == collections.REJECTED:
        return ""  # there, it is who was asked
    return re.sub(r"^\d+-", "", str(document.get("revision")))


def _by_id(side: int, collection: Collection[Document]) -> Iterator[tuple[Any, int, Document]]:
    # Page by page: MongoDB ends a cursor that stands still for ten minutes while the other side is
    # read.
    wanted: Document = {}
    while page := list(collection.find(wanted).sort("_id", 1).limit(_PAGE)):
        for document in page:
            yield document["_id"], side, document
        wanted = {"_id": {"$gt": page[-1]["_id"]}}


def _add(ids: list[str], id_: str) -> None:
    if len(ids) < _FEW:
        ids.append(id_)
