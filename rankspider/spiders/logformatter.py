"""What Scrapy logs of each answer and item: nothing that costs as much as the crawl."""

from typing import Any

from scrapy import Spider
from scrapy.logformatter import LogFormatter, LogFormatterResult


class RankLogFormatter(LogFormatter):
    """Items are counted in stats, not logged: an answer brings some 200 of them, and a dropped
    one would be written whole at WARNING."""

    def scraped(self, item: Any, response: Any, spider: Spider) -> LogFormatterResult | None:  # type: ignore[override]
        return None

    def dropped(  # type: ignore[override]
        self, item: Any, exception: BaseException, response: Any, spider: Spider
    ) -> LogFormatterResult | None:
        return None
