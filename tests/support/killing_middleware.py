"""A downloader middleware that dies with its whole process at one anchor, as a crash would."""

import os
import signal
from typing import Self

from scrapy import Request
from scrapy.crawler import Crawler


class KillingMiddleware:
    def __init__(self, sec_uid: str) -> None:
        self.sec_uid = sec_uid

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings["POISON"])

    def process_request(self, request: Request) -> None:
        if self.sec_uid in request.url:
            os.kill(os.getpid(), signal.SIGKILL)
