"""Rejected records as people and scripts read them."""

import contextlib
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rankspider.lake.collections import Document
from rankspider.moments import moment_text
from rankspider.quarantine.collection import Group
from rankspider.secrecy import discreet
from rankspider.terminal import harmless, harmless_json, shortened, table

_REASON_COLUMNS = 100
_SHOWN = ("_id", "kind", "reason", "detail", "anchor", "list", "begin_time", "place", "form")
_TIMES = ("first_observed_at", "observed_at")
NOTHING = "Nothing is rejected."


def groups_text(groups: Sequence[Group], zone: dt.tzinfo) -> list[str]:
    """Return a table of the reasons."""
    rows = [
        (
            f"{each.count:,}",
            moment_text(each.newest, zone),
            ", ".join(each.kinds),
            _reason(each.reason),
        )
        for each in groups
    ]
    return table((" count", "newest", "kind", "reason"), rows) if rows else [NOTHING]


def records_text(documents: Sequence[Document], zone: dt.tzinfo) -> list[str]:
    """Return a table of records."""
    rows = [
        (
            moment_text(each["observed_at"], zone),
            each["kind"],
            each["_id"],
            each["anchor"] or "-",
            _reason(each["reason"] or ""),
        )
        for each in documents
    ]
    heads = ("observed at", "kind", "id", "anchor", "reason")
    return table(heads, rows) if rows else [NOTHING]


def record_text(document: Document, zone: dt.tzinfo) -> Iterable[str]:
    """Yield all of one record, its JSON indented."""
    for name, value in _fields(document).items():
        yield f"{name}: {harmless(_plain(value, zone))}"
    yield ""
    payload = document["payload"]
    with contextlib.suppress(ValueError, RecursionError):  # not JSON: as it is
        payload = json.dumps(json.loads(payload), ensure_ascii=False, indent=2)
    yield from map(harmless, payload.splitlines())


def wrong_text(problems: Counter[str]) -> list[str]:
    """Return a table of what is still wrong."""
    rows = [(f"{count:,}", _reason(problem)) for problem, count in problems.most_common()]
    return table((" count", "still wrong"), rows)


def json_line(document: Document) -> str:
    """Return one record as a line of JSON, with its payload if that was read."""
    payload = {name: document[name] for name in ("payload",) if name in document}
    return as_json({**_fields(document), **payload})


def as_json(value: Any) -> str:
    """Return ``value`` as JSON on one line, times in UTC."""
    text = json.dumps(
        value, ensure_ascii=False, default=lambda time: time.isoformat(timespec="milliseconds")
    )
    return harmless_json(text)


def _fields(document: Document) -> dict[str, Any]:
    shown = {name.lstrip("_"): document.get(name) for name in _SHOWN}
    return shown | {name: document[name] for name in _TIMES}


def _plain(value: Any, zone: dt.tzinfo) -> str:
    if isinstance(value, dt.datetime):
        return moment_text(value, zone)
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part)
    return "-" if value is None else str(value)


def _reason(reason: str) -> str:
    return shortened(discreet(reason), _REASON_COLUMNS)
