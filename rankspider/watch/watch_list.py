"""The watch list in both places: MongoDB has it for good, Redis has its turns.

Whatever is changed is written to MongoDB first. The revision that Redis notes says which state of
it is there: where it is another than MongoDB's, since a change was interrupted or Redis has lost
its data, `WatchList.mend` brings Redis up to it.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo import ReturnDocument, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from rankspider.lake.collections import META, WATCHED, Document
from rankspider.queue.anchor_queue import MOST_AT_ONCE
from rankspider.watch.terms import AT_MOST, EVERY, Terms
from rankspider.watch.turns import Turns, Watched

_DUPLICATE_KEY = 11000


@dataclass(slots=True)
class Changes:
    """The numbers of anchors that were changed, by the way in which they were."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __iadd__(self, other: "Changes") -> "Changes":
        self.new += other.new
        self.changed += other.changed
        self.unchanged += other.unchanged
        return self


class WatchList:
    """That of the queue ``queue``. Every method raises `pymongo.errors.PyMongoError` or one of
    `REDIS_ERRORS` while a server is away, and may be called again."""

    def __init__(self, database: Database[Document], turns: Turns, queue: str) -> None:
        self._documents = database[WATCHED]
        self._meta = database[META]
        self._queue = queue
        self._id = f"watch {queue}"
        self.turns = turns

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents of the anchors that are watched, in the order in which they came."""
        return iter(self._documents.find({"queue": self._queue}).sort("number"))

    def __len__(self) -> int:
        return self._documents.count_documents({"queue": self._queue})

    @property
    def is_paused(self) -> bool:
        return bool(self._state().get("paused"))

    # Changes

    def add(self, anchors: Mapping[str, Terms], by: str = "person") -> Changes:
        """Watch ``anchors``, the ``sec_uid`` of each with its terms. For one that is watched
        already, what is said of it is changed, and nothing else."""
        changes = Changes()
        with self._change():
            for some in _some(iter(anchors.items())):
                first = self._increase("numbers", len(some)) - len(some)
                updates = [
                    UpdateOne({"_id": self._key(sec_uid)}, _update(terms, new), upsert=True)
                    for number, (sec_uid, terms) in enumerate(some, first)
                    for new in [self._new(sec_uid, number, by)]
                ]
                result = self._write(updates)
                changes.new += result.upserted_count
                changes.changed += result.modified_count
                self._send([sec_uid for sec_uid, _ in some])
        changes.unchanged = len(anchors) - changes.new - changes.changed
        return changes

    def remove(self, sec_uids: Sequence[str]) -> int:
        """Watch them no more; return how many were watched. What is in hand goes on."""
        count = 0
        with self._change():
            for some in _some(iter(sec_uids)):
                keys = {"_id": {"$in": [*map(self._key, some)]}}
                count += self._documents.delete_many(keys).deleted_count
                self.turns.remove(some)
        return count

    def pause(self, sec_uids: Sequence[str], *, is_paused: bool) -> int:
        """Give them no turns, or give them again; return how many that changed."""
        count = 0
        with self._change():
            for some in _some(iter(sec_uids)):
                keys = {"_id": {"$in": [*map(self._key, some)]}}
                paused = {"$set": {"paused": is_paused}}
                count += self._documents.update_many(keys, paused).modified_count
                self._send(some)
        return count

    def pause_all(self, *, is_paused: bool) -> None:
        """Give out no turns at all, or go on."""
        with self._change():
            self._meta.update_one({"_id": self._id}, {"$set": {"paused": is_paused}})
            self.turns.pause(is_paused=is_paused)

    # What MongoDB has and Redis has not

    @property
    def is_in_redis(self) -> bool:
        """Return whether Redis has the watch list as it is."""
        revision = self._state().get("revision", 0)
        return self.turns.is_whole and self.turns.revision == revision

    def mend(self, is_over: Callable[[], bool] = lambda: False) -> int | None:
        """Bring Redis up to what MongoDB has; return how many anchors that is, or None if it
        ``is_over`` before. What Redis knows of an anchor stays."""
        state, count = self._state(), 0
        if not self.turns.is_whole:  # what is left of it would not add up
            self.turns.forget()
        documents = iter(self)
        while some := list(islice(documents, MOST_AT_ONCE)):
            if is_over():
                return None
            self.turns.put([*map(_watched, some)])
            count += len(some)
        for chunk in _some(iter(self.turns)):
            if is_over():
                return None
            self.turns.remove([*set(chunk).difference(self._known(chunk))])
        self.turns.pause(is_paused=bool(state.get("paused")))
        self.turns.note_revision(state.get("revision", 0))
        return count

    def _known(self, sec_uids: Sequence[str]) -> list[str]:
        keys = {"_id": {"$in": [*map(self._key, sec_uids)]}}
        return [each["sec_uid"] for each in self._documents.find(keys, ["sec_uid"])]

    def _send(self, sec_uids: Sequence[str]) -> None:
        keys = {"_id": {"$in": [*map(self._key, sec_uids)]}}
        self.turns.put([_watched(each) for each in self._documents.find(keys)])

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Change both copies while the block runs. The revision rises before it and after it: if it
        is interrupted, or another goes on beside it, Redis has none that MongoDB has."""
        before = self._increase("revision") - 1
        yield
        after = self._increase("revision")
        if after == before + 2 and self.turns.revision == before:
            self.turns.note_revision(after)

    def _increase(self, field: str, by: int = 1) -> int:
        changed = self._meta.find_one_and_update(
            {"_id": self._id},
            {"$inc": {field: by}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert changed is not None  # made, if it was not there
        return int(changed[field])

    def _write(self, updates: list[UpdateOne]) -> Any:
        try:
            return self._documents.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            codes = {each["code"] for each in error.details["writeErrors"]}
            if codes != {_DUPLICATE_KEY}:
                raise
            # Another has just put it there.
            return self._documents.bulk_write(updates, ordered=False)

    def _state(self) -> Document:
        return self._meta.find_one({"_id": self._id}) or {}

    def _key(self, sec_uid: str) -> str:
        return f"{self._queue}/{sec_uid}"

    def _new(self, sec_uid: str, number: int, by: str) -> Document:
        return {
            "queue": self._queue,
            "sec_uid": sec_uid,
            "number": number,
            "by": by,
            "paused": False,
            "added_at": dt.datetime.now(dt.UTC),
        }


def labelled(database: Database[Document], queue: str, label: str) -> list[str]:
    """Return the ``sec_uid`` of the anchors that are watched with ``label``, in the order in which
    they came. On ``queue_number``: ``db.watched.aggregate([{$match: {queue: …}},
    {$match: {label: …}}, {$sort: {number: 1}}])``."""
    pipeline: list[Document] = [
        {"$match": {"queue": queue}},
        {"$match": {"label": label}},
        {"$sort": {"number": 1}},
    ]
    with database[WATCHED].aggregate(pipeline) as found:
        return [each["sec_uid"] for each in found]


def _update(terms: Terms, new: Document) -> Document:
    every = EVERY if terms.every is None else terms.every
    usual = {"every": every, "at_most": max(AT_MOST, every), "steady": False, "label": ""}
    columns = {
        "every": terms.every,
        "at_most": terms.at_most,
        "steady": terms.steady,
        "label": terms.label,
    }
    given = {name: value for name, value in columns.items() if value is not None}
    rest = {name: value for name, value in usual.items() if name not in given}
    return {"$setOnInsert": {**new, **rest}, **({"$set": given} if given else {})}


def _watched(document: Document) -> Watched:
    return Watched(
        document["sec_uid"],
        document["every"],
        max(document["at_most"], document["every"]),
        document["steady"],
        document["number"],
        document["paused"],
    )


def _some(each: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(each, MOST_AT_ONCE)):
        yield some
