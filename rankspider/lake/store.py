"""Bring items and calls to the lake: whatever this returns from is durable on a majority."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Mapping

from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from rankspider.connections.mongo import LONG_SECONDS, connect
from rankspider.connections.mongo_errors import is_away, is_away_at_start, server_message
from rankspider.endpoint.validation import rejected
from rankspider.errors import ServiceUnavailable
from rankspider.items import Item, RankedList, RejectedItem
from rankspider.lake import collections
from rankspider.lake.call import Call, document_of
from rankspider.lake.collections import Document
from rankspider.lake.documents import seen_until, sighting_of, steps_of, writes_of
from rankspider.lake.opening import open_lake
from rankspider.lake.pending import WriteRefused
from rankspider.lake.presence import LakeReplaced, collection_ids, identity_of, names_of
from rankspider.lake.recall import SeenLater, seen_later
from rankspider.lake.repair import repair_lake
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer
from rankspider.moments import HOUR, moment_of, unix_ms
from rankspider.tasks import Turnstile

logger = logging.getLogger(__name__)

# Fewer, larger batches cost the worker and the server less; and what follows from histories is
# written again with each state of a list, of which those that wait together are written once.
_PAUSE_SECONDS = 0.2
_JOINING_PAUSE_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""How often a worker sees whether its lake is there, however idle it is."""
_APART_SECONDS = 0.2
"""How far apart it looks, however many anchors wait to be acknowledged: each waits for it."""
_ALL_HAVE_LOOKED_SECONDS = 2 * LOOK_SECONDS


