"""The simulated market: who sells how much, as a function of the seed and the time alone."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Final, Literal, NamedTuple

from rankspider.simulator.anchors import Anchor, anchor_of_world, stranger
from rankspider.simulator.clock import HOUR, Moment
from rankspider.simulator.identity import Draw, failing_sec_uid, index_of, synthetic_sec_uid

__all__ = ["Churn", "Listing", "Standing", "World", "failing_sec_uid", "synthetic_sec_uid"]

Churn = Literal["some", "all"]
SHARE_CHANGED: Final = {"some": 0.3, "all": 1.0}
CONTENDERS_PER_ROW: Final = 3
_SWING: Final = 0.9  # below 1, or an anchor's score could fall within the hour
_NOBODY: Final = 0  # the rank of an anchor that is not listed


class Standing(NamedTuple):
    """The place and the score of an anchor; ``rank`` is 0 if it is not listed."""

    user_id: str
    rank: int
    score: int
    delta: int


class SalesHour(NamedTuple):
    """The sales of one anchor within one hour."""

    anchor: int
    rate: float
    """Points a second, on average."""
    period: float
    """Seconds from one rush to the next; rushes make places swap."""
    phase: float
    head_start: float
    """Seconds of selling it begins the hour with."""
    turn: float
    """0 to 1: when, among the others, its score is brought up to date."""

    def score(self, tick: int, step: float, share: float) -> int:
        """Return the score as of the last state, up to ``tick``, that changed it; it never
        falls."""
        changes = math.floor(share * tick + self.turn)
        changed = min(tick, max(0, math.ceil((changes - self.turn) / share)))
        seconds = changed * step
        around = 2 * math.pi * seconds / self.period + self.phase
        swing = _SWING * self.period / (2 * math.pi) * (math.sin(around) - math.sin(self.phase))
        return int(self.rate * (self.head_start + seconds + swing)) + changed


@dataclass(frozen=True)
class Listing:
    """One state of one hour's list."""

    moment: Moment
    anchors: tuple[int, ...]
    """Indexes of the listed anchors, best first."""
    standings: tuple[Standing, ...]
    unlisted: dict[int, int]
    """Scores of the contenders that did not make it, by index."""

    @cached_property
    def places(self) -> dict[int, int]:
        """Return positions in the list, from 0, by the anchor's index."""
        return {index: place for place, index in enumerate(self.anchors)}

    @property
    def threshold(self) -> int:
        """Return the score of the last place."""
        return self.standings[-1].score if self.standings else 0

    def standing_of(self, anchor: Anchor) -> Standing:
        """Return the standing ``anchor_info`` shows, for anchors on the list and off it."""
        place = self.places.get(-1 if anchor.index is None else anchor.index)
        if place is not None:
            return self.standings[place]
        # Outside the contest an anchor that is live follows the last place at a distance of its
        # own, and one that is not sells nothing.
        follows = 0
        if anchor.is_live_unlisted(self.moment.begin_time):
            follows = self.threshold * (anchor.luck % 900) // 1000
        score = follows if anchor.index is None else self.unlisted.get(anchor.index, follows)
        return Standing(str(anchor.user_id), _NOBODY, score, anchor.luck % 5000)


class World:
    """``anchors`` sellers, the best ``rows`` of whom are listed.

    In each hour three times as many as are listed contend; the next hour brings half a list
    of new ones. So the work for a state does not grow with the number of anchors.
    """

    def __init__(
        self,
        seed: int = 1,
        anchors: int = 1000,
        rows: int = 100,
        churn: Churn = "some",
    ) -> None:
        self.seed = seed
        self.anchors = anchors
        self.rows = rows
        self._share = SHARE_CHANGED[churn]
        self._forms = lru_cache(maxsize=2)(self._draw_forms)
        self.anchor = lru_cache(maxsize=20_000)(partial(anchor_of_world, seed))

    def sec_uid(self, index: int) -> str:
        return synthetic_sec_uid(self.seed, index)

    def find(self, sec_uid: str) -> Anchor:
        """Return the anchor of this ``sec_uid``; one that is not of the world is made up from
        it."""
        index = index_of(self.seed, sec_uid)
        if index is None or index >= self.anchors:
            return stranger(sec_uid)
        return self.anchor(index)

    def list_at(self, moment: Moment) -> Listing:
        """Return one state of the list."""
        tick, step, share = moment.tick, moment.step, self._share
        forms = self._forms(moment.begin_time)
        scored = [(form.score(tick, step, share), form.anchor) for form in forms]
        scored.sort(key=lambda entry: -entry[0])
        listed, others = scored[: self.rows], scored[self.rows :]
        before = [listed[0][0] if listed else 0, *(score for score, _ in listed)]
        standings = tuple(
            Standing(str(self.anchor(index).user_id), place + 1, score, before[place] - score)
            for place, (score, index) in enumerate(listed)
        )
        unlisted = {index: score for score, index in others}
        return Listing(moment, tuple(index for _, index in listed), standings, unlisted)

    def _draw_forms(self, begin_time: int) -> tuple[SalesHour, ...]:
        count = min(self.anchors, self.rows * CONTENDERS_PER_ROW)
        first = begin_time // HOUR * max(1, self.rows // 2) % self.anchors
        return tuple(
            self._form(begin_time, (first + position) % self.anchors) for position in range(count)
        )

    def _form(self, begin_time: int, index: int) -> SalesHour:
        draw = Draw(self.seed, "form", begin_time, index)
        return SalesHour(
            anchor=index,
            rate=1 + 59 * draw.share() ** 3,
            period=300 + 2100 * draw.share(),
            phase=2 * math.pi * draw.share(),
            head_start=10 * draw.share(),
            turn=draw.share(),
        )
