"""One worker's memory of what it stored, or saw stored by others."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from rankspider.endpoint.mirrors import Text
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


class Bringing:
    """The records that one answer brings to the lake, and whoever waits for all of them."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when all are durable; holds the first error otherwise."""
        self._open = 0

    def add(self) -> None:
        self._open += 1

    def ended(self, error: BaseException | None = None) -> None:
        """One of them is durable, or failed with ``error``."""
        self._open -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
            self.done.exception()  # seen, if nobody waits for it
        elif self._open == 0:
            self.done.set_result(None)


@dataclass(eq=False, slots=True)
class Record:
    """One content of one place. Times are Unix milliseconds by the endpoint's clock."""

    mark: Mark
    trace: Trace | None
    first: int
    last: int
    """The lake's documents hold it for this interval."""
    bringing: Bringing | None = None
    """What it is on its way with; None: it is durable."""
    early: int = 0
    seen: int = 0
    """The oldest and the newest observation; the lake lags if they are beyond the interval."""
    since: int = 0
    until: int = 0
    """Observations from the one to before the other say nothing new."""
    confirmed: int = 0
    """When the fleet was last known to know nothing newer."""
    behind: "Record | None" = None
    """What was seen after it, though what the lake holds of that is older: it is to be widened
    before this one is stored, which would else pass for newer."""

    def __post_init__(self) -> None:
        self.early, self.seen = self.first, self.last
        self.confirmed = self.last

    @property
    def lags(self) -> bool:
        lags = self.seen > self.last or self.early < self.first
        return lags and self.bringing is None and self.trace is not None

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
    text: Text
    """Of its rows."""
    marks: tuple[Mark, ...]
    """Of the list, then of each row's standing and user."""
    user_ids: frozenset[str]
    records: list[Record] = field(default_factory=list)
    """Those of ``marks``, once all were found."""


class Turn:
    """One answer's turn to bring a list that is not known, of those that came with the same."""

    def __init__(self, turns: "dict[object, asyncio.Future[None]]", state: object) -> None:
        self._turns = turns
        self._state = state
        self._mine: asyncio.Future[None] | None = None

    async def is_first(self) -> bool:
        """Whether nobody else was at it; if so, only after `over` will another be.

        If somebody was, return when that is over. Then all go on, come what may: a list that
        nobody can remember must not be brought by one answer after the other.
        """
        ahead = self._turns.get(self._state)
        if ahead is not None:
            await asyncio.wait([ahead])
            return False
        self._mine = self._turns[self._state] = asyncio.get_running_loop().create_future()
        return True

    def over(self) -> None:
        if self._mine is not None and not self._mine.done():
            del self._turns[self._state]
            self._mine.set_result(None)


