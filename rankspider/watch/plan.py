"""Work out what the watch list costs: calls and money, before they are paid for."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rankspider.lake.collections import Document
from rankspider.report import column
from rankspider.watch.standing import PAUSED, STATES
from rankspider.watch.turns import Turn

_TO_BE_ADDED, _TOTAL = "to be added", "in all"
_LIST, _CLOSINGS = "looks at the list", "hours' ends"
# Before an hour's end, and as a rule after it: see turns.lua.
_LOOKS_AN_HOUR = 6
_HOUR_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """The cost of one part of the watch list, and last of all of it."""

    part: str = column("")
    anchors: int | None
    calls_per_hour: float = column("calls/h")
    """As things stand."""
    least_per_hour: float = column("at least")
    """While nobody is on the air."""
    most_per_hour: float = column("at most")
    """While everybody is, and nobody on the list."""
    calls_per_day: int = column("calls/day")
    price_per_day: float | None = column("price/day")
    """By RANK_PRICE_PER_CALL; None: that is not set."""
    most_price_per_day: float | None = column("at most")


@dataclass(slots=True)
class _Cost:
    """A cost in calls an hour."""

    anchors: int = 0
    now: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def add(self, now: float, least: float, most: float) -> None:
        self.anchors += 1
        self.now += now
        self.least += least
        self.most += most

    def __iadd__(self, other: "_Cost") -> "_Cost":
        self.anchors += other.anchors
        self.now += other.now
        self.least += other.least
        self.most += other.most
        return self


@dataclass(slots=True)
class Plan:
    """The costs of anchors, counted one by one."""

    price_per_call: float
    """0: not known."""
    list_every: float
    """Seconds after which the list is looked at; 0: never."""
    has_closings: bool
    _costs: dict[str, _Cost] = field(default_factory=dict)

    def count(self, document: Document, turn: Turn | None, state: str) -> None:
        """Add an anchor of the watch list; ``turn`` is None for one that Redis does not know."""
        if state == PAUSED:
            self._cost(state).add(0, 0, 0)
            return
        every = _HOUR_SECONDS / document["every"]
        least = every if document["steady"] else _HOUR_SECONDS / document["at_most"]
        now = every if turn is None else turn.calls_per_hour
        self._cost(state).add(now, min(least, every), every)

    def count_new(self, anchors: int, every: float, at_most: float) -> None:
        """Add ``anchors`` that are not watched yet."""
        now, least = anchors * _HOUR_SECONDS / every, anchors * _HOUR_SECONDS / at_most
        self._costs[_TO_BE_ADDED] = _Cost(anchors, now, least, now)

    def _cost(self, part: str) -> _Cost:
        return self._costs.setdefault(part, _Cost())

    @property
    def total(self) -> PlanRow:
        whole = _Cost()
        for cost in self._costs.values():
            whole += cost
        for looks in self._looks(whole).values():
            whole += looks
        return self._row(_TOTAL, whole)

    def rows(self) -> Iterator[PlanRow]:
        """Yield a row for each state, and one for all of it."""
        whole = _Cost()
        for part in (*STATES, _TO_BE_ADDED):
            if part in self._costs:
                whole += self._costs[part]
                yield self._row(part, self._costs[part])
        for part, looks in self._looks(whole).items():
            yield replace(self._row(part, looks), anchors=None)
        yield self.total

    def _looks(self, turns: _Cost) -> dict[str, _Cost]:
        """Return what the looks cost beside ``turns``. None is needed while somebody's turn comes
        often enough; those that take a turn along count all the same."""
        if turns.most == 0:  # nobody is watched, or all are paused
            return {}
        looks = {}
        if self.list_every:
            each = [self._list_looks(calls) for calls in (turns.now, turns.least, turns.most)]
            looks[_LIST] = _Cost(0, *each)
        if self.has_closings:
            looks[_CLOSINGS] = _Cost(0, *[float(_LOOKS_AN_HOUR)] * 3)
        return looks

    def _list_looks(self, turns_per_hour: float) -> float:
        most = _HOUR_SECONDS / self.list_every
        return turns_per_hour * int(most / turns_per_hour) if turns_per_hour else most

    def _row(self, part: str, cost: _Cost) -> PlanRow:
        price = 24 * self.price_per_call or None
        return PlanRow(
            part=part,
            anchors=cost.anchors,
            calls_per_hour=cost.now,
            least_per_hour=cost.least,
            most_per_hour=cost.most,
            calls_per_day=round(24 * cost.now),
            price_per_day=price and price * cost.now,
            most_price_per_day=price and price * cost.most,
        )
