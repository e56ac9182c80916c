"""Who is meant: an anchor found by its id, its public key, a link, or a name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pymongo.database import Database

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, NotInTheLake, SeveralAnchors
from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.terminal import harmless, shortened, table

_FIELDS = ["user_id", "sec_uid", "short_id", "display_id", "nickname"]
_MOST_SHOWN = 20
_AT_ONCE = 100
_INT64 = 1 << 63


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

    @classmethod
    def of(cls, document: Document) -> Self:
        """From a document of `users`, or one that holds the two keys only."""
        return cls(
            user_id=document["user_id"],
            sec_uid=document["sec_uid"],
            short_id=document.get("short_id") or 0,
            display_id=document.get("display_id") or "",
            nickname=document.get("nickname") or "",
        )

    @property
    def label(self) -> str:
        """For a line of a terminal."""
        return shortened(harmless(self.nickname), 40) or self.user_id


def nicknames(database: Database[Document], user_ids: Iterable[str]) -> dict[str, str]:
    """The nicknames that the lake has of ``user_ids``, as they came; "" for the others.

    ``db.users.find({_id: {$in: […]}}, {nickname: 1})``, a hundred at a time.
    """
    names = dict.fromkeys(user_ids, "")
    wanted = list(names)
    for start in range(0, len(wanted), _AT_ONCE):
        ids = {"_id": {"$in": wanted[start : start + _AT_ONCE]}}
        for user in database[collections.USERS].find(ids, ["nickname"]):
            names[user["_id"]] = user["nickname"] or ""
    return names


def the_anchor(database: Database[Document], text: str) -> Person:
    """The one anchor that ``text`` names, as `anchors_named` finds it.

    Raises `NotInTheLake` or `SeveralAnchors`.
    """
    found = anchors_named(database, text, most=_MOST_SHOWN + 1)
    if not found:
        raise NotInTheLake(
            f"no anchor in the lake is called {shortened(harmless(text), 80)}: give a user_id, a "
            "sec_id, a profile link, a display_id, a short_id, or (part of) a nickname"
        )
    if len(found) > 1:
        raise SeveralAnchors(_several(text, found))
    return found[0]


def anchors_named(database: Database[Document], text: str, *, most: int) -> list[Person]:
    """The anchors ``text`` names, at most ``most``, each once.

    A ``sec_uid`` (also in a link or in JSON), ``user_id``, ``short_id``, ``display_id`` or
    ``nickname`` that is equal to it; if there is none, the nicknames that hold it, in any case of
    letters. Each is one query, such as ``db.users.find({display_id: …})``, on the index of that
    field; the last one, ``db.users.find({nickname: /…/i}).hint("nickname")``, reads all of that
    index.
    """
    # A shell may hand over bytes that are no UTF-8, and BSON holds nothing else.
    encoded = text.strip().encode(errors="replace")
    try:
        sec_uid = sec_uid_of(encoded)
        return _by_key(database, {"sec_uid": sec_uid}, {"sec_uid": sec_uid})
    except MemberError:
        name = encoded.decode()  # no public key, so it is one of the others
    found = _exactly(database, name, most) if name else []
    found = found or (_holding(database, name, most) if name else [])
    return list({person.user_id: person for person in found}.values())[:most]


def _by_key(database: Database[Document], in_users: Document, in_ranks: Document) -> list[Person]:
    """By one of the two keys, which a standing has even if the profile was refused."""
    found = database[collections.USERS].find_one(in_users, _FIELDS)
    found = found or database[collections.RANKS].find_one(in_ranks, _FIELDS)
    return [Person.of(found)] if found else []


def _exactly(database: Database[Document], text: str, most: int) -> list[Person]:
    users = database[collections.USERS]
    found = []
    if text.isascii() and text.isdigit():
        found += _by_key(database, {"_id": text}, {"user_id": text})
        if 0 < int(text) < _INT64:
            found += map(Person.of, users.find({"short_id": int(text)}, _FIELDS).limit(most))
    for name in ("display_id", "nickname"):
        found += map(Person.of, users.find({name: text}, _FIELDS).limit(most))
    return found


def _holding(database: Database[Document], text: str, most: int) -> list[Person]:
    users = database[collections.USERS]
    pattern = {"$regex": re.escape(text), "$options": "i"}
    found = users.find({"nickname": pattern}, _FIELDS).limit(most)
    for name, index in users.index_information().items():  # none before a worker has opened it
        if index["key"] == [("nickname", 1)]:
            found = found.hint(name)
    return [Person.of(user) for user in found]


def _several(text: str, found: list[Person]) -> str:
    rows = [
        (person.label, harmless(person.display_id), person.user_id, person.sec_uid)
        for person in sorted(found, key=lambda each: each.user_id)[:_MOST_SHOWN]
    ]
    count = f"more than {_MOST_SHOWN}" if len(found) > _MOST_SHOWN else str(len(found))
    name = shortened(harmless(text), 80)
    lines = [f"{count} anchors are called {name}: name one by its user_id or sec_id"]
    return "\n".join([*lines, *table(("nickname", "display_id", "user_id", "sec_id"), rows)])
