"""The board of each moment beside the truth.

Of the lake's questions this is the one that tells most: it rests on when each state was seen.
"""

import datetime as dt
import json
import random
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pymongo.database import Database

from rankspider.questions.moment import board_at
from tests.support import processes
from tests.truth.differences import Differences
from tests.truth.expected import Expected
from tests.truth.facts import Said
from tests.truth.lake import clock
from tests.truth.market import HOUR

_ROOT = Path(__file__).parent.parent.parent
_HOUR_MS = HOUR * 1000
Shown = tuple[int, tuple[tuple[str, int], ...]]
"""The hour, Unix milliseconds, and who stands there with how many points, in order."""


class Boards:
    """What was known when."""

    def __init__(self, expected: Expected) -> None:
        self._hours: dict[int, list[tuple[int, bool, Said]]] = defaultdict(list)
        for said, is_settled in expected.answers:
            self._hours[said.begin * 1000].append((said.observed, is_settled, said))
        for begin, answers in self._hours.items():
            answers.sort(key=lambda each: each[0])
            within = [each for each in answers if begin <= each[0] < begin + _HOUR_MS]
            if any(is_settled for _, is_settled, _ in within):
                answers[:] = within  # what a stale cache says after the close is not heard
        self._times = {hour: [at for at, *_ in each] for hour, each in self._hours.items()}

    @property
    def moments(self) -> list[int]:
        """Each at which something was seen, the millisecond before, and one in between."""
        seen = sorted({at for times in self._times.values() for at in times})
        between = [(one + other) // 2 for one, other in pairwise(seen)]
        after = [at + _HOUR_MS for at in seen[-3:]]
        return sorted({*seen, *(at - 1 for at in seen), *between, *after})

    def at(self, moment: int) -> set[Shown | None]:
        """What may be shown: several boards only if answers share their millisecond, or if some
        that are not settled are newer than the newest settled one."""
        allowed: set[Shown | None] = set()
        hour = moment // _HOUR_MS * _HOUR_MS
        for begin in (hour, hour - _HOUR_MS):
            times = self._times.get(begin, [])
            known = self._hours.get(begin, [])[: bisect_right(times, moment)]
            last = next((at for at, is_settled, _ in reversed(known) if is_settled), None)
            allowed |= {shown(said) for at, _, said in known if last is None or at >= last}
            if last is not None:
                return allowed
        return allowed | {None}


def shown(said: Said) -> Shown:
    return said.begin * 1000, tuple((row.profile.user_id, row.score) for row in said.rows)


def compare_boards(
    database: Database[Any], boards: Boards, moments: Iterable[int], found: Differences
) -> int:
    """Ask the package's own function about each of ``moments``; how many those were."""
    count = 0
    for moment in moments:
        count += 1
        board = board_at(database, _utc(moment))
        actual = board and _shown(
            board.begin_time, [(place.user_id, place.score) for place in board.rows]
        )
        _compare(actual, boards.at(moment), moment, found)
    return count


def compare_commands(
    environment: Mapping[str, str], boards: Boards, moments: Iterable[int], found: Differences
) -> None:
    """The same of ``scrapy board --at … --json``."""
    for moment in moments:
        at = _utc(moment).isoformat(timespec="milliseconds")
        command = [sys.executable, "-m", "scrapy", "board", "--at", at, "--json"]
        ended = processes.run(
            command, cwd=_ROOT, env=environment, capture_output=True, check=False, timeout=60
        )
        actual = None
        if ended.returncode == 0:
            board = json.loads(ended.stdout)
            hour = dt.datetime.fromisoformat(board["begin_time"])
            actual = _shown(hour, [(row["user_id"], row["score"]) for row in board["rows"]])
        _compare(actual, boards.at(moment), moment, found)


def some_of(moments: list[int], count: int, seed: int) -> list[int]:
    """``count`` of them by chance; 0: all."""
    if not count or count >= len(moments):
        return moments
    return sorted(random.Random(f"moments {seed}").sample(moments, count))


def _compare(
    actual: Shown | None, allowed: set[Shown | None], moment: int, found: Differences
) -> None:
    if actual not in allowed:
        wanted = " or ".join(sorted(_text(each) for each in allowed))
        text = f"at {clock(moment)}: {_text(actual)}, not {wanted}"
        found.add("board --at", "shows another list", text[:400])


def _shown(hour: dt.datetime, rows: list[tuple[str, int]]) -> Shown:
    return round(hour.timestamp() * 1000), tuple(rows)


def _text(board: Shown | None) -> str:
    if board is None:
        return "nothing"
    hour, rows = board
    first = ", ".join(f"…{user[-4:]} {score}" for user, score in rows[:3])
    return f"{len(rows)} rows of {clock(hour)[:5]} ({first})"


def _utc(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=ms)
