"""Make writes of items. They may come in any order, any number of times, from any worker.

Each write is an upsert under a deterministic ``_id``. What a document says is taken from its newest
observation, told by ``revision``: the time of the observation, then whether the list itself or the
asked anchor's own row said it, then the digest, so that two observations of one millisecond settle
the same way in either order. Firsts, lasts and bests only ever widen.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rankspider.items import (
    LIST_FIELDS,
    Form,
    Item,
    ListItem,
    RankedList,
    RankItem,
    RejectedItem,
    UserItem,
)
from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.lake.write import Write
from rankspider.moments import unix_ms
from rankspider.secrecy import discreet

_INT64 = 1 << 63
# MongoDB's manual promises 100 levels, of which a document has one around what nests.
_MOST_LEVELS = 90
# What a document of history has beside what its newest observation says.
_INTERVAL = ("_id", "first_observed_at", "last_observed_at")
# Milliseconds up to the year 10000.
_REVISION_DIGITS = 15
SIGHTING_SECONDS = 10
# The revision of what never changes.
_ALWAYS = "-"


_COLLECTIONS = {
    RankItem.kind: (collections.RANKS, collections.RANK_HISTORY),
    UserItem.kind: (collections.USERS, collections.USER_HISTORY),
    ListItem.kind: (None, collections.SNAPSHOTS),
}
# The fields that a document has as the item has them.
_OF_STANDING = (
    *("user_id", "sec_uid", "rank", "score", "delta"),
    *("gap_description", "gap_rich_description", "rich_description"),
    *("city_code", "fixed_footer_description", "shop_tags", "room_ids", "listed", "flags"),
)
_OF_USER = (
    *("user_id", "sec_uid", "short_id", "display_id"),
    *("nickname", "gender", "signature", "avatar_uri"),
)
_OF_REJECTED = ("kind", "reason", "detail", "payload", "place", "times", "anchor", "observed_at")
# Sorts before every time: what is late widens intervals and bests, and says nothing of the newest.
_LATE = "0" * _REVISION_DIGITS


def writes_of(item: Item, *, is_late: bool = False) -> Iterator[Write]:
    """Yield what is written to the lake for ``item``.

    ``is_late``: something newer of its place is stored, which may have been seen again since, so
    that its revision does not tell.
    """
    for write in _writes_of(item):
        if is_late and write.content is not None and write.revision != _ALWAYS:
            tie = write.revision[_REVISION_DIGITS:]
            yield replace(write, content={**write.content, "revision": f"{_LATE}{tie}"})
        else:
            yield write


def _writes_of(item: Item) -> Iterator[Write]:
    if isinstance(item, RankItem):
        yield from _writes_of_standing(item)
    elif isinstance(item, UserItem):
        yield from _writes_of_user(item)
    elif isinstance(item, ListItem):
        yield _write_of_list(item)
        yield sighting_of(item.ranked_list, item.history_key, item.observed_at)
    else:
        yield _write_of_rejected(item)


def steps_of(writes: Iterable[Write]) -> tuple[list[Write], list[Write]]:
    """Return what of ``writes`` is to be durable first, and what then.

    What a worker that is killed has written of an item is history alone, from which the rest can be
    told: see `rankspider.lake.repair`. And no sighting is of a state that is not there.
    """
    steps: tuple[list[Write], list[Write]] = [], []
    for write in writes:
        steps[write.collection in (*collections.DERIVED, collections.SIGHTINGS)].append(write)
    return steps


def seen_until(item: Item, suffix: str, until: dt.datetime, *, is_newest: bool) -> Iterator[Write]:
    """Yield what notes that another content of the place of ``item``, whose document in the history
    ends with ``suffix``, was seen ``until`` then; ``is_newest``: and is the newest of the place."""
    newest, history = _COLLECTIONS[item.kind]
    yield Write(history, f"{item.key}/{suffix}", None, {}, {"last_observed_at": until})
    if newest is not None and is_newest:
        yield Write(newest, item.key, None, {}, {"observed_at": until})


def standing_now(history: Document, write: Write) -> Write:
    """Return ``write``, of bounds, with what ``history`` says, a document of `rank_history` or
    `user_history`."""
    content = {name: value for name, value in history.items() if name not in _INTERVAL}
    content["observed_at"] = history["last_observed_at"]
    return replace(write, content=content)


def _writes_of_standing(item: RankItem) -> Iterator[Write]:
    standing = {
        **_hour(item.ranked_list),
        **_selected(item, _OF_STANDING),
        "room_id": item.room_id,
        "other_fields": storable(item.other_fields),
        "revision": _revision(item.observed_at, item.tie),
    }
    yield Write(
        collections.RANKS,
        item.key,
        {**standing, "observed_at": item.observed_at},
        least={"first_observed_at": item.observed_at},
        most={"peak_score": item.score},
        best_rank=item.rank if item.listed else 0,
    )
    yield _write_of_history(collections.RANK_HISTORY, item, standing)


def _writes_of_user(item: UserItem) -> Iterator[Write]:
    user = {
        **_selected(item, _OF_USER),
        "profile": storable(item.profile),
        "revision": _revision(item.observed_at, item.digest),
    }
    newest = {**user, "observed_at": item.observed_at}
    yield Write(collections.USERS, item.key, newest, {"first_observed_at": item.observed_at})
    yield _write_of_history(collections.USER_HISTORY, item, user)


def _write_of_list(item: ListItem) -> Write:
    state = {
        **_hour(item.ranked_list),
        **_selected(item, ("user_ids", "scores", "delta_time", "flags")),
        "other_fields": storable(item.other_fields),
        "revision": _revision(item.observed_at, item.digest),
    }
    return _write_of_history(collections.SNAPSHOTS, item, state)


def sighting_of(ranked_list: RankedList, state: str, observed_at: dt.datetime) -> Write:
    """Return the write that notes that ``state``, an ``_id`` in `snapshots`, was seen: one document
    for each some seconds."""
    key, _, digest = state.rpartition("/")
    seconds = int(observed_at.timestamp())
    bucket = seconds - seconds % SIGHTING_SECONDS
    content = {**_hour(ranked_list), "state": state, "revision": _ALWAYS}
    return Write(
        collections.SIGHTINGS,
        f"{key}/{bucket}-{digest}",
        content,
        {"observed_at": observed_at},
        {"last_observed_at": observed_at},
    )


def _write_of_rejected(item: RejectedItem) -> Write:
    hour = _hour(item.ranked_list) if item.ranked_list else {"list": None, "begin_time": None}
    content = {
        **_selected(item, _OF_REJECTED),
        # MongoDB's words may be among them.
        "reason": discreet(item.reason),
        "detail": discreet(item.detail or "") or None,
        "form": item.form.value,
        **hour,
        "score_above": storable(item.score_above),
        # One answer may hold the same row at two places.
        "revision": _revision(item.observed_at, f"{item.anchor or ''}-{item.place or 0:06d}"),
    }
    return Write(collections.REJECTED, item.key, content, {"first_observed_at": item.observed_at})


def rejected_item(document: Document) -> RejectedItem | None:
    """Return the item that `writes_of` made ``document`` of; None for one of the first release,
    which kept neither the list nor the place."""
    if "form" not in document:
        return None
    hour = document["begin_time"]
    above = document["score_above"]
    return RejectedItem(
        **{name: document[name] for name in _OF_REJECTED},
        form=Form(document["form"]),
        ranked_list=RankedList(**document["list"], begin_time=hour) if hour else None,
        score_above=None if above is None else int(above),
    )


def _hour(ranked_list: RankedList) -> Document:
    return {"list": _selected(ranked_list, LIST_FIELDS), "begin_time": ranked_list.begin_time}


def _selected(record: Item | RankedList, names: Iterable[str]) -> Document:
    return {name: getattr(record, name) for name in names}


def _revision(observed_at: dt.datetime, tie: str) -> str:
    """Return a text that sorts by time, then by ``tie``."""
    return f"{unix_ms(observed_at):0{_REVISION_DIGITS}d}-{tie}"


def _write_of_history(
    collection: str, item: RankItem | UserItem | ListItem, content: Document
) -> Write:
    first = {"first_observed_at": item.observed_at}
    return Write(
        collection, item.history_key, content, first, {"last_observed_at": item.observed_at}
    )


def storable(value: Any, room: int = _MOST_LEVELS) -> Any:
    """Return ``value`` as BSON can hold it everywhere, losing nothing.

    ``%``, ``$``, ``.`` and NUL in keys become ``%25``, ``%24``, ``%2E`` and ``%00``; an integer
    beyond 64 bits becomes its decimal text; and what is nested deeper than ``room`` levels, its
    JSON.
    """
    if not room and isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return {escaped(key): storable(element, room - 1) for key, element in value.items()}
    if isinstance(value, list):
        return [storable(element, room - 1) for element in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def escaped(key: str) -> str:
    """Return ``key`` without the characters that MongoDB's field paths and BSON give a meaning."""
    if not set(key) & set("%$.\0"):
        return key
    for character in "%$.\0":
        key = key.replace(character, f"%{ord(character):02X}")
    return key
