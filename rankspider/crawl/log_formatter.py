"""Say little of each answer and item in the log: nothing that costs as much as the crawl."""

import logging
from typing import Any

from scrapy import Spider
from scrapy.logformatter import LogFormatter, LogFormatterResult

from rankspider.items import Item


class RankLogFormatter(LogFormatter):
    """Items are counted in stats, not logged: an answer brings some 200 of them, and a dropped
    or failed one would be written whole."""

    def scraped(self, item: Any, response: Any, spider: Spider) -> LogFormatterResult | None:  # type: ignore[override]
        return None

    def dropped(  # type: ignore[override]
        self, item: Any, exception: BaseException, response: Any, spider: Spider
    ) -> LogFormatterResult | None:
        return None

    def item_error(
        self, item: Item, exception: BaseException, response: Any, spider: Spider
    ) -> LogFormatterResult:
        return {
            "level": logging.ERROR,
            "msg": "Not stored, so its anchor will be asked again: %(kind)s %(key)s",
            "args": {"kind": type(item).__name__, "key": item.key},
        }
