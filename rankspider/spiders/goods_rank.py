"""``scrapy crawl goods_rank``: one call for every anchor on the queue."""

import asyncio
import datetime as dt
import os
import platform
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpauth import HttpAuthMiddleware
from scrapy.downloadermiddlewares.offsite import OffsiteMiddleware
from scrapy.exceptions import CloseSpider, DownloadCancelledError, IgnoreRequest
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.spidermiddlewares.depth import DepthMiddleware
from scrapy.spidermiddlewares.httperror import HttpErrorMiddleware
from scrapy.spidermiddlewares.metacopy import MetaCopyDetectionMiddleware
from scrapy.spidermiddlewares.urllength import UrlLengthMiddleware
from scrapy_redis.spiders import RedisSpider
from twisted.python.failure import Failure as TwistedFailure

from rankspider.archive.answers import AnswerItem
from rankspider.configuration import Configuration, read_flag
from rankspider.connections.redis import connect
from rankspider.connections.redis_keys import Keys
from rankspider.crawl.acknowledge import META_KEY
from rankspider.crawl.download import ASKED_META_KEY, Asked
from rankspider.crawl.download import META_KEY as LICENCE_META_KEY
from rankspider.dedupe.arbiter import Arbiter
from rankspider.dedupe.news import Dedupe, News
from rankspider.endpoint import failure
from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.failure import AnswerError, Failure, Verdict
from rankspider.endpoint.redaction import masked, redacted
from rankspider.endpoint.request import STRICT_SEC_UID, rank_url
from rankspider.endpoint.retry_after import retry_after_seconds
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import ConfigurationError, MemberError
from rankspider.items import Item, RankedList
from rankspider.lake.call import OK, Call
from rankspider.lake.store import Store
from rankspider.licences.ledger import CallOutcome, Rates
from rankspider.licences.outcomes import outcome_of
from rankspider.licences.pool import AllLicencesRefused, GivenUp, Licence, LicencePool
from rankspider.licences.watch import TokensFile
from rankspider.queue.anchor_queue import AnchorQueue
from rankspider.queue.deliveries import Deliveries, Delivery
from rankspider.queue.repair import RepairDuty

# Each takes time for every answer and has nothing to do here: one address is asked, no request
# comes from an answer, and every status is read. Other spiders keep theirs.
_IDLE_MIDDLEWARES = {
    "DOWNLOADER_MIDDLEWARES": (HttpAuthMiddleware, OffsiteMiddleware),
    "SPIDER_MIDDLEWARES": (
        DepthMiddleware,
        HttpErrorMiddleware,
        MetaCopyDetectionMiddleware,
        UrlLengthMiddleware,
    ),
}
# How long an idle worker sleeps before it looks at the queue again.
_POLL_SECONDS = 0.25
# Anchors in hand for each call under way, so that the next is at hand when one ends.
_ROOM = 2
# And those that wait for MongoDB: they must not stop the others, and join in fewer, larger writes.
_STORING_ROOM = 64


