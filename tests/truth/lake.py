"""The lake as it is: every document of every collection, times as Unix milliseconds."""

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from pymongo.database import Database

Document = dict[str, Any]
Lake = dict[str, list[Document]]

COLLECTIONS = (
    *("ranks", "rank_history", "users", "user_history", "snapshots", "sightings", "calls"),
    "rejected",
)
_APART = {
    *("_id", "revision", "first_observed_at", "last_observed_at", "observed_at"),
    *("best_rank", "peak_score"),
}


def read_lake(database: Database[Document]) -> Lake:
    """``database`` must be read with ``tz_aware``."""
    return {name: [_plain(each) for each in database[name].find()] for name in COLLECTIONS}


def content_of(document: Document) -> Document:
    """What it says, without its name and its bounds."""
    return {name: value for name, value in document.items() if name not in _APART}


def frozen(content: Any) -> str:
    """Equal for equal content, whatever the order of keys and the pictures' hosts."""
    return json.dumps(without_mirrors(content), sort_keys=True, ensure_ascii=False)


def clock(ms: Any) -> str:
    """``10:42:07.250``, UTC."""
    if not isinstance(ms, int):
        return repr(ms)
    return f"{dt.datetime.fromtimestamp(ms / 1000, dt.UTC):%H:%M:%S.%f}"[:-3]


def clocks(times: Iterable[int]) -> str:
    """Some of them, in order."""
    shown = [clock(each) for each in sorted(times)]
    return ", ".join(shown if len(shown) < 6 else [*shown[:3], "…", *shown[-2:]]) or "never"


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def without_mirrors(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_mirrors(v) for k, v in value.items() if k != "url_list"}
    if isinstance(value, list | tuple):
        return [without_mirrors(each) for each in value]
    return value
