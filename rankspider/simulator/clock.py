"""Virtual time, and when the list changes: with the clock, or with the answers."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

HOUR: Final = 3600
_NOTIONAL_STEP: Final = 10.0  # seconds of selling between two states, when answers make them


class Moment(NamedTuple):
    """A state of an hour's list, by its number."""

    begin_time: int
    """Unix second at which the hour began."""
    tick: int
    """States since the hour began."""
    step: float
    """Seconds of selling between two states."""
    number: int
    """The state's number, counted over all hours."""


def begin_time_of(now_ms: int) -> int:
    """Return the Unix second at which the hour of ``now_ms`` began."""
    return now_ms // (HOUR * 1000) * HOUR


def seconds_left(begin_time: int, now_ms: int) -> int:
    """Return the whole seconds until the hour ends, rounded up."""
    return -((now_ms - (begin_time + HOUR) * 1000) // 1000)


class Clock:
    """Milliseconds since 1970, from ``start_ms`` on, ``speed`` times as fast as ``timer``."""

    def __init__(
        self,
        start_ms: int | None = None,
        speed: float = 1.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed = speed
        self._timer = timer
        self.set(start_ms)

    def set(self, now_ms: int | None) -> None:
        """Go on from ``now_ms``, or from the present time."""
        self._start_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        self._zero = self._timer()

    def now_ms(self) -> int:
        return self._start_ms + int((self._timer() - self._zero) * self._speed * 1000)


class PaceBySeconds:
    """A new state every ``seconds`` of virtual time."""

    def __init__(self, seconds: float) -> None:
        self._step_ms = max(1, round(seconds * 1000))

    def moment(self, now_ms: int) -> Moment:
        """Return the state to serve at ``now_ms``; asked once for each answer."""
        begin_time = begin_time_of(now_ms)
        number = now_ms // self._step_ms
        tick = number - begin_time * 1000 // self._step_ms
        return Moment(begin_time, tick, self._step_ms / 1000, number)


class PaceByAnswers:
    """A new state after every ``answers`` answers: an even load for benchmarks."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._asked = 0
        self._hour = (0, 0)

    def moment(self, now_ms: int) -> Moment:
        begin_time = begin_time_of(now_ms)
        number = self._asked // self._answers
        self._asked += 1
        if begin_time != self._hour[0]:
            self._hour = (begin_time, number)
        return Moment(begin_time, number - self._hour[1], _NOTIONAL_STEP, number)
