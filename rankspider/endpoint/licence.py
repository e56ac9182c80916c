"""The licence joins a request at the last moment, below everything that logs or stores it."""

import asyncio
import logging
import re
from functools import lru_cache
from typing import Self
from urllib.parse import urlencode

from scrapy import Request
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response

from rankspider.configuration import Configuration
from rankspider.licences.ledger import Outcome
from rankspider.licences.pool import Licence, LicencePool

_TOKEN = re.compile(r"(\btoken=)[^&\s\"'<>]+")

META_KEY = "licence"
"""Under which a request's ``meta`` holds the `Licence` it was sent with."""


class LicensedDownloadHandler(BaseDownloadHandler):
    """Scrapy's HTTP download handler, with ``token=…`` in the address that goes out.

    The request that Scrapy knows, its fingerprint, the response and every exception keep the
    address without it. Waits until the spider's pool of licences gives leave to send. Whoever
    reads the answer, or the error, reports on the licence; what was cancelled is reported here.
    """

    lazy = False

    def __init__(self, crawler: Crawler, api_url: str | None) -> None:
        super().__init__(crawler)
        self._inner = HTTP11DownloadHandler(crawler)
        self._api_url = api_url
        # The inner handler warns of lost data with the address it was given.
        for log_handler in logging.root.handlers:
            log_handler.addFilter(without_token)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler, Configuration.read(crawler.settings).api_url)

    async def download_request(self, request: Request) -> Response:
        pool: LicencePool | None = getattr(self.crawler.spider, "licences", None)
        if pool is None or self._api_url is None or not request.url.startswith(self._api_url + "/"):
            # A request of the user's own, to somewhere else: the licence is not for it.
            return await self._inner.download_request(request)
        licence = request.meta[META_KEY] = await pool.take()
        try:
            response = await self._inner.download_request(_licensed(request, licence))
        except asyncio.CancelledError:
            pool.report(licence, Outcome.UNSENT)
            raise
        except Exception as error:
            _redact(error, licence.token)
            raise
        return response.replace(url=request.url)

    async def close(self) -> None:
        await self._inner.close()


def without_token(record: logging.LogRecord) -> bool:
    """A logging filter: takes licences out of addresses, whoever logs them."""
    message = record.getMessage()
    if "token=" in message:
        record.msg, record.args = _TOKEN.sub(r"\1***", message), None
    return True


def _licensed(request: Request, licence: Licence) -> Request:
    joint = "&" if "?" in request.url else "?"
    return request.replace(url=request.url + joint + urlencode({"token": licence.token}))


def redacted(text: str, token: str) -> str:
    """``text`` without ``token``, as it is and as addresses write it, in whole or in part."""
    return _forms(token).sub("***", text)


@lru_cache(maxsize=256)
def _forms(token: str) -> re.Pattern[str]:
    """Each character as it is or percent-encoded."""
    either = (
        f"(?:{re.escape(char)}|(?i:{_encoded(char.encode('utf-8', 'surrogateescape'))}))"
        for char in token
    )
    return re.compile("".join(either))


def _encoded(raw: bytes) -> str:
    return "".join(f"%{byte:02x}" for byte in raw)


def _redact(error: BaseException, token: str) -> None:
    """Take ``token`` out of the arguments of ``error`` and of what caused it."""
    seen: BaseException | None = error
    while seen is not None:
        seen.args = tuple(
            redacted(argument, token) if isinstance(argument, str) else argument
            for argument in seen.args
        )
        seen = seen.__cause__ or seen.__context__