class Store:
    """One lake. ``retention`` is in days by collection; ``is_all_there``: whether nothing more will
    come before what waits is durable."""

    def __init__(
        self,
        uri: str,
        database: str,
        retention: Mapping[str, int],
        *,
        is_all_there: Callable[[], bool] = lambda: False,
        on_replaced: Callable[[], None] = lambda: None,
    ) -> None:
        """Name the lake, and connect later. ``on_replaced`` is called when the lake was dropped,
        and is there anew: what was remembered of it counts for nothing."""
        self._uri = uri
        self._name = database
        self._retention = retention
        self._is_all_there = is_all_there
        self._on_replaced = on_replaced
        self._ids: dict[str, str] = {}
        self._turnstile = Turnstile(_APART_SECONDS, is_all_there)
        self._generation = 0
        self._is_whole = asyncio.Event()

    async def open(self, *, has_archive: bool = False) -> None:
        """Connect, and bring the lake up to this version. Raises `RankspiderError`."""
        # The client belongs to the running loop, so it is made here.
        self._client = connect(self._uri)
        self._database = database = _in(self._client, self._name)
        self._writer = Writer(
            database,
            is_all_there=self._is_all_there,
            least_pause=_least_pause,
            looks_apart=_APART_SECONDS,
        )
        self._names = names_of(has_archive=has_archive)
        await self._bring_up(is_away_at_start)
        self._is_whole.set()

    async def _bring_up(self, waits_for: Callable[[Exception], bool]) -> None:
        has_archive = collections.ARCHIVE in self._names
        try:
            # An index of a large collection takes long; no write waits for its answer meanwhile.
            async with connect(self._uri, answers_within=LONG_SECONDS) as client:
                lake = _in(client, self._name)
                await self._writer.patiently(
                    lambda: open_lake(lake, self._retention, has_archive=has_archive), waits_for
                )
            self._ids = await self._present()
        except PyMongoError as error:
            raise ServiceUnavailable(
                f"{self._name} cannot be opened: {server_message(error)}"
            ) from None

    async def _present(self) -> dict[str, str]:
        return await self._writer.patiently(lambda: collection_ids(self._database, self._names))

    @property
    def identity(self) -> str:
        """Return what tells this lake from others, once it is open."""
        return identity_of(self._ids)

    async def look(self) -> None:
        """See whether this is the lake that was opened. Of one that was dropped, or lost a
        collection, what is missing is made anew. Raises `RankspiderError` if that cannot be."""
        await self._turnstile.passed(self._look)

    async def _look(self) -> None:
        present = await self._present()
        gone = [name for name in self._names if self._ids.get(name) != present.get(name, "")]
        if not gone:
            return
        logger.warning(
            "%s of the database %s: dropped under this worker. Made anew, and what was remembered "
            "of them is forgotten; anchors in hand are asked again",
            ", ".join(gone),
            self._name,
        )
        self._is_whole.clear()
        try:
            await self._bring_up(is_away)
            self._generation += 1  # in one step: what is judged from now on is judged anew
            self._on_replaced()
        finally:
            self._is_whole.set()
        if not {*gone}.isdisjoint(collections.DERIVED):
            await self.repair_lake()

    async def generation(self) -> int:
        """Return how often the lake was replaced since it was opened; not told while it is being
        made anew."""
        await self._is_whole.wait()
        return self._generation

    async def write(self, *writes: Write) -> None:
        """Return when ``writes``, which are no records, are durable: those of the archive."""
        await self._writer.write(*writes)

    @property
    def is_away(self) -> bool:
        """Return whether MongoDB cannot be reached or takes no writes of some collection, which
        wait."""
        return self._writer.is_away

    async def put(
        self, item: Item, *, is_late: bool = False, stay: tuple[str, int, bool] | None = None
    ) -> RejectedItem | None:
        """Return when ``item`` is durable, or what stands for it in the quarantine, since MongoDB
        cannot hold it.

        ``is_late``: something newer of its place is stored. ``stay``: another content of that, by
        the end of its id in the history, until when (Unix ms) it was seen, and whether it is the
        newest there.
        """
        first, then = steps_of(writes_of(item, is_late=is_late))
        if stay is not None:
            suffix, until, is_newest = stay
            first += seen_until(item, suffix, moment_of(until), is_newest=is_newest)
        try:
            await self._writer.write(*first, then=then)
        except WriteRefused as refused:
            if isinstance(item, RejectedItem):
                raise
            record = rejected(item, "MongoDB refused it")
            record.detail = str(refused)
            await self._writer.write(*writes_of(record))
            return record
        return None

    async def note(
        self,
        call: Call,
        ranked_list: RankedList | None = None,
        *,
        generation: int | None = None,
    ) -> None:
        """Return when ``call`` is on record, with the sighting of the state of ``ranked_list`` that
        it brought. All that it refers to must be durable.

        ``generation``: of the lake, before it was asked what it does not hold of the answer. Raises
        `LakeReplaced` if it is another now.
        """
        document, first = document_of(call), []
        if call.list_state is not None and ranked_list is not None:
            assert call.observed_at is not None  # an answer has a clock
            first.append(sighting_of(ranked_list, call.list_state, call.observed_at))
        # Last of all: whatever a call refers to is there.
        noted = Write(collections.CALLS, document.pop("_id"), document, {})
        await self._require(generation)
        await self._writer.write(*first, then=[noted])
        await self._require(generation)

    async def _require(self, generation: int | None) -> None:
        if generation is None:
            return
        await self.look()
        if generation != self._generation:
            # Whoever gets the anchor must not ask it for a lake that is gone.
            await asyncio.sleep(_ALL_HAVE_LOOKED_SECONDS)
            raise LakeReplaced

    async def sight(self, ranked_list: RankedList, state: str, observed_at: dt.datetime) -> None:
        """Note the sighting by itself, for whoever makes no calls."""
        await self._writer.write(sighting_of(ranked_list, state, observed_at))

    async def repair_lake(self) -> int:
        """Make the lake whole after a worker was cut off; return how many documents were behind
        their history."""
        return await self._writer.patiently(lambda: repair_lake(self._database, self._writer))

    async def newest_observation(self, start_ms: int, end_ms: int) -> int:
        """Return the newest observation (Unix ms) among the calls on record from ``start_ms`` to
        before ``end_ms``; 0 if there is none."""
        start, end = moment_of(start_ms), moment_of(end_ms)
        # An answer of a stale cache is of an hour before.
        hours = {"$in": [start, start - HOUR]}
        query = {"begin_time": hours, "observed_at": {"$gte": start, "$lt": end}}
        calls = self._database[collections.CALLS]
        newest = await self._writer.patiently(
            lambda: calls.find_one(query, ["observed_at"], sort=[("observed_at", -1)])
        )
        return 0 if newest is None else unix_ms(newest["observed_at"])

    async def seen_later(self, ranked_list: RankedList, moment: dt.datetime) -> SeenLater:
        return await self._writer.patiently(lambda: seen_later(self._database, ranked_list, moment))

    async def close(self) -> None:
        """See through what waits."""
        await self._writer.close()
        await self._client.close()


def _in(client: AsyncMongoClient[Document], name: str) -> AsyncDatabase[Document]:
    """Return the database, read from its primary: what a worker reads decides what it writes, and a
    secondary may lag behind, whatever the URI says of reads."""
    return client.get_database(name, read_preference=ReadPreference.PRIMARY)


def _least_pause(collection: str) -> float:
    if collection in collections.OF_THE_ARCHIVE:
        return 0  # no record of the answer leaves before it is there
    return _JOINING_PAUSE_SECONDS if collection in collections.DERIVED else _PAUSE_SECONDS
