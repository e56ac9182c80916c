"""Select archived answers by anchor, hour and time, as every command offers it."""

import argparse
import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

from scrapy.exceptions import UsageError

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError
from rankspider.moments import hour_of


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """Which archived answers are meant; None leaves a field open. Times are UTC."""

    anchor: str | None = None
    """``sec_uid``."""
    hour: dt.datetime | None = None
    """Start of the ranked hour."""
    start: dt.datetime | None = None
    """Observed at or after it."""
    end: dt.datetime | None = None
    """Observed before it."""

    def filter(self) -> dict[str, Any]:
        """Return the filter for `find` in the collection `archive`."""
        observed = _given({"$gte": self.start, "$lt": self.end})
        wanted = {"anchor": self.anchor, "begin_time": self.hour, "observed_at": observed or None}
        return _given(wanted)

    @classmethod
    def of(cls, opts: argparse.Namespace, zone: dt.tzinfo) -> Self:
        """Return what the options of `add_options` say, times without an offset in ``zone``."""
        hour = moment("--hour", opts.hour, zone)
        return cls(
            anchor=_anchor(opts.anchor),
            hour=hour and hour_of(hour),
            start=moment("--from", opts.start, zone),
            end=moment("--to", opts.end, zone),
        )


def _given(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        title="Which answers (all)",
        description="T is like 2030-01-31T19:00, in the zone RANK_TIMEZONE if it has no offset.",
    )
    group.add_argument("--anchor", metavar="A", help="those asked for this sec_id or profile link")
    group.add_argument("--hour", metavar="T", help="those with the list of the hour T lies in")
    group.add_argument("--from", dest="start", metavar="T", help="those observed at T or later")
    group.add_argument("--to", dest="end", metavar="T", help="those observed before T")


def moment(option: str, text: str | None, zone: dt.tzinfo) -> dt.datetime | None:
    if text is None:
        return None
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} must be like 2030-01-31T19:00, not {text!r}") from None
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(dt.UTC)


def _anchor(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return sec_uid_of(text.encode())
    except MemberError as error:
        raise UsageError(f"--anchor: {error}") from None
