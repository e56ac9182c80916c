"""Read how long a server asked to wait: ``Retry-After`` of RFC 9110, section 10.2.3."""

import datetime as dt
import re
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MOST_SECONDS = 86_400.0


def retry_after_seconds(value: str, date: str, now: dt.datetime) -> float | None:
    """Return seconds from ``Retry-After``, a number of them or a moment; None if it says neither.

    A moment is measured by the server's own clock, its ``Date`` header; by ``now`` without one.
    Never more than a day: whoever waits believes less still.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _MOST_SECONDS)
    moment = _moment(value)
    if moment is None:
        return None
    return min(max(0.0, (moment - (_moment(date) or now)).total_seconds()), _MOST_SECONDS)


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
