"""Every failure by its name: what a ``fail-NAME`` token or anchor brings about."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from msgspec.json import decode, encode

from rankspider.simulator.edition import ENVELOPE
from rankspider.simulator.endpoint import Answer
from rankspider.simulator.identity import Draw
from rankspider.simulator.replies import REPLIES, Reply
from rankspider.simulator.spoiled import SPOILED, Document

ONCE: Final = "once-"
JSON_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}
_NOT_UTF8: Final = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is to fail, and the honest answer it would have had."""

    request: web.Request
    answer: Answer
    wrapped: bool
    slow_seconds: float

    def honest(self) -> web.Response:
        return web.Response(body=self.answer.body(self.wrapped), headers=JSON_HEADERS)


Failure = Callable[[Call], Awaitable[web.StreamResponse]]


def _replying(reply: Reply) -> Failure:
    async def fail(_: Call) -> web.StreamResponse:
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    return fail


def _spoiling(spoil: Callable[[Document], None]) -> Failure:
    async def fail(call: Call) -> web.StreamResponse:
        document = decode(call.answer.body(wrapped=False))
        spoil(document)
        body = encode(document)
        if call.wrapped:
            body = ENVELOPE + body + b"}"
        return web.Response(body=body, headers=JSON_HEADERS)

    return fail


async def _reset(call: Call) -> web.StreamResponse:
    """The connection ends without a byte of an answer."""
    if call.request.transport is not None:
        call.request.transport.abort()
    return web.Response(status=444)  # as nginx logs it; nobody receives this


async def _cut(call: Call) -> web.StreamResponse:
    """Half of what ``Content-Length`` promises, then the end of the connection."""
    body = call.answer.body(call.wrapped)
    response = web.StreamResponse(headers=JSON_HEADERS | {"Content-Length": str(len(body))})
    response.force_close()
    await response.prepare(call.request)
    await response.write(body[: len(body) // 2])
    return response


async def _slow(call: Call) -> web.StreamResponse:
    await asyncio.sleep(call.slow_seconds)
    return call.honest()


async def _bad_utf8(call: Call) -> web.StreamResponse:
    body = call.answer.body(call.wrapped).replace("模拟".encode(), _NOT_UTF8)
    return web.Response(body=body, headers=JSON_HEADERS)


FAILURES: Final[dict[str, Failure]] = {
    **{name: _replying(reply) for name, reply in REPLIES.items()},
    **{name: _spoiling(spoil) for name, spoil in SPOILED.items()},
    "reset": _reset,
    "cut": _cut,
    "slow": _slow,
    "bad-utf8": _bad_utf8,
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
    """The failure that the ``call``-th call for an anchor meets by chance, the same each run."""
    draw = Draw(seed, "failure", asked, call)
    return RETRYABLE[draw.below(len(RETRYABLE))] if draw.share() < fail_rate else None
