"""What the lake is known to hold, so that nothing is made or written for what says nothing new.

One worker's memory. Correctness does not rest on it: every write is idempotent.
"""

import asyncio
import datetime as dt
import re
from collections import OrderedDict
from dataclasses import dataclass

from rankspider.items import Item, RankItem, UserItem

# About 200 bytes each: some hours of lists of 100, and the profiles behind them.
_MOST_RECORDS = 100_000
# About 4.5 KB each: the rows of some forty states of a list of 100.
_MOST_ROWS = 4000
# The hosts in them change on every call. No JSON string can hold this text: its quotes would
# stand there escaped.
_MIRRORS = re.compile(rb'"url_list"\s*:\s*\[[^\]]*\]')

Place = tuple[str, str]
"""Kind and key of a record."""


@dataclass(slots=True)
class Record:
    """What was written last under one key, and the observations it holds for."""

    digest: str
    first: dt.datetime
    last: dt.datetime
    stored: asyncio.Future[None]
    """Done when the write is durable; holds the error if it failed."""

    @property
    def is_durable(self) -> bool:
        return self.stored.done()


class Known:
    """Looked at before the store, marked after it.

    An identical observation up to ``lag`` newer than what was written says nothing new; a later
    one passes, to move ``observed_at`` on.
    """

    def __init__(self, lag_seconds: float) -> None:
        self._lag = dt.timedelta(seconds=lag_seconds)
        self._records: OrderedDict[Place, Record] = OrderedDict()
        self._rows: OrderedDict[tuple[str, bytes], tuple[tuple[Place, str], ...]] = OrderedDict()

    def covering(self, place: Place, digest: str, observed_at: dt.datetime) -> Record | None:
        """The record, durable or on its way, that says all of this observation."""
        record = self._records.get(place)
        if record is None or record.digest != digest:
            return None
        return record if record.first <= observed_at <= record.last + self._lag else None

    def begin(self, place: Place, digest: str, observed_at: dt.datetime) -> Record:
        """Note that a write begins; the caller resolves ``stored``."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        record = Record(digest, observed_at, observed_at, stored)
        before = self._records.get(place)
        if before is not None and before.last > observed_at:
            return record  # an older observation, late: the newer one stays known
        if before is not None and before.digest == digest and before.is_durable:
            record.first = before.first
        self._records[place] = record
        self._records.move_to_end(place)
        if len(self._records) > _MOST_RECORDS:
            self._records.popitem(last=False)
        return record

    def forget(self, place: Place, record: Record) -> None:
        """Its write failed: the next observation is written."""
        if self._records.get(place) is record:
            del self._records[place]

    def covering_row(
        self, list_key: str, row: bytes, observed_at: dt.datetime
    ) -> list[Record] | None:
        """The two records, durable or on their way, that say all that the listed ``row`` says.

        ``row`` is its JSON: the same bytes, mirrors aside, in the same list make the same two.
        None if there is something new in it.
        """
        places = self._rows.get((list_key, _MIRRORS.sub(b"", row)))
        if places is None:
            return None
        records = [self.covering(place, digest, observed_at) for place, digest in places]
        return [record for record in records if record is not None] if all(records) else None

    def remember_row(self, list_key: str, row: bytes, rank: RankItem, user: UserItem) -> None:
        """Note which two records the listed ``row`` makes."""
        places = ((place_of(rank), rank.digest), (place_of(user), user.digest))
        self._rows[list_key, _MIRRORS.sub(b"", row)] = places
        if len(self._rows) > _MOST_ROWS:
            self._rows.popitem(last=False)


def place_of(item: Item) -> Place:
    return type(item).__name__, item.key
