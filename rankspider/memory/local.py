"""One worker's memory of what it stored, or saw stored by others."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from rankspider.items import Item, ListItem, RejectedItem

# About 1 KB each: the rows of the latest lists, and the anchors asked for within some minutes.
_MOST_RECORDS = 10_000
# Some 350 KB each: answers that left together arrive in any order around a change of the list.
_MOST_LISTS = 3

# Another worker may have stored something else since: so often the fleet's memory is asked.
_SURE_MS = 60_000
_LIST = ListItem.__name__

Place = tuple[str, str]
"""Kind and key of a record."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One record as it was observed: where it belongs, and what it says."""

    place: Place
    fingerprint: bytes
    """Equal only if it says the same, the clock and the mirrors aside."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What must be known of a stored record to widen its interval without its content."""

    history_key: str
    """``_id`` of its document in the history."""
    tie: str
    """The end of its ``revision``."""

    @property
    def digest(self) -> str:
        """Of what it says: 32 hex digits."""
        return self.tie[-32:]


@dataclass(eq=False, slots=True)
class Record:
    """One content of one place. Times are Unix milliseconds by the endpoint's clock."""

    mark: Mark
    trace: Trace | None
    first: int
    last: int
    """The lake's documents hold it for this interval."""
    stored: asyncio.Future[None] | None = None
    """Done when the write is durable, with the error if it failed; None: it is durable."""
    early: int = 0
    seen: int = 0
    """The oldest and the newest observation; the lake lags if they are beyond the interval."""
    since: int = 0
    until: int = 0
    """Observations from the one to before the other say nothing new."""
    confirmed: int = 0
    """When the fleet was last known to know nothing newer."""

    def __post_init__(self) -> None:
        self.early, self.seen = self.first, self.last
        self.confirmed = self.last

    @property
    def lags(self) -> bool:
        lags = self.seen > self.last or self.early < self.first
        return lags and self.stored is None and self.trace is not None

    def covers(self, observed: int) -> bool:
        return self.since <= observed < self.until

    def see(self, observed: int) -> None:
        """Note an observation that it covers."""
        self.early = min(self.early, observed)
        self.seen = max(self.seen, observed)


@dataclass(eq=False, slots=True)
class SeenList:
    """One state of one list, mirrors aside."""

    list_key: str
    frame: str
    """Digest of what the list says beside its rows."""
    state: bytes
    marks: tuple[Mark, ...]
    """Of the list, then of each row's standing and user."""
    user_ids: frozenset[str]
    records: list[Record] = field(default_factory=list)
    """Those of ``marks``, once all were found."""


