"""Checks of what an answer says. Pure functions.

Hard ones give a reason in words, and the record is quarantined. Soft ones give flags, which are
stable names that stand on the stored document and in stats.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

from msgspec import Struct

from rankspider.endpoint.answer import END_OF_TIME, Answer, BrokenRow, Identity, Row
from rankspider.facts import integer_of

HOUR = 3600

# Flags of a row.
SCORE_ABOVE_BETTER_PLACE: Final = "score-above-better-place"
DELTA: Final = "delta"
SCORE_TEXT: Final = "score-text"
ID_TWIN: Final = "id-twin"
ROOM_TWIN: Final = "room-twin"
# Flags of a list.
SCORES_INCREASE: Final = "scores-increase"
DELTA_TIME: Final = "delta-time"
OUTSIDE_HOUR: Final = "outside-hour"

# 4.9万, 15.1万音浪 or plain digits; text of any other form is not the score.
_SCORE_TEXT = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)万|([0-9]+))(?:热度|音浪)?")
# Rounding and cutting of 4.9万 cannot be told apart.
_SCORE_TEXT_SLACK = 1000
_DELTA_TIME_SLACK_SECONDS = 1


class ListedRow(Struct):
    """A row of the list, and what the checks of it need of the rest of the list."""

    row: Row | BrokenRow
    place: int
    """1-based."""
    times: int = 1
    """How often its user stands in the list, as far as the list could be read."""
    score_above: int | None = None
    """Of the next better place; None at the first, and below a row that could not be read."""

    def problem(self) -> str | None:
        """Return why it cannot be trusted, or None."""
        if isinstance(self.row, BrokenRow):
            return self.row.reason
        if self.times > 1:
            return "user stands in the list more than once"
        if self.row.shape.rank != self.place:
            return "rank is not the row's place in the list"
        return None

    def flags_of_place(self) -> tuple[str, ...]:
        """Return what is odd about it beside its neighbour; two rows of the same bytes may
        differ."""
        if isinstance(self.row, BrokenRow):
            return ()
        score, delta, above = self.row.shape.score, self.row.shape.delta, self.score_above
        if above is None:
            return (DELTA,) if self.place == 1 and delta else ()
        order = (SCORE_ABOVE_BETTER_PLACE,) if score > above else ()
        return order if delta == above - score else (*order, DELTA)


def list_problem(answer: Answer) -> str | None:
    """Return why ``answer`` is not the list of an hour at all, rows included; None if it is."""
    if not 0 < answer.begin_time < END_OF_TIME:
        return "begin_time is out of range"
    if answer.begin_time % HOUR:
        return "begin_time is not on an hour"
    return None


def listed_rows(answer: Answer) -> list[ListedRow]:
    """Return the rows of the list, each with its surroundings."""
    times = Counter(row.user.id_str for row in answer.rows if isinstance(row, Row))
    listed = []
    above: int | None = None
    for place, row in enumerate(answer.rows, start=1):
        if isinstance(row, Row):
            listed.append(ListedRow(row, place, times[row.user.id_str], above))
            above = row.shape.score
        else:
            listed.append(ListedRow(row, place, score_above=above))
            above = None
    return listed


def flags_of_row(row: Row, *, listed: bool) -> tuple[str, ...]:
    """Return what is odd about ``row`` by itself.

    In an asked anchor's own row (not ``listed``), the text and ``delta`` follow no known rule.
    """
    flags = []
    if listed and not _states(row.shape.gap_description, row.shape.score):
        flags.append(SCORE_TEXT)
    return (*flags, *_flags_of_twins(row.user))


def _states(text: str, score: int) -> bool:
    """Return whether ``text`` is ``score`` in words, or not of a form that says so."""
    matched = _SCORE_TEXT.fullmatch(text)
    if matched is None:
        return True
    rounded, plain = matched.groups()
    if plain:
        # Text, for Python reads no integer of more than 4300 digits.
        return (plain.lstrip("0") or "0") == str(score)
    return abs(Decimal(rounded) * 10_000 - score) <= _SCORE_TEXT_SLACK


def _flags_of_twins(user: Identity) -> Iterator[str]:
    """Yield a number and its text that differ, as after a float's rounding; the text is the exact
    one.

    A twin that is absent, or 0, is not given; how it is written makes no difference.
    """
    exact = integer_of(user.id)
    twin = user.id if exact is None else exact
    if twin and str(twin) != user.id_str:
        yield ID_TWIN
    rooms = user.own_room
    if rooms and rooms.numbers and [str(room) for room in rooms.numbers] != rooms.exact():
        yield ROOM_TWIN


def flags_of_scores(scores: Sequence[int]) -> tuple[str, ...]:
    """Return what is odd about a list whose rows have these ``scores``, in order."""
    increase = any(below > above for above, below in pairwise(scores))
    return (SCORES_INCREASE,) if increase else ()


def flags_of_times(answer: Answer) -> tuple[str, ...]:
    """Return what is odd about the times of the list."""
    flags = []
    end_ms = (answer.begin_time + HOUR) * 1000
    seconds_left = -((answer.now_ms - end_ms) // 1000)  # rounded up
    if abs(answer.delta_time - seconds_left) > _DELTA_TIME_SLACK_SECONDS:
        flags.append(DELTA_TIME)
    if not answer.begin_time * 1000 <= answer.now_ms < end_ms:
        flags.append(OUTSIDE_HOUR)  # a stale cache answers
    return tuple(flags)
