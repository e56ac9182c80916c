"""Hard checks of each record: what fails one is quarantined with its reason, never stored."""

from typing import Self

import msgspec
from scrapy.crawler import Crawler
from scrapy.statscollectors import StatsCollector

from rankspider.endpoint.request import SEC_UID
from rankspider.items import Item, ListItem, RankItem, RejectedItem, UserItem

_INT64 = 1 << 63


class ValidatePipeline:
    """Passes sound records on, and a `RejectedItem` in place of the others.

    Counts every record that was read, so that read = stored + unchanged + duplicate + rejected.
    """

    def __init__(self, stats: StatsCollector) -> None:
        self._stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        return cls(crawler.stats)

    def process_item(self, item: Item) -> Item:
        self._stats.inc_value(f"rank/{item.kind}/read")
        if not isinstance(item, RejectedItem):
            reason = _problem(item)
            if reason is None:
                return item
            payload = msgspec.json.encode(item).decode()
            item = RejectedItem(item.kind, reason, payload, item.anchor, item.observed_at)
        self._stats.inc_value(f"rank/{item.kind}/rejected")
        return item


def _problem(item: RankItem | UserItem | ListItem) -> str | None:
    """Why ``item`` cannot be trusted, or None."""
    if isinstance(item, ListItem):
        return None
    if not (item.user_id.isascii() and item.user_id.isdigit() and len(item.user_id) <= 20):
        return "id_str is not a number of up to 20 digits"
    if not SEC_UID.fullmatch(item.sec_uid):
        return "sec_uid is not of the known form"
    if isinstance(item, RankItem):
        return _problem_of_standing(item)
    if not -_INT64 <= item.short_id < _INT64:
        return "short_id is beyond 64 bits"
    return None


def _problem_of_standing(item: RankItem) -> str | None:
    if not 0 <= item.rank < _INT64:
        return "rank is below 0"
    if not 0 <= item.score < _INT64:
        return "score is below 0"
    if not -_INT64 <= item.delta < _INT64:
        return "delta is beyond 64 bits"
    return None
