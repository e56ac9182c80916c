"""Store answers in the archive: compressed against an earlier one, and durable.

A document of `archive` may name a base, which is durable before it and outlives it: a base lives a
day longer than an answer of the same moment, and serves no longer than some hours.
"""

import asyncio
import datetime as dt
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.compression import Base, compressed, digest_of_body
from rankspider.lake import collections
from rankspider.lake.write import Write

FOREVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When a document with no age limit expires; a date, so that of two the later can be told."""
_LONGEST_DAYS = 365 * 1000

_LONGEST_SERVICE = dt.timedelta(hours=6)
_LONGER_LIFE = dt.timedelta(days=1)
# Lists asked at one time; a base takes a few MB of memory.
_MOST_BASES = 4
_LARGEST_BASE_BYTES = 4 * 1024 * 1024
_FRESH_COPIES = 8
# Of what a document holds; MongoDB's limit is 16 MiB.
_PIECE_BYTES = 8 * 1024 * 1024

WriteDurably = Callable[[Write], Awaitable[None]]


@dataclass
class _Serving:
    """A base in use, with the figures that tell whether it still pays."""

    base: Base
    digest: str
    cost: int
    """Bytes of it."""
    until: dt.datetime
    durable: asyncio.Future[None]
    copies: int = 0
    fresh: float = 0.0
    """Mean bytes of the first copies."""
    excess: float = 0.0
    """Bytes that later copies took more than those."""

    def note(self, size: int) -> None:
        """Note that a copy took ``size`` bytes."""
        if self.copies < _FRESH_COPIES:
            self.copies += 1
            self.fresh += (size - self.fresh) / self.copies
        # A base that was far off from the start, as an empty list is, must not set the measure.
        self.excess = max(0.0, self.excess + size - min(self.fresh, self.cost / 2))

    def is_worn(self, now: dt.datetime) -> bool:
        """Return whether answers have moved so far away that a new base would have paid by now."""
        return self.excess >= self.cost or now >= self.until


class Archive:
    """Keeps answers. ``write`` returns when its write is durable; ``days`` 0 means for ever."""

    def __init__(self, write: WriteDurably, days: float) -> None:
        self._write = write
        self._life = dt.timedelta(days=days) if 0 < days <= _LONGEST_DAYS else None
        self._bases: OrderedDict[str, _Serving] = OrderedDict()

    async def keep(self, item: AnswerToArchive) -> None:
        """Return when ``item`` can be had back whatever happens.

        Raises what ``write`` raises, and `ArchiveDamaged` if zstd fails.
        """
        now = dt.datetime.now(dt.UTC)
        serving = self._serving(item, now)
        if serving is None:
            base, data = None, compressed(item.body)
        else:
            base, data = serving.digest, serving.base.compressed(item.body)
            if item.digest != base:  # the base itself, again, takes next to nothing
                serving.note(len(data))
            await asyncio.shield(serving.durable)
        pieces = [data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES)]
        further = [self._blob(digest_of_body(piece), piece, now, {}) for piece in pieces[1:]]
        await asyncio.gather(*(self._write(write) for write in further))
        content = {
            **_described(item),
            "base": base,
            "data": pieces[0],
            "further": [write.id for write in further],
            "stored": len(data),
            "expires_at": self._expiry(now),
            # The newest says how long it is kept, and by which base.
            "revision": f"{round(now.timestamp() * 1000):015d}",
        }
        first = {"first_observed_at": item.observed_at}
        await self._write(Write(collections.ARCHIVE, item.key, content, first))

    def _serving(self, item: AnswerToArchive, now: dt.datetime) -> _Serving | None:
        """Return the base for this answer: a new one if there is none, or none that is near
        enough."""
        if item.ranked_list is None or len(item.body) > _LARGEST_BASE_BYTES:
            return None
        place = item.ranked_list.key
        serving = self._bases.get(place)
        if serving is None or serving.is_worn(now) or _has_failed(serving.durable):
            serving = self._bases[place] = self._begun(item, now)
            if len(self._bases) > _MOST_BASES:
                self._bases.popitem(last=False)
        self._bases.move_to_end(place)
        return serving

    def _begun(self, item: AnswerToArchive, now: dt.datetime) -> _Serving:
        assert item.ranked_list is not None
        base, data = Base(item.body), compressed(item.body)
        write = self._blob(item.digest, data, now, {"begin_time": item.ranked_list.begin_time})
        durable = asyncio.ensure_future(self._write(write))
        return _Serving(base, item.digest, len(data), now + _LONGEST_SERVICE, durable)

    def _blob(self, digest: str, data: bytes, now: dt.datetime, about: dict[str, Any]) -> Write:
        """Return the write of ``data``. The same bytes are the same document, which lives as long
        as anyone needs it."""
        content = {**about, "data": data, "stored": len(data), "revision": "0"}
        expiry = self._expiry(now, longer=_LONGER_LIFE)
        return Write(collections.ARCHIVE_BASES, digest, content, {}, {"expires_at": expiry})

    def _expiry(self, now: dt.datetime, longer: dt.timedelta = dt.timedelta()) -> dt.datetime:
        if self._life is None or self._life + longer >= FOREVER - now:
            return FOREVER
        return now + self._life + longer


def _described(item: AnswerToArchive) -> dict[str, Any]:
    """Return the fields by which an answer is found."""
    identity = asdict(item.ranked_list) if item.ranked_list else None
    return {
        "anchor": item.anchor,
        "observed_at": item.observed_at,
        "begin_time": identity.pop("begin_time") if identity else None,
        "list": identity,
        "failure": item.failure,
        "headers": item.headers,
        "length": len(item.body),
    }


def _has_failed(durable: "asyncio.Future[None]") -> bool:
    return durable.done() and (durable.cancelled() or durable.exception() is not None)
