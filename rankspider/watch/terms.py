"""Read how often an anchor of the watch list is asked, as people say it."""

import re
from dataclasses import dataclass

from rankspider.errors import RankspiderError

_DURATION = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)\s*(s|sec|m|min|h|d)")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_LEAST, _MOST = 1.0, 30 * 86_400.0
EVERY, AT_MOST = 600.0, 7200.0
"""What holds unless something else is said, s."""


class TermsError(RankspiderError, ValueError):
    """Raised when what was said of how often an anchor is to be asked makes no sense."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """The interval, tier and label of an anchor; None where nothing was said. Times are seconds."""

    every: float | None = None
    at_most: float | None = None
    steady: bool | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("at-most", self.at_most)):
            if value is not None and not _LEAST <= value <= _MOST:
                raise TermsError(f"{name} must be from 1s to 30d, not {duration_text(value)}")
        if self.every is not None and self.at_most is not None and self.at_most < self.every:
            raise TermsError(
                f"at-most ({duration_text(self.at_most)}) must not be less than every "
                f"({duration_text(self.every)})"
            )


def seconds_in(text: str, option: str) -> float:
    """Return the seconds that ``text`` says, such as 90s, 10m, 2h, 1d. Raises `TermsError`, which
    begins with ``option``."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise TermsError(f"{option} must be like 90s, 10m, 2h or 1d, not {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


def duration_text(seconds: float) -> str:
    """Return ``10m``, for instance, in the largest unit that says it whole."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.10g}s"
