"""Define each exported collection as a table: its columns, and the time it is cut by."""

from dataclasses import dataclass
from enum import Enum

from pymongo import ASCENDING, DESCENDING

from rankspider.lake import collections


class ColumnKind(Enum):
    """The kinds of columns. Any of them may hold null."""

    TEXT = "text"
    INTEGER = "int64"
    FLAG = "boolean"
    TIME = "time"
    """To the millisecond, UTC."""
    TEXTS = "list of text"
    INTEGERS = "list of int64"
    JSON = "json"
    """What no fixed type fits: the vendor's own objects, whose keys differ from one anchor to the
    next and come and go. As text where a format has no such type."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    """As in MongoDB; fields of ``list`` stand flat, as ``list_currency``."""
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class Table:
    """One collection, cut into hours by ``time``."""

    collection: str
    columns: tuple[Column, ...]
    time: str = "begin_time"
    """Name of the column that says which hour a document belongs to."""
    direction: int = DESCENDING
    """Of the time in its index: read that way, no server has to sort an hour, and it comes in the
    order of the index's next field."""
    seen: tuple[str, str] = ("first_observed_at", "last_observed_at")
    """Names of the columns between which a document was observed."""
    moves: bool = False
    """Whether documents leave their hour for a newer one, as what is observed again does."""

    @property
    def schema(self) -> dict[str, str]:
        """Return what a reader relies on: the name and kind of each column."""
        return {column.name: column.kind.value for column in self.columns}


REST = "other"
"""Name of the last column of every table: what a document holds beside the others, or null."""


def _columns(kinds: dict[str, ColumnKind], *, revised: bool = True) -> tuple[Column, ...]:
    revision = {"revision": ColumnKind.TEXT} if revised else {}
    named = {"_id": ColumnKind.TEXT, **kinds, **revision, REST: ColumnKind.JSON}
    return tuple(Column(name, kind) for name, kind in named.items())


_LIST = {
    **dict.fromkeys(("list_currency", "list_title", "list_subtitle"), ColumnKind.TEXT),
    **dict.fromkeys(("list_city_code", "list_region_name"), ColumnKind.TEXT),
    "begin_time": ColumnKind.TIME,
}
_STANDING = {
    **_LIST,
    **dict.fromkeys(("user_id", "sec_uid"), ColumnKind.TEXT),
    **dict.fromkeys(("rank", "score", "delta"), ColumnKind.INTEGER),
    **dict.fromkeys(
        ("gap_description", "gap_rich_description", "rich_description"), ColumnKind.TEXT
    ),
    **dict.fromkeys(("city_code", "fixed_footer_description"), ColumnKind.TEXT),
    "shop_tags": ColumnKind.TEXTS,
    "room_id": ColumnKind.TEXT,
    "room_ids": ColumnKind.TEXTS,
    "listed": ColumnKind.FLAG,
    "flags": ColumnKind.TEXTS,
    "other_fields": ColumnKind.JSON,
}
_USER = {
    **dict.fromkeys(("user_id", "sec_uid"), ColumnKind.TEXT),
    "short_id": ColumnKind.INTEGER,
    **dict.fromkeys(("display_id", "nickname"), ColumnKind.TEXT),
    "gender": ColumnKind.INTEGER,
    **dict.fromkeys(("signature", "avatar_uri"), ColumnKind.TEXT),
    "profile": ColumnKind.JSON,
}
_STATE = {
    "user_ids": ColumnKind.TEXTS,
    "scores": ColumnKind.INTEGERS,
    "delta_time": ColumnKind.INTEGER,
    "flags": ColumnKind.TEXTS,
    "other_fields": ColumnKind.JSON,
}
_REJECTED = {
    **dict.fromkeys(("kind", "reason", "detail", "payload", "form", "anchor"), ColumnKind.TEXT),
    **_LIST,
    **dict.fromkeys(("place", "times"), ColumnKind.INTEGER),
    "score_above": ColumnKind.JSON,  # what was refused may be beyond 64 bits
}
_CALL = {
    **dict.fromkeys(("anchor", "user_id"), ColumnKind.TEXT),
    **dict.fromkeys(("asked_at", "observed_at"), ColumnKind.TIME),
    **dict.fromkeys(("purpose", "outcome", "licence", "worker"), ColumnKind.TEXT),
    **dict.fromkeys(("status", "milliseconds", "bytes"), ColumnKind.INTEGER),
    "begin_time": ColumnKind.TIME,
    **dict.fromkeys(("list_state", "standing", "profile"), ColumnKind.TEXT),
}
_BESTS = dict.fromkeys(("best_rank", "peak_score"), ColumnKind.INTEGER)
_FIRST = {"first_observed_at": ColumnKind.TIME}
_INTERVAL = {**_FIRST, "last_observed_at": ColumnKind.TIME}
_NEWEST = {**_FIRST, "observed_at": ColumnKind.TIME}
_SEEN_NEWEST = ("first_observed_at", "observed_at")
_SIGHTED = {"observed_at": ColumnKind.TIME, "last_observed_at": ColumnKind.TIME}

_ALL = (
    Table(collections.RANKS, _columns({**_STANDING, **_BESTS, **_NEWEST}), seen=_SEEN_NEWEST),
    Table(collections.RANK_HISTORY, _columns({**_STANDING, **_INTERVAL})),
    Table(
        collections.USERS,
        _columns({**_USER, **_NEWEST}),
        "observed_at",
        ASCENDING,
        _SEEN_NEWEST,
        moves=True,
    ),
    Table(
        collections.USER_HISTORY, _columns({**_USER, **_INTERVAL}), "first_observed_at", ASCENDING
    ),
    Table(collections.SNAPSHOTS, _columns({**_LIST, **_STATE, **_INTERVAL})),
    Table(
        collections.SIGHTINGS,
        _columns({**_LIST, "state": ColumnKind.TEXT, **_SIGHTED}),
        seen=("observed_at", "last_observed_at"),
    ),
    Table(
        collections.CALLS,
        _columns(_CALL, revised=False),
        "asked_at",
        ASCENDING,
        ("asked_at", "asked_at"),
    ),
    Table(
        collections.REJECTED,
        _columns({**_REJECTED, **_NEWEST}),
        "observed_at",
        ASCENDING,
        _SEEN_NEWEST,
        moves=True,
    ),
)
TABLES = {table.collection: table for table in _ALL}
