"""The list of one hour, read back from the lake."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR
from rankspider.questions.finals import seconds_before_close
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.states import State, state_of
from rankspider.questions.which import (
    lists_of,
    lists_of_rows,
    newest_hour,
    observed_at,
    preferred,
)

_BESIDE = ("user_id", "sec_uid", "rank", "score", "gap_description", "shop_tags")
_FIELDS = (*_BESIDE, "delta", "listed")


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
    """Empty if it has moved on since."""
    tags: list[str]
    """As they were seen last."""
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
    """When it was seen last, up to the moment asked for."""
    seconds_before_close: int
    """From then to the end of the hour; below 0: it was observed after that alone."""
    is_final: bool
    """Whether the hour is over; if not, the list is (or was, at a moment in the past) changing."""
    rows: list[Place]
    """In the order of the list."""
    own: list[Place]
    """Asked anchors that are not listed, most points first; not more than were asked for."""
    own_count: int
    """How many of those there are in all."""
    other_lists: list[str]
    """What else the hour holds, as currency and title; with the city code where those are not
    enough."""
    is_whole: bool = True
    """Whether the lake has the list as such. If not, as when each answer had a broken row in it,
    these are rows that were stored by themselves, and not all may be of one moment."""
    next_observed_at: dt.datetime | None = None
    """When the list was next seen after the moment asked for; None: never, or none was."""

    @property
    def name(self) -> ListName:
        return ListName(self.currency, self.title, self.subtitle, self.city_code)


def board(
    database: Database[Document],
    begin_time: dt.datetime | None = None,
    *,
    currency: str | None = None,
    title: str | None = None,
    own: int = 5,
    now: dt.datetime | None = None,
) -> Board | None:
    """Return the list of the hour ``begin_time``, by default the newest; None if the lake has none.

    Of several lists it is a site-wide one, and of those the one observed last, unless ``currency``
    or ``title`` names it. Order and points are those of the state that was seen last
    (`rankspider.questions.which.lists_of`); with it, by ``_id`` of `ranks` and `users`, what stands
    beside them, and the own standings of others, on ``hour_place``::

        db.ranks.find({_id: {$in: […]}}, {sec_uid: 1, shop_tags: 1, …})
        db.ranks.aggregate([{$match: {begin_time: …}}, {$match: {"list.currency": …, …}},
                            {$match: {listed: false, user_id: {$nin: […]}}},
                            {$set: {has_place: {$gt: ["$rank", 0]}}},
                            {$sort: {has_place: -1, rank: 1, score: -1}}, {$limit: 5}])
    """
    now = now or dt.datetime.now(dt.UTC)
    hour = begin_time or newest_hour(database, now)
    if hour is None:
        return None

    found = seen_list(database, hour, currency, title)
    found = found or _rows_alone(database, hour, currency, title)
    if found is None:
        return None
    name = found.name
    listed = [row.user_id for row in found.rows]
    off: list[Document] = [
        {"$match": {"begin_time": hour}},
        name.stage,
        {"$match": {"listed": False, "user_id": {"$nin": listed}}},
    ]
    with database[collections.RANKS].aggregate([*off, {"$count": "count"}]) as counted:
        count = sum(each["count"] for each in counted)
    others = _first_of(database, off, own) if own else []
    is_final = is_over(database, hour, now)
    return replace(found, is_final=is_final, own=others, own_count=count)


def is_over(database: Database[Document], hour: dt.datetime, now: dt.datetime) -> bool:
    """Return whether nothing can change any more: by the clock, or, if that is behind, by the
    lake."""
    return hour + HOUR <= now or (newest_hour(database, now) or hour) > hour


def seen_list(
    database: Database[Document],
    hour: dt.datetime,
    currency: str | None,
    title: str | None,
    moment: dt.datetime | None = None,
) -> Board | None:
    """Return the preferred of the lists of ``hour`` that are so named, as it was known at
    ``moment``."""
    lists = lists_of(database, hour, moment)
    named = {name: seen.at for name, seen in lists.items() if name.fits(currency, title)}
    if not named:
        return None
    name = preferred(named)
    state = state_of(database, name, hour, lists[name])
    if state is None:
        return None
    return _board(name, state.region_name, hour, state.seen_at, _places_of(database, state), lists)


def _rows_alone(
    database: Database[Document], hour: dt.datetime, currency: str | None, title: str | None
) -> Board | None:
    """Return the board where there is no state of the list: its rows, of two at one place the
    newer."""
    lists = lists_of_rows(database, hour, _FIELDS)
    fitting = (name for name in lists if name.fits(currency, title))
    named = {name: observed_at(lists[name]) for name in fitting}
    if not named:
        return None
    name = preferred(named)
    by_time = sorted(lists[name], key=lambda each: each["observed_at"])
    places = {row["rank"]: row for row in by_time if row["listed"]}
    rows = _named(database, [places[place] for place in sorted(places)])
    region_name = lists[name][0]["list"]["region_name"]
    return replace(_board(name, region_name, hour, named[name], rows, lists), is_whole=False)


def _board(
    name: ListName,
    region_name: str,
    hour: dt.datetime,
    seen_at: dt.datetime,
    rows: list[Place],
    lists: Iterable[ListName],
) -> Board:
    """Return the board without own standings, of an hour that may go on."""
    return Board(
        **name._asdict(),
        region_name=region_name,
        begin_time=hour,
        observed_at=seen_at,
        seconds_before_close=seconds_before_close(hour, seen_at),
        is_final=False,
        rows=rows,
        own=[],
        own_count=0,
        other_lists=_others(name, list(lists)),
    )


def _others(name: ListName, lists: list[ListName]) -> list[str]:
    """Return currency and title of the others; with the city code where those are not enough."""
    alike = Counter(each[:2] for each in lists)
    texts = (
        (*each[:2], each.city_code if alike[each[:2]] > 1 else "") for each in lists if each != name
    )
    return sorted(" ".join(filter(None, parts)) for parts in texts)


def _places_of(database: Database[Document], state: State) -> list[Place]:
    ranked_list = state.name.of_hour(state.hour)
    keys = [ranked_list.key_of(user_id) for user_id in state.user_ids]
    found = database[collections.RANKS].find({"_id": {"$in": keys}}, _BESIDE)
    beside = {standing["user_id"]: standing for standing in found}
    listed = zip(state.user_ids, state.scores, state.deltas, strict=True)
    places = []
    for place, (user_id, score, delta) in enumerate(listed, 1):
        row = beside.get(user_id, {"sec_uid": "", "shop_tags": None})
        is_same = (row.get("rank"), row.get("score")) == (place, score)
        marks = {
            "user_id": user_id,
            "rank": place,
            "score": score,
            "delta": delta,
            "gap_description": row["gap_description"] if is_same else "",
            "observed_at": state.seen_at,
        }
        places.append(row | marks)
    return _named(database, places)


def _first_of(database: Database[Document], off: list[Document], most: int) -> list[Place]:
    """Return the own standings, those with a place first, which the list itself does not go down
    to."""
    pipeline = [
        *off,
        {"$set": {"has_place": {"$gt": ["$rank", 0]}}},
        {"$sort": {"has_place": -1, "rank": 1, "score": -1}},
        {"$limit": most},
    ]
    with database[collections.RANKS].aggregate(pipeline) as found:
        return _named(database, list(found))


def _named(database: Database[Document], standings: list[Document]) -> list[Place]:
    names = nicknames(database, (each["user_id"] for each in standings))
    return [
        Place(
            place=each["rank"],
            user_id=each["user_id"],
            sec_uid=each["sec_uid"],
            nickname=names[each["user_id"]],
            score=each["score"],
            delta=each["delta"],
            gap_description=each["gap_description"],
            tags=each["shop_tags"] or [],
            observed_at=each["observed_at"],
        )
        for each in standings
    ]
