"""One collection of the lake, read hour by hour over the index of its time."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from bson import json_util
from gridfs import GridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.database import Database

from rankspider.errors import ExportError
from rankspider.export.tables import Table
from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import END_OF_TIME, HOUR, hour_of

# A document may have 16 MB; most have a few KB. The server sends no more than 16 MB at once.
_BATCH_DOCUMENTS = 1000
_LONGEST_GAP = dt.timedelta(days=10_000)
_OVERLONG = json_util.JSONOptions(tz_aware=True)


def later(time: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """Return ``time`` plus ``span``, or the end of time if that comes first: MongoDB goes beyond
    it."""
    return time + span if time <= END_OF_TIME - span else END_OF_TIME


class Extent(NamedTuple):
    """The size of one hour of a collection, and a sum that tells whether it changed."""

    rows: int
    seen_ms: int
    """From the first to the last observation of each, added up: a later last time, or an earlier
    first one, makes it more."""


NOTHING = Extent(0, 0)


class Source:
    """The documents of ``table``. Times are aware; pymongo's errors pass through."""

    def __init__(self, database: Database[Document], table: Table) -> None:
        self._collection = database[table.collection]
        self._overlong = GridFSBucket(database, collections.OVERLONG)
        self.table = table

    def require_index(self) -> None:
        """Raise `ExportError` if every hour would mean reading the whole collection."""
        indexes = self._collection.index_information().values()
        if indexes and not any(index["key"][0][0] == self.table.time for index in indexes):
            name, time = self.table.collection, self.table.time
            raise ExportError(
                f"{name} has no index on {time}: workers make it when they start, or make it "
                f"yourself, in mongosh: db.{name}.createIndex({{{time}: 1}})"
            )

    def hours(self, begin: dt.datetime | None, end: dt.datetime | None) -> Iterator[dt.datetime]:
        """Yield the hours of [``begin``, ``end``) that hold a document, oldest first.

        It takes one short look-up for each, and a few for a gap, however long it is.
        """
        oldest, newest = self._utmost(1, begin, end), self._utmost(-1, begin, end)
        if oldest is None or newest is None:
            return
        hour, span = hour_of(oldest), HOUR
        while hour <= newest:
            until = min(later(hour, span), later(hour_of(newest), HOUR))
            found = self._utmost(1, hour, until)
            if found is None:
                hour, span = until, min(2 * span, _LONGEST_GAP)
            else:
                yield hour_of(found)
                hour, span = later(hour_of(found), HOUR), HOUR

    def newest_hour(self) -> dt.datetime | None:
        found = self._utmost(-1, None, None)
        return None if found is None else hour_of(found)

    def extent(self, hour: dt.datetime) -> Extent:
        """Return what the lake has of ``hour``."""
        first, last = self.table.seen
        span = {"$subtract": [{"$toLong": f"${last}"}, {"$toLong": f"${first}"}]}
        pipeline: list[Document] = [
            {"$match": self._between(hour, later(hour, HOUR))},
            {"$group": {"_id": None, "rows": {"$sum": 1}, "seen_ms": {"$sum": span}}},
        ]
        with self._collection.aggregate(pipeline) as found:
            return next(
                (Extent(int(each["rows"]), int(each["seen_ms"])) for each in found), NOTHING
            )

    def documents(self, hour: dt.datetime) -> Iterator[Document]:
        """Yield all documents of one hour, whole; no more than a batch of them is in memory."""
        found = self._collection.find(
            self._between(hour, later(hour, HOUR)),
            sort=[(self.table.time, self.table.direction)],
            batch_size=_BATCH_DOCUMENTS,
        )
        with found:
            for document in found:
                yield self._whole(document) if document.get("overlong") else document

    def _utmost(
        self, direction: int, begin: dt.datetime | None, end: dt.datetime | None
    ) -> dt.datetime | None:
        time = self.table.time
        found = self._collection.find_one(
            self._between(begin, end), {"_id": False, time: True}, sort=[(time, direction)]
        )
        return None if found is None else found[time]

    def _between(self, begin: dt.datetime | None, end: dt.datetime | None) -> dict[str, Any]:
        # Of the type of a date, so that what has none stands in no hour instead of the first.
        bounds: dict[str, Any] = {"$gte": begin or dt.datetime.min.replace(tzinfo=dt.UTC)}
        if end is not None:
            bounds["$lt"] = end
        return {self.table.time: bounds}

    def _whole(self, document: Document) -> Document:
        """Return the document with the fields that had no room, and without the note where they
        are."""
        file = document["overlong"]["file"]
        try:
            with self._overlong.open_download_stream(file) as stream:
                fields: Document = json_util.loads(stream.read(), json_options=_OVERLONG)
        except (NoFile, CorruptGridFile):
            raise ExportError(
                f"{self.table.collection} {document['_id']!r}: its overlong fields should be in "
                f"GridFS, as file {file} of {collections.OVERLONG}, and are not"
            ) from None
        return {k: v for k, v in document.items() if k != "overlong"} | fields
