"""What was seen of the one list, from the endpoint's log: what an answer told of another hour than
the one it was given in is not heard."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from tests.truth.expected import Expected
from tests.truth.facts import Row, Said
from tests.truth.market import HOUR

_MOST_SELLERS = 40
Columns = dict[str, Any]
"""A row of an answer by the names of its columns; times in Unix milliseconds."""


class OneOf(frozenset[int | None]):
    """Of some moments the lake need not know which was the last. Equal to each of them."""

    def __eq__(self, other: object) -> bool:
        return other in self

    __hash__ = frozenset.__hash__


class Sight(NamedTuple):
    """One seller, seen in one answer."""

    at: int
    hour: int
    row: Row


class Stay(NamedTuple):
    """One standing, seen again and again with no other one in between."""

    place: int
    score: int
    delta: int
    since: int
    until: int


class Watched:
    """Each answer within its own hour, the earliest first."""

    def __init__(self, expected: Expected) -> None:
        self.hours: dict[int, list[Said]] = defaultdict(list)
        self.all = [said for said, _ in sorted(expected.answers, key=lambda each: each[0].observed)]
        for said in self.all:
            if said.begin * 1000 <= said.observed < (said.begin + HOUR) * 1000:
                self.hours[said.begin].append(said)
        self.hours = dict(sorted(self.hours.items()))
        self.name = self.all[0].name

    def sellers(self, seed: int) -> list[str]:
        """Some of those that anything was said of."""
        everybody = sorted(self.sights)
        most = min(_MOST_SELLERS, len(everybody))
        return sorted(random.Random(f"sellers {seed}").sample(everybody, most))

    @cached_property
    def sights(self) -> dict[str, list[Sight]]:
        """By ``user_id``."""
        found: dict[str, list[Sight]] = defaultdict(list)
        for hour, answers in self.hours.items():
            for said in answers:
                for row in rows_of(said):
                    found[row.profile.user_id].append(Sight(said.observed, hour, row))
        return dict(found)

    @cached_property
    def nicknames(self) -> dict[str, str]:
        """The newest, whatever the hour of the answer."""
        rows = (row for said in self.all for row in rows_of(said))
        return {row.profile.user_id: row.profile.nickname for row in rows}

    def last(self, hour: int) -> Said:
        return self.hours[hour][-1]

    @property
    def finals(self) -> Iterator[Said]:
        return map(self.last, self.hours)

    def stays(self, hour: int, user_id: str) -> list[Stay]:
        stays: list[Stay] = []
        is_over = False
        for said in self.hours[hour]:
            row = standing(said, user_id)
            if row is None:  # whoever was on the list is not any more
                is_over = is_over or bool(stays and stays[-1].place)
                continue
            there = (row.rank, row.score, row.delta)
            if stays and stays[-1][:3] == there and not is_over:
                stays[-1] = stays[-1]._replace(until=said.observed)
            else:
                stays.append(Stay(*there, said.observed, said.observed))
            is_over = False
        return stays


def rows_of(said: Said) -> list[Row]:
    """Of the list, and of the asked anchor if it is not on it."""
    return [row for row in (*said.rows, said.unlisted) if row is not None]


def listed(said: Said, user_id: str) -> Row | None:
    return next((row for row in said.rows if row.profile.user_id == user_id), None)


def standing(said: Said, user_id: str) -> Row | None:
    return next((row for row in rows_of(said) if row.profile.user_id == user_id), None)


def places(said: Said) -> dict[str, int]:
    return {row.profile.user_id: row.rank for row in said.rows}


def seconds_left(said: Said) -> int:
    left = (said.begin + HOUR) * 1000 - said.observed
    return math.ceil(left / 1000) if left > 0 else min(math.ceil(left / 1000), -1)


def began(room: str) -> int:
    """When its session began, Unix milliseconds."""
    return (int(room) >> 32) * 1000
