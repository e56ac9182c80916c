"""A pipeline that fails for one anchor, and says all it knows of the crawl while it does."""

import faulthandler
from typing import Any, Self

from scrapy.crawler import Crawler

from rankspider.crawl.worker import Worker


class TelltalePipeline:
    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_item(self, item: Any) -> Any:
        if item.anchor == self.crawler.settings["TATTLE_OF"]:
            faulthandler.dump_traceback()
            raise RuntimeError(f"all that is known: {self._everything()}")
        return item

    def _everything(self) -> list[str]:
        worker = Worker.of(self.crawler)
        engine: Any = self.crawler.engine
        requests = [*engine.downloader.active, *(engine._slot.inprogress if engine._slot else ())]
        of_requests = [each for request in requests for each in (request, request.meta)]
        licences = worker.licences
        known = [self.crawler.spider, worker, worker.configuration, licences, licences.ledger]
        return [repr(each) for each in (self.crawler, self.crawler.settings, *known, *of_requests)]
