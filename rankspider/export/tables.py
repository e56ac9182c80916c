"""What each exported collection looks like as a table: its columns, and the time it is cut by."""

from dataclasses import dataclass
from enum import Enum

from pymongo import ASCENDING, DESCENDING

from rankspider.lake import collections


class Kind(Enum):
    """What a column holds. Any of them may be null."""

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
    kind: Kind


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
    moves: bool = False
    """Whether documents leave their hour for a newer one, as what is observed again does."""

    @property
    def schema(self) -> dict[str, str]:
        """What a reader relies on: the name and kind of each column."""
        return {column.name: column.kind.value for column in self.columns}


REST = "other"
"""Name of the last column of every table: what a document holds beside the others, or null."""


def _columns(kinds: dict[str, Kind], *, revised: bool = True) -> tuple[Column, ...]:
    revision = {"revision": Kind.TEXT} if revised else {}
    named = {"_id": Kind.TEXT, **kinds, **revision, REST: Kind.JSON}
    return tuple(Column(name, kind) for name, kind in named.items())


_LIST = {
    **dict.fromkeys(("list_currency", "list_title", "list_subtitle"), Kind.TEXT),
    **dict.fromkeys(("list_city_code", "list_region_name"), Kind.TEXT),
    "begin_time": Kind.TIME,
}
_STANDING = {
    **_LIST,
    **dict.fromkeys(("user_id", "sec_uid"), Kind.TEXT),
    **dict.fromkeys(("rank", "score", "delta"), Kind.INTEGER),
    **dict.fromkeys(("gap_description", "gap_rich_description", "rich_description"), Kind.TEXT),
    **dict.fromkeys(("city_code", "fixed_footer_description"), Kind.TEXT),
    "shop_tags": Kind.TEXTS,
    "room_id": Kind.TEXT,
    "room_ids": Kind.TEXTS,
    "listed": Kind.FLAG,
    "flags": Kind.TEXTS,
    "other_fields": Kind.JSON,
}
_USER = {
    **dict.fromkeys(("user_id", "sec_uid"), Kind.TEXT),
    "short_id": Kind.INTEGER,
    **dict.fromkeys(("display_id", "nickname"), Kind.TEXT),
    "gender": Kind.INTEGER,
    **dict.fromkeys(("signature", "avatar_uri"), Kind.TEXT),
    "profile": Kind.JSON,
}
_STATE = {
    "user_ids": Kind.TEXTS,
    "scores": Kind.INTEGERS,
    "delta_time": Kind.INTEGER,
    "flags": Kind.TEXTS,
    "other_fields": Kind.JSON,
}
_REJECTED = {
    **dict.fromkeys(("kind", "reason", "detail", "payload", "form", "anchor"), Kind.TEXT),
    **_LIST,
    **dict.fromkeys(("place", "times"), Kind.INTEGER),
    "score_above": Kind.JSON,  # what was refused may be beyond 64 bits
}
_CALL = {
    **dict.fromkeys(("anchor", "user_id"), Kind.TEXT),
    **dict.fromkeys(("asked_at", "observed_at"), Kind.TIME),
    **dict.fromkeys(("purpose", "outcome", "licence", "worker"), Kind.TEXT),
    **dict.fromkeys(("status", "milliseconds", "bytes"), Kind.INTEGER),
    "begin_time": Kind.TIME,
    **dict.fromkeys(("list_state", "standing", "profile"), Kind.TEXT),
}
_BESTS = dict.fromkeys(("best_rank", "peak_score"), Kind.INTEGER)
_FIRST = {"first_observed_at": Kind.TIME}
_INTERVAL = {**_FIRST, "last_observed_at": Kind.TIME}
_NEWEST = {**_FIRST, "observed_at": Kind.TIME}
_SIGHTED = {"observed_at": Kind.TIME, "last_observed_at": Kind.TIME}

_ALL = (
    Table(collections.RANKS, _columns({**_STANDING, **_BESTS, **_NEWEST})),
    Table(collections.RANK_HISTORY, _columns({**_STANDING, **_INTERVAL})),
    Table(collections.USERS, _columns({**_USER, **_NEWEST}), "observed_at", ASCENDING, moves=True),
    Table(
        collections.USER_HISTORY, _columns({**_USER, **_INTERVAL}), "first_observed_at", ASCENDING
    ),
    Table(collections.SNAPSHOTS, _columns({**_LIST, **_STATE, **_INTERVAL})),
    Table(collections.SIGHTINGS, _columns({**_LIST, "state": Kind.TEXT, **_SIGHTED})),
    Table(collections.CALLS, _columns(_CALL, revised=False), "asked_at", ASCENDING),
    Table(
        collections.REJECTED,
        _columns({**_REJECTED, **_NEWEST}),
        "observed_at",
        ASCENDING,
        moves=True,
    ),
)
TABLES = {table.collection: table for table in _ALL}
