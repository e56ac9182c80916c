"""The list of one hour, read back from the lake."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from rankspider.lake import collections

_Document = dict[str, Any]
_List = tuple[str, ...]
# What tells one list of an hour from another, of `list`.
_IDENTITY = ("currency", "title", "subtitle", "city_code")
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
    nickname: str
    """As it came, control characters and all; "" if the lake has no profile."""
    score: int
    delta: int
    """Points behind the next better place; off the list it follows no known rule."""
    gap_description: str
    tags: list[str]
    observed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Board:
    """The newest known state of one list."""

    currency: str
    title: str
    subtitle: str
    city_code: str
    region_name: str
    begin_time: dt.datetime
    observed_at: dt.datetime
    """Of the newest standing in it."""
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
) -> Board | None:
    """The list of the hour ``begin_time``, by default the newest; None if the lake has none.

    Of several lists it is the one observed last, unless ``currency`` or ``title`` names it.
    """
    ranks = database[collections.RANKS]
    hour = begin_time or _newest_hour(ranks)
    if hour is None:
        return None
    lists = _lists(ranks, hour)
    wanted = {"currency": currency, "title": title}
    named = [each for each in lists if _answers(each, wanted)]
    if not named:
        return None
    chosen = max(named, key=lambda each: _observed_at(lists[each]))
    documents = lists[chosen]
    rows = _in_place_order(each for each in documents if each["listed"])
    others, count = _off_the_list(ranks, hour, chosen, documents, own)
    names = _nicknames(database, [*rows, *others])
    return Board(
        **{name: documents[0]["list"][name] for name in (*_IDENTITY, "region_name")},
        begin_time=hour,
        observed_at=_observed_at(documents),
        rows=[_place(each, names) for each in rows],
        own=[_place(each, names) for each in others],
        own_count=count,
        other_lists=sorted(" ".join(each[:2]).strip() for each in lists if each != chosen),
    )


def _newest_hour(ranks: Collection[_Document]) -> dt.datetime | None:
    newest = ranks.find_one({}, ["begin_time"], sort=[("begin_time", -1)])
    return newest["begin_time"] if newest else None


def _lists(ranks: Collection[_Document], hour: dt.datetime) -> dict[_List, list[_Document]]:
    """The standings with a place, by their list. An empty list left only those without one."""
    placed = ranks.find({"begin_time": hour, "rank": {"$gt": 0}}, _FIELDS)
    lists: dict[_List, list[_Document]] = defaultdict(list)
    for document in placed:
        lists[_list_of(document)].append(document)
    if not lists:
        for document in ranks.find({"begin_time": hour}, _FIELDS).limit(1):
            lists[_list_of(document)].append(document)
    return lists


def _list_of(document: _Document) -> _List:
    return tuple(document["list"][name] for name in _IDENTITY)


def _answers(each: _List, wanted: dict[str, str | None]) -> bool:
    said = dict(zip(_IDENTITY, each, strict=True))
    return all(value is None or said[name] == value for name, value in wanted.items())


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


def _off_the_list(
    ranks: Collection[_Document],
    hour: dt.datetime,
    chosen: _List,
    documents: list[_Document],
    most: int,
) -> tuple[list[_Document], int]:
    """The asked anchors' own standings: up to ``most`` of them, and how many there are."""
    # Told a place that the list itself doesn't go down to.
    beyond = [each for each in documents if each["rank"] > 0 and not each["listed"]]
    beyond.sort(key=lambda each: each["rank"])
    identity = {f"list.{name}": part for name, part in zip(_IDENTITY, chosen, strict=True)}
    unlisted = {"begin_time": hour, "rank": 0, **identity}
    count = len(beyond) + ranks.count_documents(unlisted)
    left = most - len(beyond)
    if left > 0:
        beyond += ranks.find(unlisted, _FIELDS, sort=[("score", -1)], limit=left)
    return beyond[:most], count


def _nicknames(database: Database[_Document], documents: list[_Document]) -> dict[str, str]:
    ids = [document["user_id"] for document in documents]
    users = database[collections.USERS].find({"_id": {"$in": ids}}, ["nickname"])
    return {user["_id"]: user["nickname"] or "" for user in users}


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
