"""A market of its own: sellers, their points in an hour, and what changes about them.

It is a function of time alone: whoever asks twice about a moment is told the same. Much of what
changes goes back to what it was: points are taken back, a nickname is given up again.
"""

import base64
import hashlib
import random
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property

from tests.truth.facts import ListName, Profile, Row

HOUR = 3600
_AFTER_HOUR = 90
"""Seconds for which an hour goes on changing after its end, for those who are told late."""
_TAGS = (("综合",), ("服饰", "鞋包"), ("美食",), ())
_CHANGES = ("points", "tide", "profile", "air", "hide", "blank")
_WEIGHTS = (62, 14, 10, 7, 5, 2)
_LATIN = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Seller:
    """Who it is, for good."""

    number: int
    user_id: str
    sec_uid: str
    tags: tuple[str, ...]

    @classmethod
    def of(cls, seed: int, number: int) -> "Seller":
        digest = hashlib.sha512(f"seller {seed} {number}".encode()).digest()
        # Ids of 11 to 19 digits: some fit into a float, most do not.
        least = 10 ** (10 + number % 9)
        user_id = str(least + int.from_bytes(digest[:8]) % (9 * least))
        tail = digest[8 : 8 + (48 if number % 3 else 32)]
        sec_uid = base64.urlsafe_b64encode(b"1.0.0\x01\x00\x00\x00" + tail).decode().rstrip("=")
        return cls(number, user_id, sec_uid, _TAGS[number % len(_TAGS)])

    def profile(self, version: int) -> Profile:
        """Versions that differ in one thing each."""
        letters = "".join(_LATIN[int(digit)] for digit in self.user_id[-5:])
        return Profile(
            user_id=self.user_id,
            sec_uid=self.sec_uid,
            short_id=self.number * 7919 if self.number % 5 else 0,
            display_id=f"{letters}_{self.number}",
            nickname=f"{letters}的小店" + ("🌸" if version & 1 else ""),
            gender=self.number % 3,
            signature="每晚八点\n不见不散" if version & 2 else "",
            avatar=f"100x100/{letters}" + ("-new" if version & 4 else ""),
            level=self.number % 40 + (version & 8),
        )


@dataclass(frozen=True)
class State:
    """All there is to know at one moment; each tuple has an entry a seller."""

    scores: tuple[int, ...]
    is_hidden: tuple[bool, ...]
    """Kept off the list, whatever the points."""
    rooms: tuple[int, ...]
    """0: off the air; else which live session it is: the second of the market when it began."""
    versions: tuple[int, ...]
    """Of the profile."""
    tide: int = 0
    """What changes for many at once, be they listed or not, and back again: by its bits."""
    is_blank: bool = False
    """The list is empty for now."""

    @cached_property
    def order(self) -> list[int]:
        """The sellers who may be listed, best first."""
        if self.is_blank:
            return []
        able = [n for n, hidden in enumerate(self.is_hidden) if not hidden and self.scores[n]]
        return sorted(able, key=lambda n: (-self.scores[n], n))

    def with_entry(self, field: str, seller: int, value: int) -> "State":
        entries = list(getattr(self, field))
        entries[seller] = value
        return replace(self, **{field: tuple(entries)})


