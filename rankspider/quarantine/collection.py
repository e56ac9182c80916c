"""The quarantine, read and cleared: groups, records, and what becomes of them."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.lake.collections import REJECTED, Document
from rankspider.lake.overlong import whole

# Some are whole lists, of half a megabyte.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which records are meant; with nothing said, all of them."""

    ids: Sequence[str] = ()
    reason: str | None = None
    anchor: str | None = None
    """The ``sec_uid`` that was asked for."""

    @property
    def query(self) -> Document:
        query: Document = {"_id": {"$in": list(self.ids)}} if self.ids else {}
        for name, value in (("reason", self.reason), ("anchor", self.anchor)):
            if value is not None:
                query[name] = value
        return query


@dataclass(frozen=True, slots=True)
class Group:
    """The records that were rejected for one reason."""

    reason: str
    kinds: list[str]
    count: int
    newest: dt.datetime


class Rejects:
    """The collection ``rejected`` of one lake."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self.database = database
        self._collection = database[REJECTED]

    async def groups(self, limit: int) -> list[Group]:
        """Return the groups by reason, the most frequent first, not more than ``limit``."""
        group = {
            "_id": "$reason",
            "kinds": {"$addToSet": "$kind"},
            "count": {"$sum": 1},
            "newest": {"$max": "$observed_at"},
        }
        order = {"count": -1, "_id": 1}
        pipeline: list[Document] = [{"$group": group}, {"$sort": order}, {"$limit": limit}]
        return [
            Group(each["_id"] or "", sorted(each["kinds"]), each["count"], each["newest"])
            async for each in await self._collection.aggregate(pipeline)
        ]

    async def newest(self, selection: RejectFilter, limit: int) -> list[Document]:
        """Return the newest records first, without their payload."""
        fields = {"payload": False}
        found = self._collection.find(selection.query, fields, sort=[("observed_at", -1)])
        return await found.limit(limit).to_list()

    async def one(self, id_: str) -> Document | None:
        """Return a record with its payload, however long."""
        document = await self._collection.find_one({"_id": id_})
        return None if document is None else await whole(self.database, document)

    async def batches(self, selection: RejectFilter) -> AsyncIterator[list[Document]]:
        """Yield the records that were there at the beginning, with their payloads."""
        ids = [each["_id"] async for each in self._collection.find(selection.query, ["_id"])]
        for start in range(0, len(ids), _AT_ONCE):
            some = {"_id": {"$in": ids[start : start + _AT_ONCE]}}
            found = await self._collection.find(some).to_list()
            yield [await whole(self.database, document) for document in found]

    async def missing(self, ids: Iterable[str]) -> list[str]:
        wanted = list(dict.fromkeys(ids))
        found = self._collection.find({"_id": {"$in": wanted}}, ["_id"])
        there = {each["_id"] async for each in found}
        return [id_ for id_ in wanted if id_ not in there]

    async def remove(self, document: Document) -> None:
        """Remove the record, unless it was rejected once more in the meantime."""
        same = {"_id": document["_id"], "revision": document["revision"]}
        await self._collection.delete_one(same)

    async def drop(self, selection: RejectFilter) -> int:
        """Delete the records; return how many there were."""
        return (await self._collection.delete_many(selection.query)).deleted_count
