"""Every failure by its name: what a ``fail-NAME`` token or anchor brings about."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

from aiohttp import web
from msgspec.json import decode, encode

from rankspider.simulator.encoding import bomb
from rankspider.simulator.endpoint import HonestAnswer
from rankspider.simulator.identity import Draw
from rankspider.simulator.options import Options
from rankspider.simulator.rendered_list import ENVELOPE
from rankspider.simulator.replies import REPLIES, Reply
from rankspider.simulator.spoiled import SPOILED, Document
from rankspider.simulator.style import written

ONCE: Final = "once-"
JSON_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}
_NOT_UTF8: Final = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class FailingCall:
    """A call that is to fail, and the honest answer it would have had."""

    request: web.Request
    answer: HonestAnswer
    wrapped: bool
    options: Options

    def body(self) -> bytes:
        """Return the body of the honest answer."""
        return self.answer.body(self.wrapped, self.options.style)


Failure = Callable[[FailingCall], Awaitable[web.StreamResponse]]


def _replying(reply: Reply) -> Failure:
    async def fail(_: FailingCall) -> web.StreamResponse:
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    return fail


def _spoiling(spoil: Callable[[Document], None]) -> Failure:
    async def fail(call: FailingCall) -> web.StreamResponse:
        document = decode(call.answer.body(wrapped=False))
        spoil(document)
        body = encode(document)
        if call.wrapped:
            body = ENVELOPE + body + b"}"
        return web.Response(
            body=written(body, call.options.style, call.answer.variant), headers=JSON_HEADERS
        )

    return fail


async def _reset(call: FailingCall) -> web.StreamResponse:
    """Return the connection ends without a byte of an answer."""
    if call.request.transport is not None:
        call.request.transport.abort()
    return web.Response(status=444)  # as nginx logs it; nobody receives this


async def _cut(call: FailingCall) -> web.StreamResponse:
    """Send half of what ``Content-Length`` promises, then end the connection."""
    body = call.body()
    response = web.StreamResponse(headers=JSON_HEADERS | {"Content-Length": str(len(body))})
    response.force_close()
    await response.prepare(call.request)
    await response.write(body[: len(body) // 2])
    return response


async def _slow(call: FailingCall) -> web.StreamResponse:
    await asyncio.sleep(call.options.slow_seconds)
    return web.Response(body=call.body(), headers=JSON_HEADERS)


async def _bad_utf8(call: FailingCall) -> web.StreamResponse:
    body = call.body().replace("模拟".encode(), _NOT_UTF8)
    return web.Response(body=body, headers=JSON_HEADERS)


async def _redirect(call: FailingCall) -> web.StreamResponse:
    """Redirect to another host, with all that was asked in the address, as a server would that
    moves on to https."""
    location = f"{call.options.redirect_to}{call.request.rel_url}"
    return web.Response(status=302, headers={"Location": location})


async def _throttled_until(_: FailingCall) -> web.StreamResponse:
    """Answer 429 with a moment in ``Retry-After`` in place of seconds, 3 to 4 s away."""
    moment = formatdate(math.ceil(time.time()) + 3, usegmt=True)
    return web.Response(status=429, headers={"Retry-After": moment})


async def _token_echo(call: FailingCall) -> web.StreamResponse:
    """Return a refusal that repeats the licence. A guess, as all of the vendor's refusals."""
    token = call.request.query.get("token", "")
    body = encode({"code": 401, "msg": f"token {token} 无效 ({quote(token)})", "data": []})
    return web.Response(body=body, headers=JSON_HEADERS)


def _bombing(encoding: str) -> Failure:
    async def fail(_: FailingCall) -> web.StreamResponse:
        body = await asyncio.to_thread(bomb, encoding)
        return web.Response(body=body, headers=JSON_HEADERS | {"Content-Encoding": encoding})

    return fail


FAILURES: Final[dict[str, Failure]] = {
    **{name: _replying(reply) for name, reply in REPLIES.items()},
    **{name: _spoiling(spoil) for name, spoil in SPOILED.items()},
    "reset": _reset,
    "cut": _cut,
    "slow": _slow,
    "bad-utf8": _bad_utf8,
    "bomb-gzip": _bombing("gzip"),
    "bomb-br": _bombing("br"),
    "bomb-zstd": _bombing("zstd"),
    "redirect": _redirect,
    "http429-date": _throttled_until,
    "token-echo": _token_echo,
}

# What the platform does under load, and what another try mends.
RETRYABLE: Final = (
    "http500",
    "http502",
    "http503",
    "http429",
    "http444",
    "reset",
    "cut",
    "empty",
    "captcha",
    "verify",
    "busy",
)


def chance_failure(seed: int, fail_rate: float, asked: str, call: int) -> str | None:
    """Return the failure that the ``call``-th call for an anchor meets by chance, the same each
    run."""
    draw = Draw(seed, "failure", asked, call)
    return RETRYABLE[draw.below(len(RETRYABLE))] if draw.share() < fail_rate else None
