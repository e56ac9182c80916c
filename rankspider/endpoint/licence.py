"""The licence joins a request at the last moment, below everything that logs or stores it."""

import asyncio
import html
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import urlencode

import aiohttp
from scrapy import Request
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from rankspider.anchors.shutdown import out_of_time
from rankspider.configuration import Configuration
from rankspider.endpoint.inflate import inflated
from rankspider.licences.ledger import Outcome
from rankspider.licences.pool import GivenUp, Licence, LicencePool

_TOKEN = re.compile(r"(\btoken=)[^&\s\"'<>]+")
# Letters and digits that stand as they are in addresses, JSON, HTML and Python.
_PLAIN = re.compile(r"[0-9A-Za-z._-]+")
_LEAST_CHARACTERS = 8
# A whole answer at once, rather than in pieces of 64 KB.
_READ_BYTES = 1 << 20
_GIGABYTE = 1 << 30

META_KEY = "licence"
"""Under which a request's ``meta`` holds the `Licence` it was sent with."""


class LicensedDownloadHandler(AiohttpDownloadHandler):
    """Scrapy's handler on aiohttp, with ``token=…`` in the address that goes out.

    The request that Scrapy knows, its fingerprint, the response and every exception keep the
    address without it. Waits until the spider's pool of licences gives leave to send. Whoever
    reads the answer, or the error, reports on the licence; what was cancelled is reported here.

    It costs half of what Scrapy's usual handler does (`benchmarks/README.md`), and asks once:
    that one repeats a call by itself when a kept connection ends without an answer.
    """

    lazy = True  # its session belongs to the running loop
    experimental: ClassVar[bool] = False  # no warning at every start

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._api_url = Configuration.read(crawler.settings).api_url
        self._session._read_bufsize = _READ_BYTES
        limits = (self._default_maxsize, self._default_warnsize)
        self._most_inflated = min((limit for limit in limits if limit), default=_GIGABYTE)
        # A call that is made again by itself is one more to pay for.
        self._session._retry_connection = False
        # Redirects, proxies and data loss are logged by whoever meets them.
        for log_handler in logging.root.handlers:
            log_handler.addFilter(without_token)
        self._under_way: set[asyncio.Task[Any]] = set()
        crawler.signals.connect(self._end_calls, out_of_time)

    def _end_calls(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def download_request(self, request: Request) -> Response:
        pool: LicencePool | None = getattr(self.crawler.spider, "licences", None)
        if pool is None or self._api_url is None or not request.url.startswith(self._api_url + "/"):
            # A request of the user's own, to somewhere else: the licence is not for it.
            return await super().download_request(request)
        licence = request.meta[META_KEY] = await pool.take()
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            return await super().download_request(request)
        except asyncio.CancelledError:
            pool.report(licence, Outcome.UNSENT)
            # Scrapy's downloader never learns that a task was cancelled: it would wait for ever.
            raise GivenUp("the call was cut short") from None
        except Exception as error:
            _redact(error, licence.token)
            raise
        finally:
            self._under_way.discard(task)

    @asynccontextmanager
    async def _make_request(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109  # Scrapy's
    ) -> AsyncIterator[Any]:
        licence: Licence | None = request.meta.get(META_KEY)
        licensed = request if licence is None else _licensed(request, licence)
        async with super()._make_request(licensed, timeout) as response:
            yield response

    async def _read_response(self, response: Any, request: Request) -> Response:
        answer = await super()._read_response(response, request)
        if META_KEY in request.meta and answer.headers.getlist("Content-Encoding") == [b"gzip"]:
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


def without_token(record: logging.LogRecord) -> bool:
    """A logging filter: takes licences out of addresses, whoever logs them."""
    message = record.getMessage()
    if "token=" in message:
        record.msg, record.args = _TOKEN.sub(r"\1***", message), None
    return True


def _licensed(request: Request, licence: Licence) -> Request:
    joint = "&" if "?" in request.url else "?"
    url = request.url + joint + urlencode({"token": licence.token})
    # As it is: nothing may be put in its place that means the same to some servers only.
    return request.replace(url=url, meta={**request.meta, "verbatim_url": True})


def redacted(text: str, token: str) -> str:
    """``text`` without ``token``: as it is, and as addresses, JSON, HTML and Python write it."""
    return _forms(token).sub("***", text)


def masked(body: bytes, token: str) -> bytes:
    """An answer's ``body`` without ``token``, for whoever keeps it; nearly always ``body`` itself.

    A licence of less than eight characters is left in it: what looks like one may be a word or a
    number of the answer's own. So may one of digits alone amid other digits.
    """
    if len(token) < _LEAST_CHARACTERS or _plainest_part(token) not in body:
        return body
    return _forms_in_bytes(token).sub(b"***", body)


@lru_cache(maxsize=256)
def _plainest_part(token: str) -> bytes:
    """Which every form has, so that one look tells of all: no encoding changes these."""
    return max(_PLAIN.findall(token), key=len, default="").encode()


@lru_cache(maxsize=256)
def _forms_in_bytes(token: str) -> re.Pattern[bytes]:
    forms = _forms(token).pattern.encode("utf-8", "surrogateescape")
    return re.compile(rb"(?<![0-9])" + forms + rb"(?![0-9])" if token.isdecimal() else forms)


@lru_cache(maxsize=256)
def _forms(token: str) -> re.Pattern[str]:
    """Each character encoded or, if it is not, as it is: "%" and "\\" begin their own codes."""
    return re.compile("".join(f"(?:{'|'.join(_ways_to_write(char))})" for char in token))


def _ways_to_write(char: str) -> Iterator[str]:
    """As patterns, the longest first."""
    raw = char.encode("utf-8", "surrogateescape")
    yield f"(?i:{''.join(f'%{byte:02x}' for byte in raw)})"
    yield f"(?i:{''.join(_escaped(f'x{byte:02x}') for byte in raw)})"
    units = char.encode("utf-16-be", "surrogatepass").hex()
    yield f"(?i:{''.join(_escaped('u' + units[at : at + 4]) for at in range(0, len(units), 4))})"
    if not char.isascii():
        yield _escaped(ascii(char)[2:-1])
    if char in "\"'/\\":
        yield _escaped(re.escape(char))
    if html.escape(char) != char:
        yield re.escape(html.escape(char))
    yield re.escape(char)


def _escaped(code: str) -> str:
    r"""A pattern: behind a backslash, of which JSON within JSON has several."""
    return rf"\\{{1,4}}{code}"


def _redact(error: BaseException, token: str) -> None:
    """Take ``token`` out of what ``error`` says; what caused it may hold the whole address."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(
        redacted(argument, token) if isinstance(argument, str) else argument
        for argument in error.args
    )
