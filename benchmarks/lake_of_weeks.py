"""A lake of weeks, made in minutes: the simulator's own answers through the spider's own code.

The documents are those that the writes of all these answers would leave behind, put together
here and inserted as they are: the server need not apply a dozen updates to each.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec
from pymongo.database import Database

from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.items import Item, ListItem, RankItem
from rankspider.lake import collections
from rankspider.lake.call import OK, Call, document_of
from rankspider.lake.documents import writes_of
from rankspider.lake.write import Write
from rankspider.simulator.clock import HOUR, Clock, PaceBySeconds, seconds_left
from rankspider.simulator.endpoint import RankEndpoint
from rankspider.simulator.rendered_list import row_end, unlisted_row_end
from rankspider.simulator.world import World

Document = dict[str, Any]
Documents = dict[str, dict[str, Document]]
"""By collection and ``_id``."""

OF_HOURS = (
    *(collections.RANKS, collections.RANK_HISTORY, collections.SNAPSHOTS),
    *(collections.SIGHTINGS, collections.CALLS),
)
"""Whose documents are each of one hour."""

FIRST_HOUR = int(dt.datetime(2026, 1, 4, 16, tzinfo=dt.UTC).timestamp())
# Once in five minutes, and once a minute in the last five.
_SECONDS = (*range(17, 3300, 300), *range(3317, 3600, 60))
_PACE = PaceBySeconds(10)
_EVERY_MISSED = 97
_EVERY_LEFT_EARLY = 50
_BATCH = 1000


def lake_of_hours(world: World, seconds: Sequence[int] | None = None) -> Iterator[Documents]:
    """The documents of one hour after the other; each time with those of all users so far.

    ``seconds``: when to ask in each hour, if not as `seconds_asked` says.
    """
    users: Documents = {collections.USERS: {}, collections.USER_HISTORY: {}}
    for number in count():
        hour: Documents = {}
        asked = seconds_asked(number) if seconds is None else seconds
        items = list(items_of_hour(world, FIRST_HOUR + number * HOUR, asked))
        for item in items:
            for write in writes_of(item):
                into = users if write.collection in users else hour
                fold(into.setdefault(write.collection, {}), write)
        hour[collections.CALLS] = {str(call.id): document_of(call) for call in _calls_of(items)}
        yield hour | users


def seconds_asked(number: int) -> Sequence[int]:
    """When the endpoint is asked; some hours are missed, and others left before their end."""
    if number % _EVERY_MISSED == _EVERY_MISSED - 1:
        return ()
    return _SECONDS[:8] if number % _EVERY_LEFT_EARLY == _EVERY_LEFT_EARLY - 1 else _SECONDS


def items_of_hour(world: World, begin_time: int, seconds: Sequence[int]) -> Iterator[Item]:
    """What the spider makes of the answers at ``seconds`` of an hour.

    Each asks for another anchor. Profiles, which hardly change within an hour, are there once.
    """
    state: ListItem | None = None
    for second in seconds:
        now_ms = (begin_time + second) * 1000
        asked = world.sec_uid((begin_time // HOUR * 31 + second) % world.anchors)
        if state is None:
            for item in _items_of_answer(world, now_ms, asked):
                state = item if isinstance(item, ListItem) else state
                yield item
        else:
            yield from _items_of_state(world, now_ms, asked, state)


def _calls_of(items: Sequence[Item]) -> Iterator[Call]:
    """One for each answer of an hour, in which each asks for another anchor."""
    own = {each.anchor: each for each in items if isinstance(each, RankItem) and _is_own(each)}
    for item in items:
        if isinstance(item, ListItem):
            asked = own.get(item.anchor)
            yield Call(
                anchor=item.anchor,
                user_id=asked and asked.user_id,
                asked_at=item.observed_at,
                milliseconds=200,
                observed_at=item.observed_at,
                purpose="queue",
                outcome=OK,
                status=200,
                bytes=430_000,
                worker="host:1",
                begin_time=item.ranked_list.begin_time,
                list_state=item.history_key,
                standing=asked and asked.history_key,
            )


def _is_own(item: RankItem) -> bool:
    return item.sec_uid == item.anchor


def _items_of_answer(world: World, now_ms: int, asked: str) -> Iterator[Item]:
    endpoint = RankEndpoint(world, Clock(now_ms, speed=0), _PACE)
    answer = decode(endpoint.answer(asked).body(wrapped=False))
    return iter(Extraction(answer, asked, keep_private=False))


def _items_of_state(world: World, now_ms: int, asked: str, like: ListItem) -> Iterator[Item]:
    """The same without the profiles, for which it takes no JSON: a tenth of the time."""
    listing = world.list_at(_PACE.moment(now_ms))
    observed_at = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    yield replace(
        like,
        user_ids=[standing.user_id for standing in listing.standings],
        scores=[standing.score for standing in listing.standings],
        delta_time=seconds_left(listing.moment.begin_time, now_ms),
        observed_at=observed_at,
        anchor=asked,
    )
    own = world.find(asked)
    rows = [(world.anchor(index), True) for index in listing.anchors]
    for anchor, listed in rows if own.index in listing.places else [*rows, (own, False)]:
        standing = listing.standing_of(anchor)
        end = (
            row_end(standing, anchor.shop_tag)
            if listed
            else unlisted_row_end(standing, listing.threshold)
        )
        live = listed or anchor.is_live_unlisted(listing.moment.begin_time)
        yield RankItem(
            **msgspec.json.decode(b"{" + end[1:]),
            ranked_list=like.ranked_list,
            user_id=standing.user_id,
            sec_uid=anchor.sec_uid,
            room_ids=[str(anchor.room_id(listing.moment.begin_time))] if live else [],
            listed=listed,
            observed_at=observed_at,
            anchor=asked,
        )


def fold(documents: dict[str, Document], write: Write) -> None:
    """Do to ``documents`` what `update_of` does to a collection."""
    document = documents.setdefault(write.id, {"_id": write.id})
    if write.content and write.content["revision"] > document.get("revision", ""):
        document |= write.content
    for name, value in write.least.items():
        document[name] = min(document.get(name, value), value)
    for name, value in write.most.items():
        document[name] = max(document.get(name, value), value)
    if write.best_rank is not None:
        ranks = (document.get("best_rank", 0), write.best_rank)
        document["best_rank"] = min(filter(None, ranks), default=0)


def fill(database: Database[Document], world: World, history_rows: int) -> int:
    """Insert whole hours until there are ``history_rows`` documents of history; how many hours."""
    inserted = 0
    for hours, documents in enumerate(lake_of_hours(world), 1):
        for name in OF_HOURS:
            _insert(database, name, documents.get(name, {}))
        inserted += len(documents.get(collections.RANK_HISTORY, {}))
        if inserted >= history_rows:
            for name in (collections.USERS, collections.USER_HISTORY):
                _insert(database, name, documents[name])
            return hours
    raise AssertionError("hours do not end")


def _insert(database: Database[Document], name: str, documents: dict[str, Document]) -> None:
    each = list(documents.values())
    for start in range(0, len(each), _BATCH):
        database[name].insert_many(each[start : start + _BATCH], ordered=False)