class GoodsRankSpider(RedisSpider):  # type: ignore[misc]  # scrapy-redis has no types
    """A scrapy-redis spider in shape; what it takes is leased, and acknowledged when durable.

    ``-a redis_key=…`` reads another queue, ``-a drain=1`` ends once it is empty fleet-wide.
    """

    name = "goods_rank"
    # Those of scrapy-redis's that choose how it takes work mean nothing here.
    arguments = ("redis_key", "drain")
    redis_key: str | None
    deliveries: Deliveries
    licences: LicencePool
    store: Store
    dedupe: Dedupe
    cut_off: RepairDuty
    _closing: asyncio.Future[None] | None = None

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        for setting, middlewares in _IDLE_MIDDLEWARES.items():
            for middleware in middlewares:
                settings.setdefault_in_component_priority_dict(setting, middleware, None)
            # Scrapy's process puts the project's own over whatever is of its priority or less.
            settings.set(setting, settings.getdict(setting), priority="spider")

    def setup_redis(self, crawler: Crawler | None = None) -> None:
        """Called by scrapy-redis from ``from_crawler``, in place of its own."""
        assert crawler is not None
        self.configuration = Configuration.read(crawler.settings)
        self.configuration.require_endpoint()
        self.redis_key = self.redis_key or self.configuration.queue_key
        drain = getattr(self, "drain", self.configuration.stop_when_drained)
        self.stops_when_drained = read_flag("drain", drain)
        self.server = connect(crawler.settings)
        assert self.configuration.mongo_uri is not None  # the crawl command has seen to it
        self.store = Store(
            self.configuration.mongo_uri,
            self.configuration.mongo_database,
            self.configuration.retention,
            is_all_there=lambda: self.deliveries.are_only_storing,
        )
        self._settling: set[asyncio.Task[None]] = set()
        self._worker = f"{platform.node()}:{os.getpid()}"
        crawler.signals.connect(self._open_deliveries, signals.spider_opened)
        crawler.signals.connect(self._close_deliveries, signals.spider_closed)

    def _open_deliveries(self) -> None:
        assert self.redis_key is not None
        assert self.crawler.stats is not None
        queue = AnchorQueue(
            self.server,
            Keys.of(self.redis_key),
            owner=self._worker,
            lease_seconds=self.configuration.lease_seconds,
            max_deliveries=self.configuration.max_deliveries,
        )
        self.deliveries = Deliveries(
            queue,
            self.crawler.stats,
            room=_ROOM * self.crawler.settings.getint("CONCURRENT_REQUESTS"),
            storing_room=self._storing_room,
            lease_seconds=self.configuration.lease_seconds,
            backoff_seconds=self.configuration.backoff_seconds,
            on_crash=self._stop_after_crash,
        )
        self.cut_off = RepairDuty(queue, self._make_lake_whole)
        self.deliveries.start()
        self.licences = LicencePool(
            self.server,
            Keys.of(self.redis_key),
            self.configuration.api_tokens,
            rates=Rates(
                each=self.configuration.requests_per_second_per_token,
                total=self.configuration.requests_per_second,
            ),
            on_change=lambda change: self._inc(f"rank/licences/{change.state}"),
            on_wait=lambda why, _: self._inc(f"rank/licences/waits/{why}"),
        )
        stem = f"{Keys.of(self.redis_key).dedupe}:{self.store.identity}"
        self.dedupe = Dedupe(
            Arbiter(self.server, stem, self.store.newest_observation),
            self.store.seen_later,
            keep_private=self.configuration.keep_private_fields,
            at_once=self.crawler.settings.getint("CONCURRENT_REQUESTS"),
        )
        self._watching = asyncio.ensure_future(self._watch_tokens())

    def _storing_room(self) -> int:
        # A kill would waste the calls that wait: none is added to them during an outage.
        if self.store.is_away:
            return 0
        concurrent: int = self.crawler.settings.getint("CONCURRENT_REQUESTS")
        return _STORING_ROOM * concurrent

    async def _make_lake_whole(self) -> None:
        count = await self.store.make_whole()
        self._inc("rank/lake/made_whole", count)
        self.logger.info(
            "After a worker was cut off: %d documents brought up to their history", count
        )

    async def _watch_tokens(self) -> None:
        path = self.configuration.tokens_file
        if path is not None:
            tokens = TokensFile(path, self.configuration.api_tokens)
            await tokens.watch(self.licences.set_tokens)

    async def start(self) -> AsyncIterator[Any]:
        """Lease anchors as there is room for them, until drained or stopped."""
        await self.licences.reconsider()
        while self._closing is None:
            try:
                deliveries, waiting = await self.deliveries.take()
            except ConfigurationError as error:
                self.logger.error("%s", error)
                raise CloseSpider("error") from None
            for delivery in deliveries:
                request = self._request_of(delivery)
                if request is not None:
                    yield request
            if not deliveries and not waiting:
                await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        if self.stops_when_drained and not self.deliveries.in_hand:
            is_drained = (await self.deliveries.counts()).drained
            if is_drained and await self.cut_off.is_mended():
                raise CloseSpider("drained")
        await asyncio.sleep(_POLL_SECONDS)

    def _request_of(self, delivery: Delivery) -> Request | None:
        """The call for ``delivery``, or None after its member was refused."""
        try:
            delivery.sec_uid = sec_uid_of(delivery.lease.member)
        except MemberError as error:
            delivery.fail("not-an-anchor", str(error), hopeless=True)
            self.deliveries.complete(delivery)
            return None
        if not STRICT_SEC_UID.fullmatch(delivery.sec_uid):
            self._inc("rank/anchors/unusual_sec_id")
            self.logger.warning(
                "Unusual length of sec_id, asked all the same: %s", delivery.sec_uid
            )
        request = self.make_request_from_data(delivery.sec_uid)
        request.meta[META_KEY] = delivery
        return request

    def make_request_from_data(self, data: str) -> Request:
        """The call for the anchor whose ``sec_uid`` is ``data``."""
        assert self.configuration.api_url is not None
        url = rank_url(self.configuration.api_url, data)
        return Request(url, callback=self.parse, errback=self.on_download_error, dont_filter=True)

    async def parse(self, response: Response, **kwargs: Any) -> AsyncIterator[Item | AnswerItem]:
        """Yield the list's state, a `RankItem` and a `UserItem` a row, and what is rejected.

        With ``RANK_ARCHIVE``, the answer itself as well, whether it holds a list or not.
        """
        response = _unlicensed(response)
        delivery: Delivery | None = response.meta.get(META_KEY)
        anchor = delivery.sec_uid if delivery else None
        try:
            answer = self._read(response)
            if self.configuration.archive:
                archived = AnswerItem.of_list(response.body, answer, anchor)
                yield archived
                # Nothing may stand in the lake that no archived answer says, whatever is killed.
                await archived.ended.wait()
                if not archived.is_durable:
                    return  # the anchor has failed with it
            news = await self.dedupe.news_of(answer, anchor)
        except AnswerError as error:
            failed = error.failure
            self._note_failure(response.meta, failed, response)
            if self.configuration.archive and response.status == 200:
                headers = {
                    name: _unlicensed_text(value, response.meta)
                    for name, value in _headers(response).items()
                }
                yield AnswerItem.of_failure(response.body, headers, failed, anchor)
            return
        self._inc("rank/answers/ok")
        self._inc("rank/answers/mended", answer.is_mended)
        self._report(response.meta, CallOutcome.OK)
        if delivery is not None:
            delivery.records = [item.record for item in news.items]
        try:
            while news.items:
                yield news.items.pop(0)
        finally:
            # The engine wants no more: what it has not taken is on its way no longer.
            for item in news.items:
                self.dedupe.lost(item.record, asyncio.CancelledError())
        self._count(news)
        call = self._call_of(response.meta, OK, response, **news.read.said)
        on_record = self._on_record(call, [*news.pending], news.read.ranked_list)
        self._settle(on_record, delivery)

    def _read(self, response: Response) -> Answer:
        """Raises `AnswerError`. An answer that is archived is read through first."""
        if response.status != 200:
            raise AnswerError(_http_failure(response))
        trusting = not self.configuration.archive
        known = self.dedupe.list_texts
        return decode(response.body, _headers(response), trusting=trusting, known=known)

    def _call_of(
        self, meta: dict[str, Any], outcome: str, response: Response | None, **said: Any
    ) -> Call | None:
        """What is known of a call that was made; None if none was."""
        asked: Asked | None = meta.get(ASKED_META_KEY)
        if asked is None:
            return None
        delivery: Delivery | None = meta.get(META_KEY)
        licence: Licence | None = meta.get(LICENCE_META_KEY)
        return Call(
            anchor=delivery.sec_uid if delivery else None,
            asked_at=asked.at,
            milliseconds=asked.milliseconds,
            purpose="queue",
            outcome=outcome,
            status=response.status if response else None,
            bytes=len(response.body) if response else None,
            licence=licence.fingerprint if licence else None,
            worker=self._worker,
            **said,
        )

    async def _on_record(
        self,
        call: Call | None,
        pending: Iterable["asyncio.Future[None]"] = (),
        ranked_list: RankedList | None = None,
    ) -> None:
        """Return when all that is ``pending`` is durable, and then ``call`` on record."""
        await asyncio.gather(*pending)
        if call is not None:
            await self.store.note(call, ranked_list)

    def _settle(self, storing: Coroutine[Any, Any, None], delivery: Delivery | None) -> None:
        """An anchor must not be acknowledged before ``storing`` ends.

        The answer itself is let go of meanwhile: many wait, and each has some 450 KB.
        """

        def over(task: "asyncio.Task[None]") -> None:
            self._settling.discard(task)
            if task.cancelled() or isinstance(task.exception(), asyncio.CancelledError):
                return  # the worker stops: the anchor goes back to the queue
            error = task.exception()
            if error is not None:
                message = f"{type(error).__name__}: {error}"[:500]
                self.logger.error("Not stored: %s", message)
            if delivery is not None:
                if error is not None:
                    delivery.fail("store-error", message)
                self.deliveries.item_ended(delivery)

        if delivery is not None:
            delivery.open_items += 1
        task = asyncio.create_task(storing)
        self._settling.add(task)
        task.add_done_callback(over)

    async def settled(self) -> None:
        """Return when nothing is on its way to the lake any more."""
        if hasattr(self, "cut_off"):
            await self.cut_off.close()
        while self._settling:
            await asyncio.wait(self._settling)

    def _count(self, news: News) -> None:
        """Account for what brought nothing new, and so no items."""
        if news.read.ranked_list is not None and not news.read.whole.rows.versions:
            self._inc("rank/lists/empty")
        for outcome, counts in (
            ("unchanged", news.unchanged),
            ("duplicate", news.repeated),
            ("rejected", news.rejected),
        ):
            for kind, count in counts.items():
                self._inc(f"rank/{kind}/read", count)
                self._inc(f"rank/{kind}/{outcome}", count)

    def on_download_error(self, error: TwistedFailure) -> None:
        """No answer came at all."""
        delivery: Delivery | None = error.request.meta.get(META_KEY)  # type: ignore[attr-defined]
        assert error.value is not None
        if isinstance(error.value, AllLicencesRefused | GivenUp):
            self._not_asked(delivery, error.value)
        else:
            self._note_failure(error.request.meta, _download_failure(error.value))  # type: ignore[attr-defined]
        if delivery is not None:
            self.deliveries.complete(delivery)

    def _not_asked(self, delivery: Delivery | None, error: AllLicencesRefused | GivenUp) -> None:
        """No licence was to be had, or the worker is stopping."""
        if delivery is not None:
            delivery.is_blameless = True
        if isinstance(error, AllLicencesRefused) and not self._closing:
            self.logger.error("%s", error)
            self._close("licences-refused")

    def _report(
        self, meta: dict[str, Any], outcome: CallOutcome, retry_after: float | None = None
    ) -> None:
        licence: Licence | None = meta.get(LICENCE_META_KEY)
        if licence is not None:
            self.licences.report(licence, outcome, retry_after)

    def _note_failure(
        self, meta: dict[str, Any], failed: Failure, response: Response | None = None
    ) -> None:
        self._report(meta, outcome_of(failed), failed.retry_after)
        self._inc(f"rank/answers/failed/{failed.name}")
        message = _unlicensed_text(failed.message, meta)
        self.logger.info("No list: %s (%s)", failed.name, message)
        delivery: Delivery | None = meta.get(META_KEY)
        self._settle(self._on_record(self._call_of(meta, failed.name, response)), delivery)
        if delivery is not None:
            # A licence that is refused, used up or too fast is no anchor's fault.
            delivery.is_blameless = failed.verdict is Verdict.LICENCE or failed.name == "too-fast"
            delivery.fail(
                failed.name,
                message,
                hopeless=failed.verdict is Verdict.ANCHOR_WRONG,
                retry_after=failed.retry_after,
            )

    async def _close_deliveries(self) -> None:
        self._watching.cancel()
        await self.deliveries.close(self.configuration.shutdown_seconds)
        await self.licences.close()
        await self.dedupe.close()
        await self.server.aclose()

    def _stop_after_crash(self) -> None:
        self._close("error")

    def _close(self, reason: str) -> None:
        assert self.crawler.engine is not None
        self.deliveries.stop()
        self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))

    def _inc(self, name: str, count: int = 1) -> None:
        assert self.crawler.stats is not None
        if count:
            self.crawler.stats.inc_value(name, count)


def _unlicensed(response: Response) -> Response:
    """Without the licence that it was asked with, which a server may repeat: none is stored."""
    licence: Licence | None = response.meta.get(LICENCE_META_KEY)
    if licence is None:
        return response
    body = masked(response.body, licence.token)
    return response if body is response.body else response.replace(body=body)


def _unlicensed_text(text: str, meta: dict[str, Any]) -> str:
    licence: Licence | None = meta.get(LICENCE_META_KEY)
    return redacted(text, licence.token) if licence else text


def _headers(response: Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): b",".join(values).decode("latin-1")
        for name, values in response.headers.items()
    }


def _http_failure(response: Response) -> Failure:
    headers = _headers(response)
    wait = retry_after_seconds(
        headers.get("retry-after", ""), headers.get("date", ""), dt.datetime.now(dt.UTC)
    )
    return failure.of_http_status(response.status, wait, headers.get("location"))


def _download_failure(error: BaseException) -> Failure:
    # What Scrapy raises for a body beyond DOWNLOAD_MAXSIZE: inflated, and as announced.
    if isinstance(error, IgnoreRequest | DownloadCancelledError):
        return failure.overlong()
    return failure.of_network(error)
