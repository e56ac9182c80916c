"""From items to writes that may come in any order, any number of times, from any worker.

Each write is an upsert under a deterministic ``_id``. What a document says is taken from its
newest observation, told by ``revision``: the time of the observation, then whether the list
itself or the asked anchor's own row said it, then the digest, so that two observations of one
millisecond settle the same way in either order. Firsts, lasts and bests only ever widen.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rankspider.items import (
    Form,
    Item,
    ListItem,
    RankedList,
    RankItem,
    RejectedItem,
    UserItem,
)
from rankspider.lake import collections
from rankspider.lake.write import Document, Write
from rankspider.memory.local import Record

_INT64 = 1 << 63
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# What a document of history has beside what its newest observation says.
_INTERVAL = ("_id", "first_observed_at", "last_observed_at")
# Milliseconds up to the year 10000.
_REVISION_DIGITS = 15


_HISTORIES = {
    RankItem.__name__: (collections.RANKS, collections.RANK_HISTORY),
    UserItem.__name__: (collections.USERS, collections.USER_HISTORY),
    ListItem.__name__: (None, collections.SNAPSHOTS),
}


def writes_of(item: Item) -> Iterator[Write]:
    """What is written to the lake for ``item``."""
    if isinstance(item, RankItem):
        yield from _writes_of_standing(item)
    elif isinstance(item, UserItem):
        yield from _writes_of_user(item)
    elif isinstance(item, ListItem):
        yield _write_of_list(item)
        yield _write_of_sighting(item)
    else:
        yield _write_of_rejected(item)


def steps_of(writes: Iterable[Write]) -> tuple[list[Write], list[Write]]:
    """What of ``writes`` is to be durable first, and what then.

    What a worker that is killed has written of an item is history alone, from which the rest can
    be told: see `rankspider.lake.mending`.
    """
    steps: tuple[list[Write], list[Write]] = [], []
    for write in writes:
        steps[write.collection in collections.DERIVED].append(write)
    return steps


def widenings_of(record: Record, *, is_newest: bool) -> Iterator[Write]:
    """What moves the documents of ``record`` on to its oldest and newest observations.

    ``is_newest``: whether it is what its place says now.
    """
    kind, key = record.mark.place
    newest, history = _HISTORIES[kind]
    assert record.trace is not None
    early, seen = (_EPOCH + dt.timedelta(milliseconds=ms) for ms in (record.early, record.seen))
    tie = record.trace.tie
    least, again = {"first_observed_at": early}, {"revision": _revision(seen, tie)}
    last = {"last_observed_at": seen}
    yield Write(history, record.trace.history_key, again, least, last, tie=tie)
    if newest is not None and is_newest:
        yield Write(newest, key, {**again, "observed_at": seen}, least, tie=tie)
    elif newest is not None and record.early < record.first:
        yield Write(newest, key, None, least)


def is_history(write: Write) -> bool:
    return any(write.collection == history for _, history in _HISTORIES.values())


def seen_throughout(write: Write, record: Record, early_ms: int, seen_ms: int) -> Write:
    """``write``, one of those of the item of ``record``, joined with what was seen of that from
    ``early_ms`` to ``seen_ms``."""
    kind, _ = record.mark.place
    newest, history = _HISTORIES[kind]
    if write.collection not in (newest, history):
        return write
    assert record.trace is not None
    assert write.content is not None
    early, seen = (_EPOCH + dt.timedelta(milliseconds=ms) for ms in (early_ms, seen_ms))
    content = {**write.content, "revision": _revision(seen, record.trace.tie)}
    if write.collection == newest:
        content["observed_at"] = seen
    most = {**write.most, "last_observed_at": seen} if write.collection == history else write.most
    return replace(write, content=content, least={"first_observed_at": early}, most=most)


def standing_now(history: Document, write: Write) -> Write:
    """``write``, of bounds, with what ``history`` says, a document of `rank_history` or
    `user_history`."""
    content = {name: value for name, value in history.items() if name not in _INTERVAL}
    moment = int(history["revision"][:_REVISION_DIGITS])
    content["observed_at"] = _EPOCH + dt.timedelta(milliseconds=moment)
    return replace(write, content=content)


def first_sighting(snapshot: Document) -> Write:
    """Of the state that ``snapshot`` holds."""
    key, _, state = snapshot["_id"].rpartition("/")
    observed = snapshot["first_observed_at"]
    revision = _revision(observed, snapshot["revision"][_REVISION_DIGITS + 1 :])
    hour = {"list": snapshot["list"], "begin_time": snapshot["begin_time"]}
    return _sighting(key, state, hour, observed, revision)


def _writes_of_standing(item: RankItem) -> Iterator[Write]:
    standing = {
        **_hour(item.ranked_list),
        "user_id": item.user_id,
        "sec_uid": item.sec_uid,
        "rank": item.rank,
        "score": item.score,
        "delta": item.delta,
        "gap_description": item.gap_description,
        "gap_rich_description": item.gap_rich_description,
        "rich_description": item.rich_description,
        "city_code": item.city_code,
        "fixed_footer_description": item.fixed_footer_description,
        "shop_tags": item.shop_tags,
        "room_id": item.room_ids[0] if item.room_ids else None,
        "room_ids": item.room_ids,
        "listed": item.listed,
        "flags": item.flags,
        "other_fields": storable(item.other_fields),
        "revision": _revision(item.observed_at, item.tie),
    }
    yield Write(
        collections.RANKS,
        item.key,
        {**standing, "observed_at": item.observed_at},
        least={"first_observed_at": item.observed_at},
        most={"peak_score": item.score},
        best_rank=item.rank,
    )
    yield _write_of_history(collections.RANK_HISTORY, item, standing)


def _writes_of_user(item: UserItem) -> Iterator[Write]:
    user = {
        "user_id": item.user_id,
        "sec_uid": item.sec_uid,
        "short_id": item.short_id,
        "display_id": item.display_id,
        "nickname": item.nickname,
        "gender": item.gender,
        "signature": item.signature,
        "avatar_uri": item.avatar_uri,
        "profile": storable(item.profile),
        "revision": _revision(item.observed_at, item.digest),
    }
    newest = {**user, "observed_at": item.observed_at}
    yield Write(collections.USERS, item.key, newest, {"first_observed_at": item.observed_at})
    yield _write_of_history(collections.USER_HISTORY, item, user)


def _write_of_list(item: ListItem) -> Write:
    state = {
        **_hour(item.ranked_list),
        "user_ids": item.user_ids,
        "scores": item.scores,
        "delta_time": item.delta_time,
        "flags": item.flags,
        "other_fields": storable(item.other_fields),
        "revision": _revision(item.observed_at, item.digest),
    }
    return _write_of_history(collections.SNAPSHOTS, item, state)


def _write_of_sighting(item: ListItem) -> Write:
    revision = _revision(item.observed_at, item.digest)
    return _sighting(item.key, item.state, _hour(item.ranked_list), item.observed_at, revision)


def _sighting(
    key: str, state: str, hour: Document, observed_at: dt.datetime, revision: str
) -> Write:
    content = {
        **hour,
        "state": f"{key}/{state}",
        "observed_at": observed_at,
        "revision": revision,
    }
    moment = revision[:_REVISION_DIGITS]
    return Write(collections.SIGHTINGS, f"{key}/{moment}-{state}", content, {})


def _write_of_rejected(item: RejectedItem) -> Write:
    hour = _hour(item.ranked_list) if item.ranked_list else {"list": None, "begin_time": None}
    content = {
        "kind": item.kind,
        "reason": item.reason,
        "detail": item.detail,
        "payload": item.payload,
        "form": item.form.value,
        **hour,
        "place": item.place,
        "times": item.times,
        "score_above": storable(item.score_above),
        "anchor": item.anchor,
        "observed_at": item.observed_at,
        # One answer may hold the same row at two places.
        "revision": _revision(item.observed_at, f"{item.anchor or ''}-{item.place or 0:06d}"),
    }
    return Write(collections.REJECTED, item.key, content, {"first_observed_at": item.observed_at})


def rejected_item(document: Document) -> RejectedItem | None:
    """What `writes_of` made ``document`` of; None for one of the first release, which kept
    neither the list nor the place."""
    if "form" not in document:
        return None
    hour = document["begin_time"]
    above = document["score_above"]
    return RejectedItem(
        kind=document["kind"],
        reason=document["reason"],
        payload=document["payload"],
        anchor=document["anchor"],
        observed_at=document["observed_at"],
        form=Form(document["form"]),
        ranked_list=RankedList(**document["list"], begin_time=hour) if hour else None,
        place=document["place"],
        times=document["times"],
        score_above=None if above is None else int(above),
        detail=document["detail"],
    )


def _hour(ranked_list: RankedList) -> Document:
    return {
        "list": {
            "currency": ranked_list.currency,
            "title": ranked_list.title,
            "subtitle": ranked_list.subtitle,
            "city_code": ranked_list.city_code,
            "region_name": ranked_list.region_name,
        },
        "begin_time": ranked_list.begin_time,
    }


def _revision(observed_at: dt.datetime, tie: str) -> str:
    """Sorts as text by time, then by ``tie``."""
    return f"{round(observed_at.timestamp() * 1000):0{_REVISION_DIGITS}d}-{tie}"


def _write_of_history(
    collection: str, item: RankItem | UserItem | ListItem, content: Document
) -> Write:
    first = {"first_observed_at": item.observed_at}
    return Write(
        collection, item.history_key, content, first, {"last_observed_at": item.observed_at}
    )


def storable(value: Any) -> Any:
    """``value`` as BSON can hold it everywhere, losing nothing.

    ``%``, ``$``, ``.`` and NUL in keys become ``%25``, ``%24``, ``%2E`` and ``%00``; an integer
    beyond 64 bits becomes its decimal text.
    """
    if isinstance(value, dict):
        return {escaped(key): storable(element) for key, element in value.items()}
    if isinstance(value, list):
        return [storable(element) for element in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def escaped(key: str) -> str:
    """A key without the characters that MongoDB's field paths and BSON give a meaning."""
    if not set(key) & set("%$.\0"):
        return key
    for character in "%$.\0":
        key = key.replace(character, f"%{ord(character):02X}")
    return key
