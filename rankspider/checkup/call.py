"""One call of the endpoint, without an anchor, decoded and checked as a crawl does it."""

import datetime as dt
import http.client
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit

from rankspider.checkup.clock import ClockReading, of_http_date
from rankspider.endpoint import failure
from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.failure import AnswerError, Failure
from rankspider.endpoint.request import rank_url
from rankspider.endpoint.retry_after import retry_after_seconds
from rankspider.endpoint.validation import problem_of
from rankspider.items import RejectedItem

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16
_MOST_BYTES = 100 << 20


@dataclass(frozen=True, slots=True)
class CallResult:
    """The outcome of the call. ``failed`` is None for a list."""

    failed: Failure | None
    seconds: float
    rows: int = 0
    rejected: tuple[tuple[str, str], ...] = ()
    """Kind and reason of each record of the list that a crawl would reject."""
    status: int | None = None
    """HTTP's; None if no answer came."""
    was_sent: bool = True
    """False: there was no connection, so the licence went nowhere."""
    redirect: str | None = None
    """Scheme and host it points to; it was not followed."""
    clock: ClockReading | None = None

    @property
    def rejected_rows(self) -> int:
        return sum(kind == "rows" for kind, _ in self.rejected)

    @property
    def is_unusable(self) -> bool:
        """Return whether a list came, but nothing of it could be stored."""
        return self.rows > 0 and self.rejected_rows == self.rows


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the licence to another host; nor is its address looked at, which
    may be none."""

    def http_error_302(self, *_: Any, **__: Any) -> None:
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def call(api_url: str, token: str, user_agent: str) -> CallResult:
    """Ask for the list alone. Raises nothing for whatever the endpoint does."""
    url = f"{rank_url(api_url, None)}?{urlencode({'token': token})}"
    request = urllib.request.Request(url, headers={"User-Agent": user_agent})
    opener = urllib.request.build_opener(_NoRedirect)
    sent = time.time()
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            body = _read(response)
            return _answered(response.headers, body, sent)
    except HTTPError as error:
        with error:
            return _refused(error, sent)
    except URLError as error:
        reason = error.reason if isinstance(error.reason, BaseException) else error
        return CallResult(failure.of_network(reason), time.time() - sent, was_sent=False)
    except (OSError, http.client.HTTPException) as error:
        return CallResult(failure.of_network(error), time.time() - sent)


def _read(response: http.client.HTTPResponse) -> bytes:
    body, deadline = bytearray(), time.monotonic() + _TIMEOUT_SECONDS
    while chunk := response.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > _MOST_BYTES or time.monotonic() > deadline:
            raise TimeoutError("the answer is too long, or comes too slowly")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(body)


def _answered(headers: Message, body: bytes, sent: float) -> CallResult:
    received = time.time()
    try:
        answer = decode(body, {name.lower(): value for name, value in headers.items()})
    except AnswerError as error:
        clock = of_http_date(headers.get("Date", ""), sent, received)
        return CallResult(error.failure, received - sent, status=200, clock=clock)
    clock = ClockReading(sent, received, answer.now_ms / 1000, 0.001)
    rows, rejected = len(answer.rows), tuple(_rejected(answer))
    return CallResult(None, received - sent, rows, rejected, 200, clock=clock)


def _rejected(answer: Answer) -> Iterator[tuple[str, str]]:
    for item in Extraction(answer, None, keep_private=False):
        reason = item.reason if isinstance(item, RejectedItem) else problem_of(item)
        if reason is not None:
            yield item.kind, reason


def _refused(error: HTTPError, sent: float) -> CallResult:
    received = time.time()
    wait, date = (error.headers.get(name, "") for name in ("Retry-After", "Date"))
    location = error.headers.get("Location")
    return CallResult(
        failure.of_http_status(
            error.code, retry_after_seconds(wait, date, dt.datetime.now(dt.UTC)), location
        ),
        received - sent,
        status=error.code,
        redirect=_origin(location or "") if 300 <= error.code < 400 else None,
        clock=of_http_date(date, sent, received),
    )


def _origin(location: str) -> str | None:
    """Return scheme and host; None without a host, and for what is no address."""
    try:
        target = urlsplit(location)
    except ValueError:
        return None
    host = target.netloc.rpartition("@")[2]
    return f"{target.scheme or 'http'}://{host}" if host else None
