"""The endpoint's clock, which says when an hour ends, as its answers show it."""

from collections import deque
from dataclasses import dataclass

_WINDOW_SECONDS = 600.0
_APART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Offset:
    """The bounds of how much the endpoint's clock is ahead of Redis's: between ``low`` and
    ``high``, s."""

    low: float
    high: float


class EndpointClock:
    """Learns from the answers of the last ten minutes what the endpoint's clock says.

    An answer that says ``now``, asked for at ``sent`` and here at ``received``, was made in
    between. So the endpoint is ahead by ``now - received`` at least. And by ``now - sent`` at most,
    unless a cache had made the answer before it was asked for, which nothing tells: a cache only
    makes answers older, so the largest least is true, and of the mosts none below it is.
    """

    def __init__(self) -> None:
        self._answers: deque[tuple[float, Offset]] = deque()

    def note(self, now: float, sent: float, received: float) -> None:
        """Take in an answer; ``now`` is by the endpoint's clock, the others by Redis's, all s."""
        bounds = Offset(now - received, now - sent)
        while self._answers and self._answers[0][0] < received - _WINDOW_SECONDS:
            self._answers.popleft()
        if self._answers and received - self._answers[-1][0] < _APART_SECONDS:
            at, last = self._answers.pop()  # of each second the narrowest is enough
            self._answers.append((at, _narrowest([last, bounds])))
        else:
            self._answers.append((received, bounds))

    @property
    def offset(self) -> Offset | None:
        """Return the offset; None before the first answer."""
        return _narrowest([bounds for _, bounds in self._answers]) if self._answers else None


def _narrowest(bounds: list[Offset]) -> Offset:
    low = max(each.low for each in bounds)
    return Offset(low, min(each.high for each in bounds if each.high >= low))
