"""How long a server asked to wait: ``Retry-After`` of RFC 9110, section 10.2.3."""

import datetime as dt
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str, date: str, now: dt.datetime) -> float | None:
    """Seconds from ``Retry-After``, a number of them or a moment; None if it says neither.

    A moment is measured by the server's own clock, its ``Date`` header; by ``now`` without one.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    moment = _moment(value)
    if moment is None:
        return None
    return max(0.0, (moment - (_moment(date) or now)).total_seconds())


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
