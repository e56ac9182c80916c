"""The licence joins a request at the last moment, below everything that logs or stores it."""

import itertools
from typing import Self
from urllib.parse import urlencode

from scrapy import Request
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response

from rankspider.configuration import Configuration


class LicensedDownloadHandler(BaseDownloadHandler):
    """Scrapy's HTTP download handler, with ``token=…`` in the address that goes out.

    The request that Scrapy knows, its fingerprint, the response and every exception keep the
    address without it. Licences take turns.
    """

    lazy = False

    def __init__(self, crawler: Crawler, api_url: str | None, tokens: tuple[str, ...]) -> None:
        super().__init__(crawler)
        self._inner = HTTP11DownloadHandler(crawler)
        self._api_url = api_url
        self._tokens = itertools.cycle(tokens)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        configuration = Configuration.read(crawler.settings)
        return cls(crawler, configuration.api_url, configuration.api_tokens)

    async def download_request(self, request: Request) -> Response:
        if self._api_url is None or not request.url.startswith(self._api_url + "/"):
            # A request of the user's own, to somewhere else: the licence is not for it.
            return await self._inner.download_request(request)
        token = next(self._tokens)
        joint = "&" if "?" in request.url else "?"
        licensed = request.replace(url=request.url + joint + urlencode({"token": token}))
        try:
            response = await self._inner.download_request(licensed)
        except Exception as error:
            _redact(error, token)
            raise
        return response.replace(url=request.url)

    async def close(self) -> None:
        await self._inner.close()


def _redact(error: BaseException, token: str) -> None:
    """Take ``token`` out of the arguments of ``error`` and of what caused it."""
    seen: BaseException | None = error
    while seen is not None:
        seen.args = tuple(
            argument.replace(token, "***") if isinstance(argument, str) else argument
            for argument in seen.args
        )
        seen = seen.__cause__ or seen.__context__
