"""Who is meant: an anchor found by its id, its public key, a link, or a name."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, NotInTheLake, SeveralAnchors
from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.terminal import shortened, table

_FIELDS = ["user_id", "sec_uid", "short_id", "display_id", "nickname"]
_MOST_SHOWN = 20
_AT_ONCE = 100
_INT64 = 1 << 63
_NAMES = ("display_id", "nickname")
_NAMED = ("user_id", "short_id", *_NAMES)
_FORMS = (
    "a user_id, a sec_id, a profile link, a display_id, a short_id, or (part of) a nickname, now "
    "or formerly; user_id:, short_id:, display_id: or nickname: before it says which it is now"
)


@dataclass(frozen=True, slots=True)
class Person:
    """An anchor the lake knows; the names are empty if it has no profile of it."""

    user_id: str
    sec_uid: str
    short_id: int
    """0 if there is none."""
    display_id: str
    nickname: str
    """As it came, control characters and all."""
    until: dt.datetime | None = None
    """When it was last seen under the name that found it; None: it is called so now."""

    @classmethod
    def of(cls, document: Document) -> Self:
        """Return the anchor of a document of `users`, or of one that holds the two keys only."""
        return cls(
            user_id=document["user_id"],
            sec_uid=document["sec_uid"],
            short_id=document.get("short_id") or 0,
            display_id=document.get("display_id") or "",
            nickname=document.get("nickname") or "",
        )

    @property
    def label(self) -> str:
        """Return the anchor's name for a line of a terminal."""
        return shortened(self.nickname, 40) or self.user_id


def nicknames(database: Database[Document], user_ids: Iterable[str]) -> dict[str, str]:
    """Return the nicknames that the lake has of ``user_ids``, as they came; "" for the others.

    ``db.users.find({_id: {$in: […]}}, {nickname: 1})``, a hundred at a time.
    """
    names = dict.fromkeys(user_ids, "")
    wanted = list(names)
    for start in range(0, len(wanted), _AT_ONCE):
        ids = {"_id": {"$in": wanted[start : start + _AT_ONCE]}}
        for user in database[collections.USERS].find(ids, ["nickname"]):
            names[user["_id"]] = user["nickname"] or ""
    return names


def nicknames_of_keys(database: Database[Document], sec_uids: Iterable[str]) -> dict[str, str]:
    """Return the nickname of each ``sec_uid`` that the lake has a profile of, as it came.

    ``db.users.find({sec_uid: {$in: […]}}, {sec_uid: 1, nickname: 1})``, a hundred at a time.
    """
    wanted, names = list(sec_uids), {}
    for start in range(0, len(wanted), _AT_ONCE):
        keys = {"sec_uid": {"$in": wanted[start : start + _AT_ONCE]}}
        for user in database[collections.USERS].find(keys, ["sec_uid", "nickname"]):
            names[user["sec_uid"]] = user["nickname"] or ""
    return names


def the_anchor(database: Database[Document], text: str) -> Person:
    """Return the one anchor that ``text`` names, as `anchors_named` finds it.

    Raises `NotInTheLake` or `SeveralAnchors`.
    """
    found = anchors_named(database, text, most=_MOST_SHOWN + 1)
    if not found:
        raise NotInTheLake(f"no anchor in the lake is called {shortened(text, 80)}: give {_FORMS}")
    if len(found) > 1:
        raise SeveralAnchors(_several(text, found))
    return found[0]


def anchors_named(database: Database[Document], text: str, *, most: int) -> list[Person]:
    """Return the anchors ``text`` names, at most ``most``, each once.

    A ``sec_uid`` (also in a link or in JSON), ``user_id``, ``short_id``, ``display_id`` or
    ``nickname`` that is equal to it, or was, by `user_history`; if there is none, the nicknames
    that hold it, in any case of letters, or else those that did. After ``user_id:`` or another
    field's name: what that field now is. Each is one query, such as ``db.users.find({display_id:
    …})``, on the index of that field; those for what holds it, such as ``db.users.find({nickname:
    /…/i}).hint("nickname")``, read all of that index.
    """
    # A shell may hand over bytes that are no UTF-8, and BSON holds nothing else.
    encoded = text.strip().encode(errors="replace")
    try:
        sec_uid = sec_uid_of(encoded)
        return _by_sec_uid(database, sec_uid)
    except MemberError:
        name = encoded.decode()  # no public key, so it is one of the others
    found = _called(database, name, most) if name else []
    # Who is called so now as well as formerly stands first.
    return list({person.user_id: person for person in reversed(found)}.values())[::-1][:most]


