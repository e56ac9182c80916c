"""Tell what a response, or its absence, says to this project, without the licence it was asked
with."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from scrapy.exceptions import DownloadCancelledError, IgnoreRequest
from scrapy.http import Response

from rankspider.endpoint import failure
from rankspider.endpoint.failure import Failure
from rankspider.endpoint.redaction import masked, redacted
from rankspider.endpoint.retry_after import retry_after_seconds
from rankspider.endpoint.vendor_message import vendor_message
from rankspider.licences.pool import Licence
from rankspider.queue.deliveries import Delivery

DELIVERY = "delivery"
"""Under which a request's ``meta`` holds the `Delivery` of its anchor."""
LICENCE = "licence"
"""The same, of the `Licence` it was sent with."""
URGENT = "urgent"
"""The same, of whether it is to be sent before all others."""
ASKED = "asked"
"""The same, of when it left."""


@dataclass(slots=True)
class SentCall:
    """One call that was made."""

    at: dt.datetime
    """When it left, UTC, by this machine's clock."""
    left_at: float
    """The same by the loop's clock, s."""
    milliseconds: int = 0
    """Until it was answered, or failed."""
    is_heard: bool = False
    """Its answer has begun to come."""
    is_unheard: bool = False
    """The connection ended before anything of an answer came."""


def delivery_of(response: Response | None) -> Delivery | None:
    """Return the delivery that the response belongs to; None if it belongs to no anchor of the
    queue."""
    # Scrapy hands out other things as well for an item that came of no response.
    if not isinstance(response, Response):
        return None
    delivery: Delivery | None = response.meta.get(DELIVERY)
    return delivery


def mask_of(response: Response) -> Callable[[bytes], bytes]:
    """Return what takes the licence of ``response``, which a server may repeat, out of its body or
    a part of it."""
    licence: Licence | None = response.meta.get(LICENCE)
    return partial(masked, token=licence.token) if licence else bytes


def unlicensed(response: Response) -> Response:
    """Return ``response`` without its licence: none is stored."""
    body = mask_of(response)(response.body)
    return response if body is response.body else response.replace(body=body)


def unlicensed_text(text: str, meta: dict[str, Any]) -> str:
    """Return ``text`` without the licence of the request that has this ``meta``."""
    licence: Licence | None = meta.get(LICENCE)
    return redacted(text, licence.token) if licence else text


def headers_of(response: Response) -> dict[str, str]:
    """Return the headers by lower-case name."""
    return {
        name.decode("latin-1").lower(): b",".join(values).decode("latin-1")
        for name, values in response.headers.items()
    }


def failure_of_status(response: Response) -> Failure:
    """Return what an HTTP status other than 200 means."""
    headers = headers_of(response)
    wait = retry_after_seconds(
        headers.get("retry-after", ""), headers.get("date", ""), dt.datetime.now(dt.UTC)
    )
    message = vendor_message(response.body)
    return failure.of_http_status(response.status, wait, headers.get("location"), message)


def failure_of_download(error: BaseException) -> Failure:
    """Return what it means that no answer came."""
    # What Scrapy raises for a body beyond DOWNLOAD_MAXSIZE: inflated, and as announced.
    if isinstance(error, IgnoreRequest | DownloadCancelledError):
        return failure.overlong()
    return failure.of_network(error)