class Known:
    """Looked at before the store, marked after it.

    An identical observation up to ``lag_seconds`` newer than what was written says nothing new
    (of a whole list, ``list_lag_seconds``); a later one is written, to move the interval on. What
    lags at the end is in `lagging` and `left`.
    """

    def __init__(self, lag_seconds: float, list_lag_seconds: float | None = None) -> None:
        self._lag = round(lag_seconds * 1000)
        lists = lag_seconds if list_lag_seconds is None else list_lag_seconds
        self._list_lag = round(lists * 1000)
        self._records: OrderedDict[Mark, Record] = OrderedDict()
        self._newest: dict[Place, Record] = {}
        self._lists: deque[SeenList] = deque(maxlen=_MOST_LISTS)
        self._turns: dict[object, asyncio.Future[None]] = {}
        self.left: deque[Record] = deque()
        """Superseded or dropped, with documents that lag behind what was seen of them."""
        self._carried: dict[int, Record] = {}
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
        return record.bringing is not None or observed - record.confirmed <= _SURE_MS

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
        if record is not None and record.bringing is None and record.last < last:
            record.until = min(record.until, last)

    def bring(self, item: Item, observed: int, bringing: Bringing) -> Record:
        """Note that ``item`` goes to the lake; end it with `stored` or `forget`."""
        bringing.add()
        mark = mark_of(item)
        record = self._enter(Record(mark, trace_of(item), observed, observed, bringing))
        self._carried[id(item)] = record
        return record

    def is_brought(self, item: Item) -> bool:
        return id(item) in self._carried

    def record_of(self, item: Item) -> Record | None:
        """That of an item on its way, once: whoever has it ends it."""
        return self._carried.pop(id(item), None)

    def adopt(self, mark: Mark, trace: Trace | None, first: int, last: int) -> Record:
        """Note what another worker has stored."""
        return self._enter(Record(mark, trace, first, last))

    def _enter(self, record: Record) -> Record:
        mark, observed = record.mark, record.last
        self.newest_ms = max(self.newest_ms, observed)
        same = self._records.get(mark)
        if same is not None and same.bringing is None:
            record.first, record.last = min(record.first, same.first), max(observed, same.last)
            record.early, record.seen = min(record.first, same.early), max(observed, same.seen)
        self._set_limits(record)
        newest = self._newest.get(mark.place)
        if newest is None or newest.mark == mark or newest.seen <= observed:
            if newest is not None and newest.mark != mark:
                newest.until = min(newest.until, observed)
                record.since = max(record.since, newest.last + 1)
                self._leave(newest)
            self._newest[mark.place] = record
        else:
            # Something newer is known there: this one holds for its own moment.
            record.until = min(record.until, record.last + 1)
            if newest.last < observed:
                record.behind = newest
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
        bringing, record.bringing = record.bringing, None
        record.behind = None
        if bringing is not None:
            bringing.ended()

    def forget(self, record: Record, error: BaseException | None = None) -> None:
        """It was not written: the next observation is. Tells those who wait if that is an error."""
        if self._records.get(record.mark) is record:
            del self._records[record.mark]
        record.until = 0
        if self._newest.get(record.mark.place) is record:
            del self._newest[record.mark.place]
        bringing, record.bringing = record.bringing, None
        if bringing is not None:
            bringing.ended(error)

    def forget_all(self, items: Iterable[Item]) -> None:
        """They will not be stored by whoever was to bring them."""
        for item in items:
            record = self.record_of(item)
            if record is not None:
                self.forget(record, asyncio.CancelledError())

    def _drop(self, record: Record) -> None:
        self._leave(record)
        record.until = 0
        if self._newest.get(record.mark.place) is record:
            del self._newest[record.mark.place]

    def _leave(self, record: Record) -> None:
        if record.lags:
            self.left.append(record)

    # Whole lists

    @property
    def list_texts(self) -> list[Text]:
        """Of the rows of the lists it remembers, the latest first."""
        return [seen.text for seen in self._lists]

    def seen_list(self, list_key: str, frame: str, text: Text) -> SeenList | None:
        """That state of the list, if it was remembered."""
        for seen in self._lists:
            if seen.list_key == list_key and seen.frame == frame and seen.text == text:
                return seen
        return None

    def turn_of(self, list_key: str, frame: str, text: Text) -> Turn:
        return Turn(self._turns, (list_key, frame, text))

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

    def lagging(self) -> list[Record]:
        """Records whose documents lag behind what was seen, but those `left`; the caller widens
        them."""
        return [record for record in self._records.values() if record.lags]

    def count_lagging(self) -> int:
        """How many lag, those `left` included."""
        return len(self.left) + sum(record.lags for record in self._records.values())

    def take_left(self, most: int) -> list[Record]:
        """The first ``most`` of those `left`, less what does not lag any more; the caller widens
        them."""
        taken = [self.left.popleft() for _ in range(min(most, len(self.left)))]
        return [record for record in dict.fromkeys(taken) if record.lags]

    def is_newest(self, record: Record) -> bool:
        """Whether nothing newer is known of its place."""
        return self._newest.get(record.mark.place, record) is record

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