def _called(database: Database[Document], name: str, most: int) -> list[Person]:
    field, _, value = name.partition(":")
    if field in _NAMED and value:
        return _now(database, field, value.strip(), most)
    found = [each for field in _NAMED for each in _now(database, field, name, most)]
    for field in _NAMES:
        found += _formerly(database, {field: name}, most)
    if found:
        return found
    holds = {"nickname": {"$regex": re.escape(name), "$options": "i"}}
    users = _hinted(database[collections.USERS], holds).limit(most)
    return list(map(Person.of, users)) or _formerly(database, holds, most)


def _by_sec_uid(database: Database[Document], sec_uid: str) -> list[Person]:
    """Return the anchor from its profile. If that was refused: from a call that it answered, or
    else from the newest hour, since no index of `ranks` has it."""
    ranks = database[collections.RANKS]
    found = database[collections.USERS].find_one({"sec_uid": sec_uid}, _FIELDS)
    if found is None:
        calls = database[collections.CALLS]
        call = _first(calls, {"anchor": sec_uid}, {"user_id": {"$gt": ""}})
        found = call and ranks.find_one({"user_id": call["user_id"]}, _FIELDS)
    if found is None:
        newest = ranks.find_one({}, ["begin_time"], sort=[("begin_time", -1), ("rank", 1)])
        found = newest and _first(ranks, {"begin_time": newest["begin_time"]}, {"sec_uid": sec_uid})
    return [Person.of(found)] if found else []


def _first(collection: Collection[Document], by_index: Document, rest: Document) -> Document | None:
    """Return the first document of two stages, as those of a list: see
    `rankspider.questions.lists`."""
    stages: list[Document] = [{"$match": by_index}, {"$match": rest}, {"$limit": 1}]
    with collection.aggregate(stages) as found:
        return next(found, None)


def _by_user_id(database: Database[Document], user_id: str) -> list[Person]:
    """Return the anchor. A standing has it even if the profile was refused."""
    found = database[collections.USERS].find_one({"_id": user_id}, _FIELDS)
    found = found or database[collections.RANKS].find_one({"user_id": user_id}, _FIELDS)
    return [Person.of(found)] if found else []


def _now(database: Database[Document], field: str, text: str, most: int) -> list[Person]:
    """Return the anchors whose ``field`` is ``text``."""
    is_number = text.isascii() and text.isdigit()
    if field == "user_id":
        return _by_user_id(database, text) if is_number else []
    if field == "short_id" and not (is_number and 0 < int(text[:20]) == int(text) < _INT64):
        return []
    value = int(text) if field == "short_id" else text
    found = database[collections.USERS].find({field: value}, _FIELDS).limit(most)
    return list(map(Person.of, found))


def _formerly(database: Database[Document], query: Document, most: int) -> list[Person]:
    """Return the anchors that fitted ``query`` once, and when that was seen last."""
    until: dict[str, dt.datetime] = {}
    fields = ["user_id", "last_observed_at"]
    for profile in _hinted(database[collections.USER_HISTORY], query, fields):
        who, at = profile["user_id"], profile["last_observed_at"]
        if who in until or len(until) < most:
            until[who] = max(at, until.get(who, at))
    users = database[collections.USERS].find({"_id": {"$in": list(until)}}, _FIELDS)
    people = {user["_id"]: Person.of(user) for user in users}
    return [replace(people[who], until=at) for who, at in until.items() if who in people]


def _hinted(
    collection: Collection[Document], query: Document, fields: Sequence[str] = _FIELDS
) -> Cursor[Document]:
    """Return a cursor on the index of the one field that ``query`` names, where a worker has made
    it."""
    (field,) = query
    found = collection.find(query, fields)
    # Under whatever name: the operator's own serves as well.
    for name, index in collection.index_information().items():
        if index["key"] == [(field, 1)]:
            return found.hint(name)
    return found


def _several(text: str, found: list[Person]) -> str:
    rows = [
        (
            person.label,
            person.display_id,
            str(person.short_id or ""),
            person.user_id,
            person.sec_uid,
            "now" if person.until is None else f"until {person.until:%Y-%m-%d %H:%M}Z",
        )
        for person in sorted(found, key=lambda each: each.user_id)[:_MOST_SHOWN]
    ]
    count = f"more than {_MOST_SHOWN}" if len(found) > _MOST_SHOWN else str(len(found))
    name = shortened(text, 80)
    lines = [f"{count} anchors are called {name}: name one by its user_id or sec_id"]
    heads = ("nickname", "display_id", "short_id", "user_id", "sec_id", "called so")
    hint = "A number may be several things: user_id:NUMBER names one"
    return "\n".join([*lines, *table(heads, rows), hint])
