"""The list of one hour, read back from the lake."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.lists import ListName, newest_hour, preferred
from rankspider.lake.people import nicknames
from rankspider.lake.questions.states import State, state_at
from rankspider.moments import HOUR

_Document = dict[str, Any]
_FIELDS = (
    *("list", "user_id", "sec_uid", "rank", "score", "delta", "gap_description", "shop_tags"),
    *("listed", "observed_at"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one user stands."""

    place: int
    """1-based; 0: not listed."""
    user_id: str
    sec_uid: str
    """Empty if the lake has no standing of it."""
    nickname: str
    """As it came, control characters and all; "" if the lake has no profile."""
    score: int
    delta: int
    """Points behind the next better place; off the list it follows no known rule."""
    gap_description: str
    """Empty for a moment in the past."""
    tags: list[str]
    observed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Board:
    """A known state of one list, by default the newest."""

    currency: str
    title: str
    subtitle: str
    city_code: str
    region_name: str
    begin_time: dt.datetime
    observed_at: dt.datetime
    """Of the newest standing in it, or of the list as a whole if that was seen later."""
    seconds_before_close: int
    """From then to the end of the hour; 0 if it was observed after that."""
    is_final: bool
    """Whether the hour is over; if not, the list is (or was, at a moment in the past) changing."""
    rows: list[Place]
    """In the order of the list."""
    own: list[Place]
    """Asked anchors that are not listed, most points first; not more than were asked for."""
    own_count: int
    """How many of those there are in all."""
    other_lists: list[str]
    """What else the hour holds, as currency and title."""


def board(
    database: Database[_Document],
    begin_time: dt.datetime | None = None,
    *,
    currency: str | None = None,
    title: str | None = None,
    own: int = 5,
    now: dt.datetime | None = None,
) -> Board | None:
    """The list of the hour ``begin_time``, by default the newest; None if the lake has none.

    Of several lists it is a site-wide one, and of those the one observed last, unless ``currency``
    or ``title`` names it. On ``hour_place``, on ``_id`` for the names, and on ``hour_time`` for who
    is still listed, see `rankspider.lake.questions.states`::

        db.ranks.find({begin_time: …, rank: {$gt: 0}})
        db.ranks.aggregate([{$match: {begin_time: …, rank: 0}}, {$match: {"list.currency": …, …}},
                            {$sort: {score: -1}}, {$limit: 5}])
    """
    now = now or dt.datetime.now(dt.UTC)
    ranks = database[collections.RANKS]
    hour = begin_time or newest_hour(database, now)
    if hour is None:
        return None
    lists = _lists(ranks, hour)
    named = {
        name: _observed_at(documents)
        for name, documents in lists.items()
        if name.fits(currency, title)
    }
    if not named:
        return None
    chosen = preferred(named)
    documents = lists[chosen]
    last = state_at(database, chosen, hour)
    rows = _still_listed(_in_place_order(each for each in documents if each["listed"]), last)
    # A list that is empty now was seen later than any standing in it.
    observed_at = max(named[chosen], last.seen_at) if last else named[chosen]
    others, count = _off_the_list(ranks, hour, chosen, documents, own)
    names = nicknames(database, [each["user_id"] for each in (*rows, *others)])
    return Board(
        **chosen._asdict(),
        region_name=documents[0]["list"]["region_name"],
        begin_time=hour,
        observed_at=observed_at,
        seconds_before_close=seconds_before_close(hour, observed_at),
        is_final=is_over(database, hour, now),
        rows=[_place(each, names) for each in rows],
        own=[_place(each, names) for each in others],
        own_count=count,
        other_lists=others_of(lists, chosen),
    )


def seconds_before_close(hour: dt.datetime, moment: dt.datetime) -> int:
    """Whole seconds from ``moment`` to the end of ``hour``, rounded up; 0 after it."""
    return max(0, -((moment - hour - HOUR) // dt.timedelta(seconds=1)))


def is_over(database: Database[_Document], hour: dt.datetime, now: dt.datetime) -> bool:
    """Whether nothing can change any more: by the clock, or, if that is behind, by the lake."""
    return hour + HOUR <= now or (newest_hour(database, now) or hour) > hour


def _lists(ranks: Collection[_Document], hour: dt.datetime) -> dict[ListName, list[_Document]]:
    """The standings with a place, by their list. An empty list left only those without one."""
    placed = ranks.find({"begin_time": hour, "rank": {"$gt": 0}}, _FIELDS)
    lists: dict[ListName, list[_Document]] = defaultdict(list)
    for document in placed:
        lists[ListName.of(document)].append(document)
    if not lists:
        for document in ranks.find({"begin_time": hour}, _FIELDS).limit(1):
            lists[ListName.of(document)].append(document)
    return lists


def others_of(lists: Iterable[ListName], chosen: ListName) -> list[str]:
    """What a board says of the other lists of its hour."""
    return sorted(f"{name.currency} {name.title}".strip() for name in lists if name != chosen)


def _observed_at(documents: Iterable[_Document]) -> dt.datetime:
    newest: dt.datetime = max(each["observed_at"] for each in documents)
    return newest


def _in_place_order(documents: Iterable[_Document]) -> list[_Document]:
    """One a place, the newest.

    A user who fell off the list unasked keeps the last place that was seen, and shares it.
    """
    places: dict[int, _Document] = {}
    for document in sorted(documents, key=lambda each: each["observed_at"]):
        places[document["rank"]] = document
    return [places[place] for place in sorted(places)]


def _still_listed(documents: list[_Document], last: State | None) -> list[_Document]:
    """Without those whom the list as a whole, seen later than they were, no longer shows.

    Their places are nobody's if the list got shorter.
    """
    if last is None:
        return documents
    places = last.places
    return [
        each
        for each in documents
        if each["user_id"] in places or each["observed_at"] > last.seen_at
    ]


def _off_the_list(
    ranks: Collection[_Document],
    hour: dt.datetime,
    chosen: ListName,
    documents: list[_Document],
    most: int,
) -> tuple[list[_Document], int]:
    """The asked anchors' own standings: up to ``most`` of them, and how many there are."""
    # Told a place that the list itself doesn't go down to.
    beyond = [each for each in documents if each["rank"] > 0 and not each["listed"]]
    beyond.sort(key=lambda each: each["rank"])
    unlisted = unlisted_pipeline(hour, chosen)
    with ranks.aggregate([*unlisted, {"$count": "count"}]) as counted:
        count = len(beyond) + sum(each["count"] for each in counted)
    left = most - len(beyond)
    if left > 0:
        with ranks.aggregate([*unlisted, {"$sort": {"score": -1}}, {"$limit": left}]) as found:
            beyond += found
    return beyond[:most], count


def unlisted_pipeline(hour: dt.datetime, chosen: ListName) -> list[_Document]:
    """Asked anchors without a place, over `ranks`."""
    return [{"$match": {"begin_time": hour, "rank": 0}}, chosen.stage]


def _place(document: _Document, names: dict[str, str]) -> Place:
    return Place(
        place=document["rank"],
        user_id=document["user_id"],
        sec_uid=document["sec_uid"],
        nickname=names.get(document["user_id"], ""),
        score=document["score"],
        delta=document["delta"],
        gap_description=document["gap_description"],
        tags=document["shop_tags"] or [],
        observed_at=document["observed_at"],
    )
