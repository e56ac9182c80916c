"""Trying rejected records again: into the lake first, out of the quarantine when durable there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from rankspider.lake.collections import Document
from rankspider.lake.documents import rejected_item, writes_of
from rankspider.lake.pending import WriteRefused
from rankspider.lake.recall import NOTHING_LATER, seen_later
from rankspider.lake.writer import Writer
from rankspider.quarantine.collection import RejectFilter, Rejects
from rankspider.quarantine.reread import StillWrong, items_of

OF_THE_FIRST_RELEASE = (
    "of the first release, which kept neither its list nor its place: ask its anchor again, or "
    "drop it"
)


@dataclass(frozen=True, slots=True)
class RetryResult:
    """What became of one record."""

    id: str
    problem: str | None
    """Why it stays where it is; None if it is stored, or would be."""


class Quarantine:
    """The rejected records of a lake, and the way out of it."""

    def __init__(self, rejects: Rejects, writer: Writer, *, keep_private: bool) -> None:
        self._rejects = rejects
        self._writer = writer
        self._keep_private = keep_private

    async def retry(self, selection: RejectFilter, *, dry_run: bool) -> AsyncIterator[RetryResult]:
        """Try each record of ``selection`` once; ``dry_run`` writes and removes nothing."""
        async for documents in self._rejects.batches(selection):
            tries = [self._try(document, dry_run=dry_run) for document in documents]
            for outcome in await asyncio.gather(*tries):
                yield outcome

    async def _try(self, document: Document, *, dry_run: bool) -> RetryResult:
        try:
            await self._through(document, dry_run=dry_run)
        except (StillWrong, WriteRefused) as error:
            return RetryResult(document["_id"], str(error))
        return RetryResult(document["_id"], None)

    async def _through(self, document: Document, *, dry_run: bool) -> None:
        record = rejected_item(document)
        if record is None:
            raise StillWrong(OF_THE_FIRST_RELEASE)
        items = items_of(record, keep_private=self._keep_private)
        if dry_run:
            return
        # What was seen again since, unchanged, has an older revision than its last observation.
        later = NOTHING_LATER
        if record.ranked_list is not None:
            later = await seen_later(self._rejects.database, record.ranked_list, record.observed_at)
        writes = [
            write for item in items for write in writes_of(item, is_late=later.includes(item))
        ]
        outcomes = await asyncio.gather(*map(self._writer.write, writes), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        await self._rejects.remove(document)
