"""Answers that arrive but are not as they should be: each changes an honest one in place."""

from collections.abc import Callable
from typing import Any, Final

Document = dict[str, Any]
"""A bare answer, decoded."""

_HOUR: Final = 3600
_EXACT: Final = 2**53  # whole numbers beyond it do not survive a float
_HUGE_CHARS: Final = 17 * 1024 * 1024  # more than a MongoDB document may hold
_DEEP_LEVELS: Final = 200  # MongoDB takes 100
_SLIM_KEYS: Final = frozenset(
    [
        "id",
        "id_str",
        "short_id",
        "display_id",
        "sec_uid",
        "nickname",
        "gender",
        "signature",
        "level",
        "birthday",
        "telephone",
        "avatar_thumb",
        "verified",
        "experience",
        "city",
        "status",
        "create_time",
        "modify_time",
        "secret",
        "badge_image_list",
        "follow_info",
        "pay_grade",
        "fans_club",
        "own_room",
        "user_role",
        "special_id",
        "ticket_count",
    ]
)


def _rows(document: Document) -> list[Document]:
    """Return all rows, the asked anchor's own included."""
    data = document["data"]
    own = [data["anchor_info"]] if "anchor_info" in data else []
    return [*data["ranks"], *own]


def _users(document: Document) -> list[Document]:
    return [row["user"] for row in _rows(document)]


def _empty_list(document: Document) -> None:
    document["data"]["ranks"] = []


def _no_rank(document: Document) -> None:
    """Write the list as newer upstream ones are: the place is in ``index``, the tags are elsewhere,
    no score."""
    for row in _rows(document):
        row["index"] = row.pop("rank")
        row["rich_tags_info"] = row.pop("shop_tags")
        del row["score"]


def _dup_user(document: Document) -> None:
    ranks = document["data"]["ranks"]
    ranks[-1]["user"] = ranks[0]["user"]


def _bad_begin_time(document: Document) -> None:
    document["data"]["begin_time"] += 1


def _stale(document: Document) -> None:
    document["data"]["begin_time"] -= _HOUR


def _rank_gap(document: Document) -> None:
    for row in document["data"]["ranks"][1:]:
        row["rank"] += 1


def _negative_score(document: Document) -> None:
    document["data"]["ranks"][-1]["score"] = -1


def _list_maps(document: Document) -> None:
    """Write maps as servers do that know no difference between a map and a list."""
    for user in _users(document):
        badge = user["fans_club"]["data"]["badge"]
        badge["icons"] = list(badge["icons"].values())
        user["fans_club"]["prefer_data"] = []


def _twins(document: Document) -> None:
    """Pass numbers through a float; their ``_str`` twins stay exact."""
    for user in _users(document):
        user["id"] = _rounded(user["id"])
        room = user.get("own_room", {"room_ids": []})
        room["room_ids"] = [_rounded(number) for number in room["room_ids"]]


def _rounded(number: int) -> int:
    return int(float(number)) if number > _EXACT else number


def _slim(document: Document) -> None:
    for row in _rows(document):
        row["user"] = {key: row["user"][key] for key in row["user"] if key in _SLIM_KEYS}


def _odd_keys(document: Document) -> None:
    """Add keys that a MongoDB query or update would read as something else."""
    for user in _users(document):
        user |= {"$where": 1, "a.b": 2, "": 3, "nested": {"$set": {"c.d": 4, ".": [{"$": 5}]}}}


def _huge(document: Document) -> None:
    _users(document)[-1]["signature"] = "模" + "x" * _HUGE_CHARS


def _deep(document: Document) -> None:
    value: Any = 1
    for _ in range(_DEEP_LEVELS):
        value = {"a": value}
    _users(document)[-1]["nested"] = value


SPOILED: Final[dict[str, Callable[[Document], None]]] = {
    "empty-list": _empty_list,
    "no-rank": _no_rank,
    "dup-user": _dup_user,
    "bad-begin-time": _bad_begin_time,
    "stale": _stale,
    "rank-gap": _rank_gap,
    "negative-score": _negative_score,
    "list-maps": _list_maps,
    "twins": _twins,
    "slim": _slim,
    "odd-keys": _odd_keys,
    "huge": _huge,
    "deep": _deep,
}
