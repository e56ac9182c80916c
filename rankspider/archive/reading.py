"""Read archived answers back, byte for byte."""

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from rankspider.archive.answers import key_of
from rankspider.archive.compression import Base, digest_of_body, restored
from rankspider.archive.selection import AnswerFilter
from rankspider.errors import ArchiveDamaged
from rankspider.lake import collections
from rankspider.lake.collections import Document

# One a worker and list at a time; each takes a few MB of memory.
_MOST_BASES = 16
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Archived:
    """An archived answer and what is known about it."""

    body: bytes
    anchor: str | None
    observed_at: dt.datetime
    begin_time: dt.datetime | None
    """None if there was no list in it."""
    ranked_list: dict[str, str] | None
    failure: str | None
    """What was wrong with it when it came."""
    headers: dict[str, str]
    """Those that can make it a failure."""


class ArchiveReader:
    """Reads the archive of one lake, and remembers the bases that were needed last."""

    def __init__(self, database: Database[Document]) -> None:
        self._archive = database[collections.ARCHIVE]
        self._blobs = database[collections.ARCHIVE_BASES]
        self._bases: OrderedDict[str, Base] = OrderedDict()

    def count(self, selection: AnswerFilter) -> int:
        return self._archive.count_documents(selection.filter())

    def answers(self, selection: AnswerFilter) -> Iterator[Archived]:
        """Yield the answers in the order in which they were observed. Raises `ArchiveDamaged`."""
        # Page by page: MongoDB ends a cursor that stands still for ten minutes, as during an outage
        # of the lake that is written to.
        wanted = selection.filter()
        while page := list(self._archive.find(wanted).sort("observed_at", ASCENDING).limit(_PAGE)):
            yield from map(self._archived, page)
            last = page[-1]["observed_at"]
            wanted["_id"] = {"$nin": self._read_at(last, page, wanted)}
            wanted["observed_at"] = {**wanted.get("observed_at", {}), "$gte": last}

    @staticmethod
    def _read_at(moment: dt.datetime, page: list[Document], wanted: Document) -> list[str]:
        """Return the answers on ``page`` of ``moment``, and on the pages before it."""
        ids = [each["_id"] for each in page if each["observed_at"] == moment]
        goes_on = wanted.get("observed_at", {}).get("$gte") == moment
        return ids + (wanted["_id"]["$nin"] if goes_on and "_id" in wanted else [])

    def newest(self, selection: AnswerFilter) -> Archived | None:
        """Return the answer that was observed last. Raises `ArchiveDamaged`."""
        newest = [("observed_at", DESCENDING)]
        document = self._archive.find_one(selection.filter(), sort=newest)
        return self._archived(document) if document else None

    def _archived(self, document: Document) -> Archived:
        body = self._body(document)
        if key_of(digest_of_body(body), document["anchor"]) != document["_id"]:
            raise ArchiveDamaged(f"{_name(document)} has changed since it was archived")
        return Archived(
            body=body,
            anchor=document["anchor"],
            observed_at=document["observed_at"],
            begin_time=document["begin_time"],
            ranked_list=document["list"],
            failure=document["failure"],
            headers=document["headers"],
        )

    def _body(self, document: Document) -> bytes:
        pieces = [document["data"], *(self._blob(each, document) for each in document["further"])]
        base = None if document["base"] is None else self._base(document["base"], document)
        return restored(b"".join(pieces), base)

    def _base(self, digest: str, document: Document) -> Base:
        if digest not in self._bases:
            self._bases[digest] = Base(restored(self._blob(digest, document), None))
            if len(self._bases) > _MOST_BASES:
                self._bases.popitem(last=False)
        self._bases.move_to_end(digest)
        return self._bases[digest]

    def _blob(self, digest: str, document: Document) -> bytes:
        found = self._blobs.find_one({"_id": digest}, ["data"])
        if found is None:
            raise ArchiveDamaged(
                f"{_name(document)} cannot be restored: {collections.ARCHIVE_BASES} lacks {digest}"
            )
        data: bytes = found["data"]
        return data


def _name(document: Document) -> str:
    observed_at = document["observed_at"].isoformat(timespec="milliseconds")
    return f"the archived answer {document['_id']} of {observed_at}"
