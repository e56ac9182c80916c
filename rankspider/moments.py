"""Moments, hours and ranges of hours as people give them, in the zone they think in."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from rankspider.errors import MomentError

HOUR = dt.timedelta(hours=1)
END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_AGO = re.compile(r"(\d{1,6})(min|h|d)")
_UNITS = {"min": dt.timedelta(minutes=1), "h": HOUR, "d": dt.timedelta(days=1)}
_EXAMPLES = "2030-01-31T19:00, 2030-01-31, now, or 3h, 2d, 45min for that long ago"


def moment_of(unix_ms: int) -> dt.datetime:
    """Return the moment in UTC; exact, as a division of so large a number is not."""
    return _EPOCH + dt.timedelta(milliseconds=unix_ms)


def unix_ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def moment_in(
    text: str | None, option: str, zone: dt.tzinfo, now: dt.datetime
) -> dt.datetime | None:
    """Return the moment that ``text`` says, in UTC; without an offset of its own it is one of
    ``zone``.

    ISO 8601, ``now``, or an age: ``3h`` is three hours before ``now``. None if nothing was given.
    Raises `MomentError`, which begins with ``option``.
    """
    if text is None:
        return None
    age = _AGO.fullmatch(text)
    try:
        if text == "now":
            moment = now
        elif age:
            moment = now - int(age[1]) * _UNITS[age[2]]
        else:
            moment = dt.datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise MomentError(f"{option} must be like {_EXAMPLES}, not {text!r}") from None


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the start of the ranked hour that ``moment`` lies in, UTC. Ranked hours begin on
    UTC's."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Period:
    """Ranked hours that follow each other: those that begin from ``start`` on, before ``end``."""

    start: dt.datetime
    end: dt.datetime

    @classmethod
    def until(cls, end: dt.datetime, hours: int) -> Self:
        """Return the ``hours`` hours before ``end``."""
        return cls(end - hours * HOUR, end)

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise MomentError(
                "there is no hour in that range: --from must be before --to, which is the end of "
                "the newest hour in the lake unless you give one"
            )

    def __iter__(self) -> Iterator[dt.datetime]:
        hour = self.start
        while hour < self.end:
            yield hour
            hour += HOUR

    def __len__(self) -> int:
        return round((self.end - self.start) / HOUR)

    def __contains__(self, hour: dt.datetime) -> bool:
        return self.start <= hour < self.end

    @property
    def newest_first(self) -> list[dt.datetime]:
        return list(self)[::-1]


@dataclass(frozen=True, slots=True)
class Range:
    """The parts of a range as ``--from``, ``--to`` and ``--hours`` gave them; None where nothing
    was said."""

    start: dt.datetime | None
    end: dt.datetime | None
    hours: int | None

    def __post_init__(self) -> None:
        if self.hours is not None and not 1 <= self.hours <= 100_000:
            raise MomentError(f"--hours must be from 1 to 100000, not {self.hours}")
        if None not in (self.start, self.end, self.hours):
            raise MomentError("--from, --to and --hours cannot all be given: leave out one")

    def period(self, default_hours: int, newest: dt.datetime) -> Period:
        """Return the hours meant; ``newest`` is the last one if nothing says where they end.

        An hour that a limit falls into belongs to it.
        """
        start = None if self.start is None else hour_of(self.start)
        if self.end is not None:
            end = hour_of(self.end + HOUR - dt.timedelta(microseconds=1))
        elif start is not None and self.hours is not None:
            end = start + self.hours * HOUR
        else:
            end = newest + HOUR
        if start is None:
            return Period.until(end, self.hours or default_hours)
        return Period(start, end)


def hour_text(hour: dt.datetime, zone: dt.tzinfo) -> str:
    """Return a text such as ``2030-01-31 19:00+08:00``."""
    return hour.astimezone(zone).isoformat(" ", "minutes")


def clock_text(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return a text such as ``19:42:07``, with what `moment_text` adds."""
    return moment_text(moment, zone).partition(" ")[2]


def moment_text(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return a text such as ``2030-01-31 19:42:07``; with its offset where a clock change repeats
    that time."""
    there = moment.astimezone(zone)
    is_repeated = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    return there.replace(tzinfo=there.tzinfo if is_repeated else None).isoformat(" ", "seconds")


def span_text(period: Period, zone: dt.tzinfo) -> str:
    """Return a text such as ``2030-01-30 20:00+08:00 to 2030-01-31 20:00+08:00 (24 hours)``."""
    hours = "1 hour" if len(period) == 1 else f"{len(period)} hours"
    return f"{hour_text(period.start, zone)} to {hour_text(period.end, zone)} ({hours})"