class Market:
    """``pace``: seconds from one change to the next, on the whole."""

    def __init__(self, seed: int, sellers: int, rows: int, start: int, pace: float) -> None:
        self.sellers = [Seller.of(seed, number) for number in range(sellers)]
        self.start = start
        self.name = _name(seed)
        self._seed = seed
        self._rows = rows
        self._pace = pace
        self._hours: dict[int, tuple[list[int], list[State]]] = {}
        self._listed: dict[State, tuple[Row, ...]] = {}

    def state(self, begin: int, ms: int, back: int = 0) -> State:
        """Of the hour ``begin`` at ``ms``; ``back``: so many changes before."""
        starts, states = self._hour(begin)
        return states[max(0, bisect_right(starts, ms) - 1 - back)]

    def listed(self, state: State) -> tuple[Row, ...]:
        """The list."""
        if state not in self._listed:
            self._listed[state] = self._ranked(state)
        return self._listed[state]

    def own(self, state: State, seller: Seller) -> Row:
        """Where ``seller`` stands, listed or not."""
        rows = self.listed(state)
        found = next((row for row in rows if row.profile.user_id == seller.user_id), None)
        if found is not None:
            return found
        score = state.scores[seller.number]
        # The distance to the list is in the text alone, so that the list can change without it.
        distance = max(0, (rows[-1].score if rows else 0) - score) + 1
        delta = 1000 + seller.number + 500 * (state.tide & 1)
        return self._row(state, seller.number, 0, delta, f"距上榜还差{distance}热度")

    def _ranked(self, state: State) -> tuple[Row, ...]:
        rows = []
        above: int | None = None
        for rank, number in enumerate(state.order[: self._rows], 1):
            score = state.scores[number]
            delta = 0 if above is None else above - score
            rows.append(self._row(state, number, rank, delta, _score_text(score)))
            above = score
        return tuple(rows)

    def _row(self, state: State, number: int, rank: int, delta: int, text: str) -> Row:
        seller, session = self.sellers[number], state.rooms[number]
        room = (self.start + session) << 32 | number << 12 | 11 << 8 | session % 256
        return Row(
            profile=seller.profile(state.versions[number] ^ self._tide_of(state, number)),
            rank=rank,
            score=state.scores[number],
            delta=delta,
            text=text,
            tags=seller.tags,
            room=str(room) if session else None,
        )

    @staticmethod
    def _tide_of(state: State, number: int) -> int:
        return 8 if state.tide & 2 and number % 4 == 1 else 0

    def _hour(self, begin: int) -> tuple[list[int], list[State]]:
        if begin not in self._hours:
            choose = random.Random(f"hour {self._seed} {begin}")
            starts, states = [begin * 1000], [self._first(begin)]
            # In a calm hour what was seen last stands for long, and whoever missed it stays wrong.
            pace = self._pace * choose.choice((0.3, 1, 1, 10))
            end = (begin + HOUR + _AFTER_HOUR) * 1000
            while starts[-1] < end:
                wait = pace * choose.choice((0.2, 0.5, 1, 1, 1, 2, 2, 6, 25))
                starts.append(starts[-1] + max(1, round(wait * 1000)))
                states.append(self._changed(states, choose, begin))
            self._hours[begin] = starts, states
        return self._hours[begin]

    def _first(self, begin: int) -> State:
        """Nobody has points yet; all else goes on from the hour before."""
        count = len(self.sellers)
        zeros = (0,) * count
        if begin <= self.start:
            return State(zeros, (False,) * count, tuple(n % 4 for n in range(count)), zeros)
        last = self.state(begin - HOUR, begin * 1000 - 1)
        return replace(last, scores=zeros, is_blank=False)

    def _changed(self, states: list[State], choose: random.Random, begin: int) -> State:
        last = states[-1]
        seller = choose.randrange(len(self.sellers))
        before = states[-2] if len(states) > 1 else last
        if last.is_blank or (choose.random() < 0.25 and not before.is_blank):
            return before  # it comes back
        match choose.choices(_CHANGES, _WEIGHTS)[0]:
            case "tide":
                return replace(last, tide=last.tide ^ choose.choice((1, 1, 2)))
            case "profile":
                # Of those who are seen much, so that it shows.
                seller = choose.choice(last.order[: self._rows] or [seller])
                version = last.versions[seller] ^ choose.choice((1, 1, 2, 4, 8))
                return last.with_entry("versions", seller, version)
            case "air":
                second = begin - self.start + choose.randrange(1, HOUR)
                session = 0 if last.rooms[seller] else second
                return last.with_entry("rooms", seller, session)
            case "hide":
                seller = (last.order or [seller])[0]
                return last.with_entry("is_hidden", seller, not last.is_hidden[seller])
            case "blank":
                return replace(last, is_blank=True)
        return self._with_points(last, choose)

    def _with_points(self, last: State, choose: random.Random) -> State:
        scores = list(last.scores)
        for _ in range(choose.choice((1, 1, 2, 5))):
            # The lower the number the better it sells, on the whole.
            seller = int(len(scores) * choose.random() ** 3)
            scores[seller] += choose.choice((50, 50, 1000, 20_000))
        return replace(last, scores=tuple(scores))


def _name(seed: int) -> ListName:
    """Some have what a key must escape."""
    subtitle = ("小时榜", "小时榜/100%", "小时榜")[seed % 3]
    return ListName("热度", "全站", subtitle, "", "")


def _score_text(score: int) -> str:
    return str(score) if score < 10_000 else f"{score / 10_000:.1f}万"
