"""Bound an export: whole hours, given in a zone and kept in UTC."""

import datetime as dt
from dataclasses import dataclass
from typing import Self

from rankspider.export.source import later
from rankspider.moments import HOUR, hour_of


@dataclass(frozen=True, slots=True)
class Window:
    """The hours from ``begin`` up to, and without, ``end``; None: no bound."""

    begin: dt.datetime | None
    end: dt.datetime | None

    @classmethod
    def touching(cls, begin: dt.datetime | None, end: dt.datetime | None) -> Self:
        """Return every hour that a part of [``begin``, ``end``) lies in: files hold whole hours."""
        first = None if begin is None else hour_of(begin)
        last = None if end is None else hour_of(end)
        return cls(first, last if last is None or last == end else later(last, HOUR))

    def holds(self, hour: dt.datetime) -> bool:
        after = self.begin is None or self.begin <= hour
        return after and (self.end is None or hour < self.end)
