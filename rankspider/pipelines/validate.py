"""Hard checks of each record: what fails one is quarantined with its reason, never stored."""

from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.statscollectors import StatsCollector

from rankspider.endpoint.validation import problem_of, rejected
from rankspider.items import ListItem, RankItem, RejectedItem, UserItem, item_of
from rankspider.pipelines.rejections import Rejections


class ValidatePipeline:
    """Passes sound records on, and a `RejectedItem` in place of the others.

    Counts every record that was read, so that read = stored + unchanged + duplicate + rejected.
    """

    def __init__(self, stats: StatsCollector) -> None:
        self._stats = stats
        self._rejections = Rejections()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        return cls(crawler.stats)

    def process_item(self, given: Any) -> Any:
        item = item_of(given)
        if item is None:
            return given  # a user's own, of another kind
        self._stats.inc_value(f"rank/{item.kind}/read")
        if not isinstance(item, RejectedItem):
            reason = problem_of(item)
            if reason is None:
                self._count_flags(item)
                return given
            record = item.record
            item = rejected(item, reason)
            item.record = record
        self._stats.inc_value(f"rank/{item.kind}/rejected")
        self._rejections.note(item)
        return item

    def _count_flags(self, item: RankItem | UserItem | ListItem) -> None:
        if not isinstance(item, UserItem):
            for flag in item.flags:
                self._stats.inc_value(f"rank/flags/{flag}")
