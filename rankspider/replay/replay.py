"""Archived answers through today's code, into a lake of choice."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import islice

from rankspider.archive.reading import Archived, ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.failure import AnswerError
from rankspider.items import ListItem
from rankspider.replay.feed import Feed
from rankspider.replay.runs import Runs

_READ_AHEAD = 32


@dataclass
class Replayed:
    """What a replay came to so far."""

    answers: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Answers that are no list to today's code, by what is wrong with them."""
    judged_anew: int = 0
    """Answers that were a list when they came and are none today, or the other way round."""
    first_observed_at: dt.datetime | None = None
    last_observed_at: dt.datetime | None = None
    stored: dict[str, int] = field(default_factory=dict)
    """Records by kind, as in the stats ``rank/KIND/stored``, and ``rejected``."""
    is_whole: bool = True
    """False if it was stopped; what was replayed until then is durable."""

    def note(self, archived: Archived) -> None:
        self.answers += 1
        self.first_observed_at = self.first_observed_at or archived.observed_at
        self.last_observed_at = archived.observed_at


class Replay:
    """Gives what ``reader`` finds to ``feed``, in the order in which it was observed.

    ``keep_private`` as in the crawl. ``stop`` ends it early; ``progress`` is called with each
    answer.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        feed: Feed,
        *,
        keep_private: bool,
        stop: asyncio.Event,
        progress: Callable[[Replayed], None],
    ) -> None:
        self._reader = reader
        self._feed = feed
        self._keep_private = keep_private
        self._stop = stop
        self._progress = progress
        self._runs = Runs()
        self.replayed = Replayed()

    async def run(self, selection: AnswerFilter) -> Replayed:
        """Return when all of it is durable. Raises what the lake or the reader raises."""
        async for archived in self._answers(selection):
            if self._stop.is_set():
                self.replayed.is_whole = False
                break
            extraction = self._extraction(archived)
            if extraction is not None:
                await self._give(extraction)
            self.replayed.note(archived)
            self._progress(self.replayed)
        for item in self._runs.rest():
            await self._feed.put(item)
        await self._feed.flush()
        return self.replayed

    async def _answers(self, selection: AnswerFilter) -> AsyncIterator[Archived]:
        """Read and decompressed in a thread, some at a time."""
        answers = self._reader.answers(selection)
        while batch := await asyncio.to_thread(lambda: list(islice(answers, _READ_AHEAD))):
            for archived in batch:
                yield archived

    async def _give(self, extraction: Extraction) -> None:
        for item in extraction:
            valid = self._feed.validated(item)
            for needed in self._runs.needed(valid):
                await self._feed.put(needed)
            if isinstance(valid, ListItem):
                sighting = self._feed.store.sight(
                    valid.ranked_list, valid.history_key, valid.observed_at
                )
                await self._feed.begin(sighting)

    def _extraction(self, archived: Archived) -> Extraction | None:
        try:
            answer = decode(archived.body, archived.headers)
        except AnswerError as error:
            name = error.failure.name
            self.replayed.failures[name] = self.replayed.failures.get(name, 0) + 1
            self.replayed.judged_anew += archived.failure is None
            return None
        self.replayed.judged_anew += archived.failure is not None
        return Extraction(
            answer,
            archived.anchor,
            keep_private=self._keep_private,
            is_list_alone=archived.anchor is None,
        )
