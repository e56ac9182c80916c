"""The simulator on the network: an aiohttp application and its routes."""

import asyncio
import math
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from msgspec import DecodeError
from msgspec.json import decode, encode

from rankspider.simulator.clock import Clock, PaceByAnswers, PaceBySeconds
from rankspider.simulator.encoding import compressed
from rankspider.simulator.endpoint import HonestAnswer, RankEndpoint
from rankspider.simulator.failures import FAILURES, JSON_HEADERS, ONCE, FailingCall, chance_failure
from rankspider.simulator.identity import SEC_UID, Draw, failure_asked_for
from rankspider.simulator.journal import AnswerCounts, AnswerJournal
from rankspider.simulator.options import Options
from rankspider.simulator.world import World

PATH: Final = "/douyin/webcast/rank_goods"
ENCODINGS: Final = ("identity", "gzip", "br", "zstd")
SERVER: Final = "rankspider-simulator"
CHANGEABLE: Final = (
    *("fail_rate", "latency_ms", "jitter_ms", "slow_seconds", "envelope", "style", "sample"),
    *("redirect_to", "start_ms"),
)


class Simulator:
    """The routes, and what they share. `OSError` if a file of ``options`` cannot be opened."""

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self.options = options
        self.counts = AnswerCounts()
        self._clock = clock or Clock(options.start_ms, options.speed)
        world = World(options.seed, options.anchors, options.rows, options.churn)
        every = options.change_every
        pace = PaceByAnswers(every) if every else PaceBySeconds(options.change_seconds)
        self._endpoint = RankEndpoint(world, self._clock, pace)
        self._sample = options.sample.read_bytes() if options.sample else None
        self._record = AnswerJournal(options.record) if options.record else None
        self._numbers = count()

    async def rank_goods(self, request: web.Request) -> web.StreamResponse:
        """Return the one route of the vendor."""
        token = request.query.get("token", "")
        asked = request.query.get("sec_anchor_id") or None
        number = next(self._numbers)
        nth = self.counts.count_call(token, asked or "")
        await self._linger(number)
        if self._sample is not None:
            return self._only_sample(self._sample, asked)
        failure = self._failure(token, asked, nth)
        answer = self._endpoint.answer(asked if asked and SEC_UID.fullmatch(asked) else None)
        response = await self._respond(request, answer, failure, number)
        self.counts.count_answer(failure)
        if self._record:
            self._record.write(answer, asked, response.status, failure)
        return response

    async def _respond(
        self, request: web.Request, answer: HonestAnswer, failure: str | None, number: int
    ) -> web.StreamResponse:
        envelope = self.options.envelope
        wrapped = envelope == "code" or (envelope == "mixed" and number % 2 == 1)
        if failure is None:
            return self._honest(request, answer, wrapped, number)
        return await FAILURES[failure](FailingCall(request, answer, wrapped, self.options))

    def _failure(self, token: str, asked: str | None, nth: int) -> str | None:
        """Return the name of this call's failure; ``nth`` call for its anchor."""
        named = failure_asked_for(token, asked)
        if named is not None:
            known = named.removeprefix(ONCE)
            if known not in FAILURES:
                raise web.HTTPBadRequest(text=f"no failure {known!r}: see /_simulator/failures")
            return known if known == named or nth == 1 else None
        if not token:
            return "token-invalid"
        if asked is not None and not SEC_UID.fullmatch(asked):
            return "params"
        return chance_failure(self.options.seed, self.options.fail_rate, asked or "", nth)

    def _honest(
        self, request: web.Request, answer: HonestAnswer, wrapped: bool, number: int
    ) -> web.Response:
        encoding, style = str(self.options.encoding), self.options.style
        if encoding == "mixed":
            encoding = ENCODINGS[number % len(ENCODINGS)]
        if encoding == "identity" or encoding not in accepted(request):
            return web.Response(body=answer.body(wrapped, style), headers=JSON_HEADERS)
        if encoding == "gzip":
            body = answer.gzipped(wrapped, style)
        else:
            body = compressed(answer.body(wrapped, style), encoding)
        headers = JSON_HEADERS | {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}
        return web.Response(body=body, headers=headers)

    def _only_sample(self, sample: bytes, asked: str | None) -> web.Response:
        self.counts.count_answer(None)
        if self._record:
            self._record.write_sample(self._clock.now_ms(), asked)
        return web.Response(body=sample, headers=JSON_HEADERS)

    async def _linger(self, number: int) -> None:
        """Wait as long as a real answer takes."""
        wait = self.options.latency_ms
        if self.options.jitter_ms:
            drawn = Draw(self.options.seed, "jitter", number).share()
            wait -= self.options.jitter_ms * math.log(1 - drawn)
        if wait:
            await asyncio.sleep(wait / 1000)

    async def failures(self, _: web.Request) -> web.Response:
        return web.json_response(sorted(FAILURES))

    async def stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.counts.stats())

    async def calls(self, _: web.Request) -> web.Response:
        return web.json_response(self.counts.calls)

    async def configure(self, request: web.Request) -> web.Response:
        """Change some options while running; the answer shows them all."""
        try:
            wanted = decode(await request.read(), type=dict[str, Any])
            self._apply(wanted)
        except (DecodeError, ValueError, OSError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        shown = {name: getattr(self.options, name) for name in CHANGEABLE}
        return web.Response(body=encode(shown, enc_hook=str), headers=JSON_HEADERS)

    def _apply(self, wanted: dict[str, Any]) -> None:
        if unknown := wanted.keys() - set(CHANGEABLE):
            raise ValueError(f"cannot change {', '.join(sorted(unknown))} while running")
        if wanted.get("sample") is not None:
            wanted["sample"] = Path(str(wanted["sample"]))
        options = replace(self.options, **wanted)
        if "start_ms" in wanted:
            self._clock.set(options.start_ms)
        self._sample = options.sample.read_bytes() if options.sample else None
        self.options = options

    async def close(self, _: web.Application) -> None:
        if self._record:
            self._record.close()


def accepted(request: web.Request) -> set[str]:
    """Return the encodings that the caller takes, whatever it prefers."""
    offered = request.headers.get("Accept-Encoding", "").split(",")
    return {each.partition(";")[0].strip().lower() for each in offered}


async def _say_who(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


SIMULATOR: Final = web.AppKey("simulator", Simulator)


def make_app(options: Options, clock: Clock | None = None) -> web.Application:
    """Return the application; its `Simulator` is at ``app[SIMULATOR]``.

    Raises `OSError` if a file that ``options`` names cannot be opened.
    """
    simulator = Simulator(options, clock)
    app = web.Application()
    app[SIMULATOR] = simulator
    app.on_response_prepare.append(_say_who)
    app.on_cleanup.append(simulator.close)
    app.router.add_get(PATH, simulator.rank_goods)
    app.router.add_get("/_simulator/failures", simulator.failures)
    app.router.add_get("/_simulator/stats", simulator.stats)
    app.router.add_get("/_simulator/calls", simulator.calls)
    app.router.add_post("/_simulator/config", simulator.configure)
    return app
