"""The licence joins a request at the last moment, below everything that logs or stores it."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import urlencode

import aiohttp
from scrapy import Request
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from rankspider import log_filter
from rankspider.crawl.responses import ASKED, LICENCE, Asked
from rankspider.crawl.shutdown import out_of_time
from rankspider.crawl.worker import Worker
from rankspider.endpoint.inflate import inflated
from rankspider.endpoint.redaction import redacted
from rankspider.licences.ledger import CallOutcome
from rankspider.licences.pool import GivenUp, Licence

# A whole answer at once, rather than in pieces of 64 KB.
_READ_BYTES = 1 << 20
_GIGABYTE = 1 << 30


class LicensedDownloadHandler(AiohttpDownloadHandler):
    """Scrapy's handler on aiohttp, with ``token=…`` in the address that goes out.

    The request that Scrapy knows, its fingerprint, the response and every exception keep the
    address without it. Waits until the worker's pool of licences gives leave to send. Whoever
    reads the answer, or the error, reports on the licence; what was cancelled is reported here.

    It costs half of what Scrapy's usual handler does (`benchmarks/README.md`), and asks once:
    that one repeats a call by itself when a kept connection ends without an answer.
    """

    lazy = True  # its session belongs to the running loop
    experimental: ClassVar[bool] = False  # no warning at every start

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._worker = Worker.of(crawler)
        self._session._read_bufsize = _READ_BYTES
        limits = (self._default_maxsize, self._default_warnsize)
        self._most_inflated = min((limit for limit in limits if limit), default=_GIGABYTE)
        # A call that is made again by itself is one more to pay for.
        self._session._retry_connection = False
        # Redirects, proxies and data loss are logged by whoever meets them.
        log_filter.install()
        self._under_way: set[asyncio.Task[Any]] = set()
        crawler.signals.connect(self._end_calls, out_of_time)

    def _end_calls(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def download_request(self, request: Request) -> Response:
        if not self._is_licensed(request):
            return await super().download_request(request)
        pool = self._worker.licences
        licence = request.meta[LICENCE] = await pool.take()
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        asked = request.meta[ASKED] = Asked(dt.datetime.now(dt.UTC))
        began = time.monotonic()
        try:
            return await super().download_request(request)
        except asyncio.CancelledError:
            pool.report(licence, CallOutcome.UNSENT)
            # Scrapy's downloader never learns that a task was cancelled: it would wait for ever.
            raise GivenUp("the call was cut short") from None
        except Exception as error:
            _redact(error, licence.token)
            raise
        finally:
            asked.milliseconds = round((time.monotonic() - began) * 1000)
            self._under_way.discard(task)

    def _is_licensed(self, request: Request) -> bool:
        """Whether it is a call of the endpoint; one of the user's own, to somewhere else, is none.
        A worker that is not open, such as for ``scrapy parse``, has no licences."""
        api_url = self._worker.configuration.api_url
        return (
            self._worker.is_open and api_url is not None and request.url.startswith(f"{api_url}/")
        )

    @asynccontextmanager
    async def _make_request(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109  # Scrapy's
    ) -> AsyncIterator[Any]:
        licence: Licence | None = request.meta.get(LICENCE)
        licensed = request if licence is None else _licensed(request, licence)
        async with super()._make_request(licensed, timeout) as response:
            yield response

    async def _read_response(self, response: Any, request: Request) -> Response:
        answer = await super()._read_response(response, request)
        if LICENCE in request.meta and answer.headers.getlist("Content-Encoding") == [b"gzip"]:
            return self._inflated(answer)
        return answer

    def _inflated(self, answer: Response) -> Response:
        """As `HttpCompressionMiddleware` does it, which has nothing left to do then."""
        body = inflated(answer.body, self._most_inflated)
        if body is None:
            return answer
        assert self.crawler.stats is not None
        self.crawler.stats.inc_value("httpcompression/response_bytes", len(body))
        self.crawler.stats.inc_value("httpcompression/response_count")
        del answer.headers["Content-Encoding"]
        kind = responsetypes.from_args(headers=answer.headers, url=answer.url, body=body)
        return answer.replace(cls=kind, body=body)

    @staticmethod
    async def _iter_body_chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        if response.content_length is not None:  # not beyond what is allowed, as was checked
            yield await response.read()
            return
        async for chunk in response.content.iter_any():
            yield chunk


def _licensed(request: Request, licence: Licence) -> Request:
    joint = "&" if "?" in request.url else "?"
    url = request.url + joint + urlencode({"token": licence.token})
    # As it is: nothing may be put in its place that means the same to some servers only.
    return request.replace(url=url, meta={**request.meta, "verbatim_url": True})


def _redact(error: BaseException, token: str) -> None:
    """Take ``token`` out of what ``error`` says; what caused it may hold the whole address."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(
        redacted(argument, token) if isinstance(argument, str) else argument
        for argument in error.args
    )
