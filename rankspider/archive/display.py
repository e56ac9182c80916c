"""Format what ``scrapy archive`` writes, for people and for programs."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from rankspider.archive.holdings import Holding
from rankspider.archive.reading import Archived
from rankspider.moments import hour_text
from rankspider.report import json_object
from rankspider.terminal import table


def holdings_text(holdings: Sequence[Holding], zone: dt.tzinfo) -> str:
    """Return a table of the holdings by hour, with the sum of all."""
    if not holdings:
        return "The archive holds no such answer; the crawl keeps them with RANK_ARCHIVE=1\n"
    heads = ("hour", " answers", " MB as they came", " MB as kept", " bytes an answer")
    counts = [(each.answers, each.bytes, each.stored_bytes) for each in holdings]
    total = [sum(column) for column in zip(*counts, strict=True)]
    hours = [
        hour_text(each.begin_time, zone) if each.begin_time else "without a list"
        for each in holdings
    ]
    named = zip([*hours, "all"], [*counts, total], strict=True)
    rows = [
        (name, f"{answers:,}", f"{size / 1e6:,.1f}", f"{kept / 1e6:,.1f}", f"{kept // answers:,}")
        for name, (answers, size, kept) in named
    ]
    return "".join(f"{line}\n" for line in table(heads, rows))


def holdings_json(holdings: Sequence[Holding]) -> str:
    return json_object([asdict(each) for each in holdings])


def archived_json(archived: Archived) -> str:
    """Return an archived answer as JSON, the body as text; bytes that are no UTF-8 are escaped."""
    body = archived.body.decode("utf-8", "backslashreplace")
    return json_object({**asdict(archived), "body": body})