class Known:
    """Looked at before the store, marked after it.

    An identical observation up to ``lag_seconds`` newer than what was written says nothing new
    (of a whole list, ``list_lag_seconds``); a later one is written, to move the interval on. What
    lags at the end is in `lagging`.
    """

    def __init__(self, lag_seconds: float, list_lag_seconds: float | None = None) -> None:
        self._lag = round(lag_seconds * 1000)
        lists = lag_seconds if list_lag_seconds is None else list_lag_seconds
        self._list_lag = round(lists * 1000)
        self._records: OrderedDict[Mark, Record] = OrderedDict()
        self._newest: dict[Place, Record] = {}
        self._lists: deque[SeenList] = deque(maxlen=_MOST_LISTS)
        self._left: list[Record] = []
        self.newest_ms = 0
        """The newest observation so far."""

    def covering(self, mark: Mark, observed: int) -> Record | None:
        """The record, durable or on its way, that says all of this observation."""
        record = self._records.get(mark)
        if record is None or not record.covers(observed):
            return None
        record.see(observed)
        self.newest_ms = max(self.newest_ms, observed)
        self._records.move_to_end(mark)
        return record

    def is_sure_of(self, mark: Mark, observed: int) -> bool:
        """Whether there is such a record, and nobody can have stored something else since."""
        record = self._records.get(mark)
        if record is None or not record.covers(observed):
            return False
        return record.stored is not None or observed - record.confirmed <= _SURE_MS

    def confirm(self, mark: Mark, observed: int) -> bool:
        """Note that the fleet knows what is known here; False if it is not."""
        record = self._records.get(mark)
        if record is None or not record.covers(observed):
            return False
        record.confirmed = max(record.confirmed, observed)
        return True

    def contradict(self, mark: Mark, last: int) -> None:
        """Another worker stored something else for its place, observed at ``last``."""
        record = self._records.get(mark)
        if record is not None and record.stored is None and record.last < last:
            record.until = min(record.until, last)

    def begin(self, mark: Mark, trace: Trace | None, observed: int) -> Record:
        """Note that a write begins; end it with `stored` or `forget`."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return self._enter(Record(mark, trace, observed, observed, stored))

    def adopt(self, mark: Mark, trace: Trace | None, first: int, last: int) -> Record:
        """Note what another worker has stored."""
        return self._enter(Record(mark, trace, first, last))

    def _enter(self, record: Record) -> Record:
        mark, observed = record.mark, record.last
        self.newest_ms = max(self.newest_ms, observed)
        same = self._records.get(mark)
        if same is not None and same.stored is None:
            record.first, record.last = min(record.first, same.first), max(observed, same.last)
            record.early, record.seen = min(record.first, same.early), max(observed, same.seen)
        self._set_limits(record)
        newest = self._newest.get(mark.place)
        if newest is None or newest.mark == mark or newest.last <= observed:
            if newest is not None and newest.mark != mark:
                newest.until = min(newest.until, observed)
                record.since = max(record.since, newest.last + 1)
                self._leave(newest)
            self._newest[mark.place] = record
        else:
            # Something newer is known there: this one holds for its own moment.
            record.until = min(record.until, record.last + 1)
        if same is not None:
            same.until = 0
        self._records[mark] = record
        self._records.move_to_end(mark)
        if len(self._records) > _MOST_RECORDS:
            self._drop(self._records.popitem(last=False)[1])
        return record

    def _set_limits(self, record: Record) -> None:
        """Answers that left together arrive in any order: an older one is as good as a newer."""
        kind, _ = record.mark.place
        lag = self._list_lag if kind == _LIST else self._lag
        record.since, record.until = record.first - lag, record.last + lag + 1

    def stored(self, record: Record) -> None:
        """Its write is durable."""
        future, record.stored = record.stored, None
        if future is not None and not future.done():
            future.set_result(None)

    def forget(self, record: Record, error: BaseException) -> None:
        """Its write failed: the next observation is written. Tells those who wait for it."""
        if self._records.get(record.mark) is record:
            del self._records[record.mark]
        record.until = 0
        if self._newest.get(record.mark.place) is record:
            del self._newest[record.mark.place]
        if record.stored is not None and not record.stored.done():
            record.stored.set_exception(error)
            record.stored.exception()  # seen, if nobody waits for it

    def _drop(self, record: Record) -> None:
        self._leave(record)
        record.until = 0
        if self._newest.get(record.mark.place) is record:
            del self._newest[record.mark.place]

    def _leave(self, record: Record) -> None:
        if record.lags:
            self._left.append(record)

    # Whole lists

    def seen_list(self, list_key: str, frame: str, state: bytes) -> SeenList | None:
        """That state of the list, if it was remembered."""
        for seen in self._lists:
            if seen.list_key == list_key and seen.frame == frame and seen.state == state:
                return seen
        return None

    def remember_list(self, seen: SeenList) -> None:
        self._lists.appendleft(seen)

    def covering_list(self, seen: SeenList, observed: int) -> list[Record] | None:
        """The records of all its marks, if together they say all of this observation."""
        if len(seen.records) < len(seen.marks):
            found = [self._records.get(mark) for mark in seen.marks]
            seen.records = [record for record in found if record is not None]
            if len(seen.records) < len(found):
                return None
        for record in seen.records:
            if not record.since <= observed < record.until:
                # One of them may have been written anew since.
                seen.records = []
                return None
        for record in seen.records:
            if observed > record.seen:
                record.seen = observed
            elif observed < record.early:
                record.early = observed
        self.newest_ms = max(self.newest_ms, observed)
        return seen.records

    # What lags

    def lagging(self, *, all_of_them: bool) -> list[Record]:
        """Records whose documents lag behind what was seen; the caller widens them.

        Those superseded or dropped since the last call, or ``all_of_them``.
        """
        left, self._left = self._left, []
        if all_of_them:
            left += [record for record in self._records.values() if record.lags]
        return list(dict.fromkeys(left))

    def widened(self, record: Record, early: int, seen: int) -> None:
        """The lake holds ``record`` from ``early`` to ``seen``."""
        record.first, record.last = min(record.first, early), max(record.last, seen)
        if record.until > 0 and self._newest.get(record.mark.place) is record:
            since = record.since
            self._set_limits(record)
            record.since = max(since, record.since)


def mark_of(item: Item) -> Mark:
    """Where ``item`` belongs and what it says."""
    fingerprint = b"" if isinstance(item, RejectedItem) else item.fingerprint
    return Mark((type(item).__name__, item.key), fingerprint or item.digest.encode())


def trace_of(item: Item) -> Trace | None:
    if isinstance(item, RejectedItem):
        return None
    return Trace(item.history_key, item.tie)
