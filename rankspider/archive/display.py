"""Format what ``scrapy archive`` writes, for people and for programs."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from rankspider.archive.hours import ArchivedHour
from rankspider.archive.reading import Archived
from rankspider.moments import hour_text
from rankspider.report import json_object
from rankspider.terminal import table


def holdings_text(archived_hours: Sequence[ArchivedHour], zone: dt.tzinfo) -> str:
    """Return a table of the holdings by hour, with the sum of all."""
    if not archived_hours:
        return "The archive holds no such answer; the crawl keeps them with RANK_ARCHIVE=1\n"
    heads = ("hour", " answers", " MB as they came", " MB as kept", " bytes an answer")
    counts = [(each.answers, each.bytes, each.stored_bytes) for each in archived_hours]
    total = [sum(column) for column in zip(*counts, strict=True)]
    hours = [
        hour_text(each.begin_time, zone) if each.begin_time else "without a list"
        for each in archived_hours
    ]
    named = zip([*hours, "all"], [*counts, total], strict=True)
    rows = [
        (name, f"{answers:,}", f"{size / 1e6:,.1f}", f"{kept / 1e6:,.1f}", f"{kept // answers:,}")
        for name, (answers, size, kept) in named
    ]
    return "".join(f"{line}\n" for line in table(heads, rows))


def holdings_json(archived_hours: Sequence[ArchivedHour]) -> str:
    return json_object([asdict(each) for each in archived_hours])


def archived_json(archived: Archived) -> str:
    """Return an archived answer as JSON, the body as text; bytes that are no UTF-8 are escaped."""
    body = archived.body.decode("utf-8", "backslashreplace")
    return json_object({**asdict(archived), "body": body})
