"""Measure how far this machine's clock and another one are apart."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from rankspider.checkup.finding import Finding, ok, warning

TOLERABLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Another clock, read somewhere between ``sent`` and ``received``. Unix seconds."""

    sent: float
    received: float
    theirs: float
    resolution: float = 0.0
    """``theirs`` was cut to a multiple of it."""

    def ahead(self) -> float:
        """Return seconds that the other clock is ahead for certain; negative: behind."""
        least, most = self.theirs - self.received, self.theirs + self.resolution - self.sent
        if least > 0:
            return least
        return min(most, 0.0)


def of_http_date(value: str, sent: float, received: float) -> ClockReading | None:
    """Return the reading of the header ``Date``, which tells whole seconds; None if it is none."""
    try:
        return ClockReading(sent, received, parsedate_to_datetime(value).timestamp(), 1.0)
    except (TypeError, ValueError, OverflowError):
        return None


def agreement(whose: str, reading: ClockReading, remedy: str) -> Finding:
    """Return whether the clocks agree. ``whose``: Redis, MongoDB, the endpoint."""
    ahead = reading.ahead()
    about, facts = f"{whose}'s clock", {"ahead_seconds": round(ahead, 3)}
    if abs(ahead) <= TOLERABLE_SECONDS:
        return ok(about, f"agrees with this machine's within {max(abs(ahead), 0.1):.1f} s", **facts)
    side = "ahead of" if ahead > 0 else "behind"
    return warning(about, f"{abs(ahead):,.1f} s {side} this machine's", remedy, **facts)
