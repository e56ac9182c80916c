"""Add the licence to a request at the last moment, below everything that logs or stores it."""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar
from urllib.parse import urlencode

import aiohttp
from scrapy import Request
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import (
    DownloadTimeoutError,
    IgnoreRequest,
    NotConfigured,
    ResponseDataLossError,
)
from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from rankspider import log_filter
from rankspider.crawl.responses import ASKED, LICENCE, URGENT, SentCall
from rankspider.crawl.shutdown import out_of_time
from rankspider.crawl.worker import Worker
from rankspider.endpoint.inflate import inflated, is_damaged
from rankspider.endpoint.redaction import redacted
from rankspider.licences.ledger import CallOutcome
from rankspider.licences.pool import Licence, WorkerStopping

logger = logging.getLogger(__name__)

# A whole answer at once, rather than in pieces of 64 KB.
_READ_BYTES = 1 << 20
_GIGABYTE = 1 << 30
# Cookies, policies and traces make headers of any length; they are bounded all the same.
_HEADER_BYTES, _HEADERS = 1 << 20, 1000
# No JSON and no page begins so.
_FIRST_BYTES = {b"\x1f\x8b": b"gzip", b"\x28\xb5\x2f\xfd": b"zstd"}
_WITHOUT_SIGN = (b"br", b"deflate")
# A cache may compress what was compressed.
_MOST_ENCODINGS = 3
# Of the body of an error, for its words.
_ERROR_BYTES = 1 << 16
_ERROR_SECONDS = 5.0


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
        self._session._max_line_size = self._session._max_field_size = _HEADER_BYTES
        self._session._max_headers = _HEADERS
        self._compression: HttpCompressionMiddleware | None = None
        with suppress(NotConfigured):  # COMPRESSION_ENABLED=0
            self._compression = HttpCompressionMiddleware.from_crawler(crawler)
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
        licence = request.meta[LICENCE] = await pool.take(urgent=request.meta.get(URGENT, False))
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        began = time.monotonic()
        asked = request.meta[ASKED] = SentCall(dt.datetime.now(dt.UTC), began)
        try:
            return await super().download_request(request)
        except asyncio.CancelledError:
            pool.report(licence, CallOutcome.UNSENT)
            # Scrapy's downloader never learns that a task was cancelled: it would wait for ever.
            raise WorkerStopping("the call was cut short") from None
        except Exception as error:
            asked.is_unheard = not (asked.is_heard or _is_of_answer(error))
            _redact(error, licence.token)
            raise
        finally:
            asked.milliseconds = round((time.monotonic() - began) * 1000)
            self._under_way.discard(task)

    def _is_licensed(self, request: Request) -> bool:
        """Return whether ``request`` is a call of the endpoint; one of the user's own, to somewhere
        else, is none. A worker that is not open, such as for ``scrapy parse``, has no licences."""
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
        if LICENCE not in request.meta:
            return await super()._read_response(response, request)
        request.meta[ASKED].is_heard = True
        if response.status != 200:
            # Whatever it says of its length: no more is read than `_start_of`.
            request = request.replace(meta={**request.meta, "download_maxsize": 0})
        answer = await super()._read_response(response, request)
        named = b",".join(answer.headers.getlist("Content-Encoding")).lower().split(b",")
        for _ in range(_MOST_ENCODINGS):
            if encoding := _encoding_of(answer.body, named):
                answer.headers["Content-Encoding"] = encoding
                answer = self._inflated(answer) or self._decoded(answer, request)
        answer.headers.pop("Content-Encoding", None)
        return answer

    def _inflated(self, answer: Response) -> Response | None:
        """Return the answer inflated, as `HttpCompressionMiddleware` does it, which has nothing
        left to do then."""
        if answer.headers.getlist("Content-Encoding") != [b"gzip"]:
            return None
        body = inflated(answer.body, self._most_inflated)
        if body is None:
            return None
        assert self.crawler.stats is not None
        self.crawler.stats.inc_value("httpcompression/response_bytes", len(body))
        self.crawler.stats.inc_value("httpcompression/response_count")
        return _plain(answer, body)

    def _decoded(self, answer: Response, request: Request) -> Response:
        """Return what Scrapy makes of the body. A plain body is one whatever its header says, and
        what cannot be read is left to whoever knows the status. Raises `IgnoreRequest` for a
        bomb."""
        if answer.status == 200 and is_damaged(answer.body, self._most_inflated):
            # Scrapy would take as much of it as can be had.
            raise ResponseDataLossError("the gzip stream is damaged or cut off")
        if self._compression is None:
            return answer
        try:
            decoded = self._compression.process_response(request, answer)
        except IgnoreRequest:
            if answer.status == 200:
                raise
            return _plain(answer, b"")
        except Exception as error:  # noqa: BLE001  # each decoder has its own
            logger.debug("The body does not match its Content-Encoding: %s", type(error).__name__)
            return _plain(answer, answer.body)
        assert isinstance(decoded, Response)
        return _plain(decoded, decoded.body)

    @staticmethod
    async def _iter_body_chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        if response.status != 200:
            yield await _start_of(response)
            return
        if response.content_length is not None:  # not beyond what is allowed, as was checked
            yield await response.read()
            return
        async for chunk in response.content.iter_any():
            yield chunk


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    """Return what came of the body of an error, for its words: the status and the headers say the
    rest, whether it ends in time, as announced, or at all."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_ERROR_SECONDS):
            while len(body) < _ERROR_BYTES and (chunk := await response.content.readany()):
                body += chunk
    if not response.content.at_eof():
        response.close()  # it is not waited for
    return bytes(body[:_ERROR_BYTES])


def _encoding_of(body: bytes, named: list[bytes]) -> bytes | None:
    """Return how ``body`` is compressed, as its first bytes tell, whatever the header says; else by
    the last of those that are ``named``, which is taken out. None if it is plain."""
    by_name = [name.strip() for name in named[-1:]]
    del named[-1:]
    told = next((name for start, name in _FIRST_BYTES.items() if body.startswith(start)), None)
    return told or next((name for name in by_name if name in _WITHOUT_SIGN), None)


def _plain(answer: Response, body: bytes) -> Response:
    """Return ``answer`` with the decoded ``body``."""
    answer.headers.pop("Content-Encoding", None)
    kind = responsetypes.from_args(headers=answer.headers, url=answer.url, body=body)
    return answer.replace(cls=kind, body=body)


def _licensed(request: Request, licence: Licence) -> Request:
    joint = "&" if "?" in request.url else "?"
    url = request.url + joint + urlencode({"token": licence.token})
    # As it is: nothing may be put in its place that means the same to some servers only.
    return request.replace(url=url, meta={**request.meta, "verbatim_url": True})


def _is_of_answer(error: Exception) -> bool:
    """Return whether the endpoint may have answered: it took its time, or sent what is no HTTP."""
    cause = error.__cause__
    is_of_proxy = isinstance(cause, aiohttp.ClientHttpProxyError)
    is_no_http = isinstance(cause, aiohttp.ClientResponseError) and not is_of_proxy
    return is_no_http or isinstance(error, DownloadTimeoutError)


def _redact(error: BaseException, token: str) -> None:
    """Take ``token`` out of what ``error`` says; what caused it may hold the whole address."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(
        redacted(argument, token) if isinstance(argument, str) else argument
        for argument in error.args
    )
