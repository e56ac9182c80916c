"""Define what the spider yields. Each item knows its own identity, so that no store has to make
one.

``key`` says which record it is, ``digest`` all it says but the time and the mirrors' hosts. Both
are worked out once: an item does not change after it was made.
"""

import datetime as dt
import hashlib
from dataclasses import MISSING, InitVar, dataclass, field, fields
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import msgspec
from itemadapter import ItemAdapter

from rankspider.facts import LIST, PROFILE, RECORDS, facts_of, facts_of_profile


def joined(*parts: object) -> str:
    """Return parts of a key in one readable string: ``/`` between them, ``%`` and ``/`` escaped."""
    return "/".join(str(part).replace("%", "%25").replace("/", "%2F") for part in parts)


def digest_of(facts: object) -> str:
    """Return 32 hex digits that are equal for equal ``facts``, whatever the order of their maps."""
    encoded = msgspec.json.encode(facts, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def _list_key(begin_time: dt.datetime, *names: str) -> str:
    return joined(int(begin_time.timestamp()), *names)


# Texts of a row that say nothing of an unlisted anchor itself.
OWN_TEXTS = (
    "gap_description",
    "gap_rich_description",
    "rich_description",
    "fixed_footer_description",
)


# Of a room; a longer text is none, and would make a key of any length.
_ID_DIGITS = 20

LIST_FIELDS = ("currency", "title", "subtitle", "city_code", "region_name")
"""What tells the lists of an hour apart, and where they are of."""


@dataclass(frozen=True, slots=True)
class RankedList:
    """The list of one hour, by what identifies it; the wall clock has no part in it."""

    currency: str
    """Unit of the score: 热度, 音浪, or ""."""
    title: str
    subtitle: str
    city_code: str
    region_name: str
    begin_time: dt.datetime
    """Start of the ranked hour, UTC."""

    @property
    def key(self) -> str:
        """Return the list's key. It begins with the hour, so that an hour's documents lie
        together."""
        return _list_key(self.begin_time, self.currency, self.title, self.subtitle, self.city_code)

    def key_of(self, user_id: str) -> str:
        """Return the key of that user's standing in this list."""
        return f"{self.key}/{joined(user_id)}"


class _Tied:
    """Keeps what dedupe remembers an item by (`rankspider.dedupe.record`), on a copy as well. No
    field, since it is nobody else's: `ItemAdapter` and feeds do not see it."""

    record: Any

    def __post_init__(self, record: Any) -> None:
        self.record = record


@dataclass
class RankItem(_Tied):
    """One user's standing in a list of one hour: a listed row, or the asked anchor's own."""

    kind: ClassVar[str] = "rows"
    """As stats name it."""

    ranked_list: RankedList
    user_id: str
    """The exact id: 11 to 19 digits, beyond 2⁵³."""
    sec_uid: str
    rank: int
    """1-based; 0: not listed."""
    score: int
    """Points in the list's currency, this hour."""
    delta: int
    """Points behind the next better place; in an asked anchor's own row it follows no rule."""
    gap_description: str
    gap_rich_description: str
    rich_description: str
    city_code: str
    fixed_footer_description: str
    shop_tags: list[str]
    room_ids: list[str]
    """The rooms the user is live in; empty when not live."""
    listed: bool
    """Whether it stood in the list itself; if not, it is the asked anchor's own standing."""
    observed_at: dt.datetime
    """The endpoint's clock, UTC, to the millisecond."""
    other_fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the row that this code does not know."""
    flags: list[str] = field(default_factory=list)
    """Soft checks it fails: names of `rankspider.endpoint.checks`."""
    anchor: str | None = None
    """The ``sec_uid`` that was asked for; a standing is the same whoever asked."""
    record: InitVar[Any] = None

    @cached_property
    def key(self) -> str:
        return self.ranked_list.key_of(self.user_id)

    @property
    def standing(self) -> tuple[int, int, int]:
        return self.rank, self.score, self.delta

    @property
    def room_id(self) -> str | None:
        """Return the room the standing is of; None when not live, which some say by a 0."""
        return next((room for room in self.room_ids if room.strip("0")), None)

    @property
    def history_key(self) -> str:
        """Return the key of its document in the history, which holds a standing in one room, on the
        list or off it: what was true when it was reached, no later observation says otherwise."""
        room = self.room_id or ""
        where = [room if len(room) <= _ID_DIGITS else digest_of(room)] if room else []
        off_the_list = ["off"] if self.rank and not self.listed else []
        return f"{self.key}/{joined(*self.standing, *where, *off_the_list)}"

    @property
    def tie(self) -> str:
        """Return what settles which of two observations of one moment is the newer: the list's
        own."""
        return f"{self.listed:d}-{self.digest}"

    @cached_property
    def digest(self) -> str:
        """Return the digest of all it says but the time, and the texts of an own standing: they
        tell the distance to the list, which changes with the list alone."""
        texts = [getattr(self, name) for name in OWN_TEXTS] if self.listed else []
        marks = (self.city_code, self.shop_tags, self.room_ids)
        content = (
            self.sec_uid,
            self.standing,
            texts,
            marks,
            self.listed,
            facts_of(self.other_fields),
        )
        return digest_of((*content, self.flags) if self.flags else content)


@dataclass
class UserItem(_Tied):
    """One user's profile."""

    kind: ClassVar[str] = "users"

    user_id: str
    sec_uid: str
    short_id: int
    display_id: str
    nickname: str
    gender: int
    """0 unknown or an institution, 1 male, 2 female."""
    signature: str
    avatar_uri: str
    profile: dict[str, Any]
    """The rest of the user object."""
    observed_at: dt.datetime
    anchor: str | None = None
    record: InitVar[Any] = None

    @cached_property
    def key(self) -> str:
        return self.user_id

    @property
    def history_key(self) -> str:
        return f"{self.key}/{self.digest}"

    @cached_property
    def digest(self) -> str:
        """Return the digest of all it says but the time and the mirrors."""
        names = (self.sec_uid, self.short_id, self.display_id, self.nickname)
        content = facts_of_profile(self.profile)
        return digest_of((names, self.gender, self.signature, self.avatar_uri, content))


@dataclass
class ListItem(_Tied):
    """The state of a list: who stood where with how many points."""

    kind: ClassVar[str] = "lists"

    ranked_list: RankedList
    user_ids: list[str]
    """In the order of the list."""
    scores: list[int]
    """Of the same users."""
    delta_time: int
    """Seconds left in the hour when it was observed."""
    other_fields: dict[str, Any]
    """The list's texts, links and switches."""
    observed_at: dt.datetime
    anchor: str | None = None
    flags: list[str] = field(default_factory=list)
    """Soft checks that the list as a whole fails: names of `rankspider.endpoint.checks`."""
    record: InitVar[Any] = None

    @cached_property
    def key(self) -> str:
        return self.ranked_list.key

    @property
    def history_key(self) -> str:
        return f"{self.key}/{self.state}"

    @cached_property
    def state(self) -> str:
        """Return the digest of who stood where: what one document of snapshots holds, whatever
        stood beside it."""
        return digest_of((self.user_ids, self.scores))

    @cached_property
    def digest(self) -> str:
        """Return the digest of all it says but the time."""
        return digest_of((self.state, facts_of(self.other_fields, LIST), self.flags))


class Form(StrEnum):
    """The forms that the payload of a rejected record may have."""

    ANSWER = "answer"
    """The JSON as it came: a row, a user, or the list's whole ``data``."""
    ITEM = "item"
    """The item that was made of it, as JSON."""
    TEXT = "text"
    """Neither; nothing can be made of it again."""


# What differs from anchor to anchor and from second to second, in a list and in an item.
_OF_THE_MOMENT = ("anchor_info", "delta_time", "observed_at", "anchor")


@dataclass
class RejectedItem(_Tied):
    """A record that failed a hard check, with what it said and what it takes to try it again."""

    kind: str
    """``rows``, ``users`` or ``lists``: what it would have been."""
    reason: str
    payload: str
    """The JSON text as it came, or what stands in its place."""
    anchor: str | None
    """The ``sec_uid`` that was asked for."""
    observed_at: dt.datetime
    form: Form = Form.TEXT
    ranked_list: RankedList | None = None
    """The list it belongs to; None if its hour is no time at all."""
    place: int | None = None
    """Of a row, its 1-based place in the list; 0: the asked anchor's own."""
    times: int = 1
    """Of a row, how often its user stands in the list."""
    score_above: int | None = None
    """Of a row, the score of the next better place, if there is one and it could be read."""
    detail: str | None = None
    """What goes beyond the reason, which stays the same for all of a kind."""
    record: InitVar[Any] = None

    @cached_property
    def key(self) -> str:
        return joined(self.kind, self.digest)

    @cached_property
    def digest(self) -> str:
        """Return the digest of the reason, the list and the record, whoever asked and whenever."""
        list_key = self.ranked_list.key if self.ranked_list else None
        own = self.place == 0
        return digest_of((self.reason, list_key, own, self._record()))

    def _record(self) -> Any:
        try:
            record = msgspec.json.decode(self.payload)
        except (msgspec.MsgspecError, RecursionError):
            return self.payload
        if not isinstance(record, dict):
            return record
        if self.kind == "lists" or self.form is Form.ITEM:
            record = {k: v for k, v in record.items() if k not in _OF_THE_MOMENT}
        if self.form is not Form.ITEM:
            return facts_of(record, RECORDS.get(self.kind))
        parts = {"profile": PROFILE, "other_fields": LIST if self.kind == "lists" else None}
        return record | {k: facts_of(v, parts[k]) for k, v in record.items() if k in parts}


Item = RankItem | UserItem | ListItem | RejectedItem


def item_of(given: object) -> Item | None:
    """Return ``given`` as an item of this project, also if a pipeline of the user's made a dict or
    another kind of item of it; None for what is none. Fields it was given beside are left out.

    Raises `ValueError` for what names a user or a list, and lacks a field it takes.
    """
    if isinstance(given, Item):
        return given
    if not ItemAdapter.is_item(given):
        return None
    content = ItemAdapter(given).asdict()
    for kind in (RankItem, UserItem, ListItem, RejectedItem):
        taken = {each.name: each for each in fields(kind)}
        required = {
            name
            for name, each in taken.items()
            if each.default is MISSING and each.default_factory is MISSING
        }
        if required <= content.keys():
            known = {name: value for name, value in content.items() if name in taken}
            if isinstance(ranked_list := known.get("ranked_list"), dict):
                known["ranked_list"] = RankedList(**ranked_list)
            if "form" in known:
                known["form"] = Form(known["form"])
            return kind(**known)
    if content.keys() & {"user_id", "ranked_list"}:
        raise ValueError(f"an item of {', '.join(sorted(content))} lacks what a record takes")
    return None
