"""``scrapy crawl goods_rank``: one call for every anchor on the queue."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy_redis.spiders import RedisSpider
from twisted.python.failure import Failure as TwistedFailure

from rankspider.archive.answers import AnswerToArchive
from rankspider.configuration import read_flag
from rankspider.crawl.responses import (
    DELIVERY,
    URGENT,
    delivery_of,
    failure_of_download,
    failure_of_status,
    headers_of,
    mask_of,
    unlicensed,
    unlicensed_text,
)
from rankspider.crawl.worker import Worker
from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.failure import AnswerError, Failure
from rankspider.endpoint.request import STRICT_SEC_UID, rank_url
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, RankspiderError, ServiceUnavailable
from rankspider.items import Item
from rankspider.licences.pool import AllLicencesRefused, WorkerStopping
from rankspider.queue.deliveries import Delivery
from rankspider.spiders.parts import SETTINGS, add_parts, require_parts

# How long an idle worker sleeps before it looks at the queue again.
_POLL_SECONDS = 0.25
# Before all requests of priority 0.
_FIRST = 1000


class GoodsRankSpider(RedisSpider):  # type: ignore[misc]  # scrapy-redis has no types
    """A scrapy-redis spider in shape; what it takes is leased, and acknowledged when durable.

    ``-a redis_key=…`` reads another queue, ``-a drain=1`` ends once it is empty fleet-wide.
    """

    name = "goods_rank"
    # Those of scrapy-redis's that choose how it takes work mean nothing here.
    arguments = ("redis_key", "drain")
    custom_settings = SETTINGS
    redis_key: str | None
    drain: str | None = None

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Put in the parts that this spider needs. Raises `ConfigurationError` for settings that
        leave one out."""
        super().update_settings(settings)
        add_parts(settings)
        require_parts(settings)

    def setup_redis(self, crawler: Crawler | None = None) -> None:
        """Leave the connecting to the `Worker`, once the spider starts; scrapy-redis calls this
        from ``from_crawler``, in place of its own."""

    @property
    def worker(self) -> Worker:
        return Worker.of(self.crawler)

    async def start(self) -> AsyncIterator[Any]:
        """Lease anchors as there is room for them, until drained or stopped."""
        worker = self.worker
        try:
            worker.configuration.require_endpoint()
            self._stops_when_drained = worker.configuration.stop_when_drained
            if self.drain is not None:
                self._stops_when_drained = read_flag("drain", self.drain)
            await worker.open(
                self.redis_key or worker.configuration.queue_key,
                serves_watch_list=not self._stops_when_drained,
            )
            await worker.licences.reconsider()
            if not self._stops_when_drained:
                worker.serve_closings(self._ask_at_once)
            while not worker.is_stopping:
                deliveries, waiting = await worker.deliveries.take()
                for delivery in deliveries:
                    request = self._request_of(delivery)
                    if request is not None:
                        yield request
                if not deliveries and not waiting:
                    await self._wait_for_work()
        except RankspiderError as error:
            self.logger.error("%s", error)
            is_server = isinstance(error, ServiceUnavailable)
            raise CloseSpider("server-unavailable" if is_server else "error") from None

    async def _wait_for_work(self) -> None:
        worker = self.worker
        if self._stops_when_drained and not worker.deliveries.in_hand:
            is_drained = (await worker.deliveries.counts()).drained
            if is_drained and await worker.repair.is_mended():
                self._warn_of_empty_queue()
                raise CloseSpider("drained")
        next_turn = worker.deliveries.next_turn_in
        await asyncio.sleep(_POLL_SECONDS if next_turn is None else min(_POLL_SECONDS, next_turn))

    def _warn_of_empty_queue(self) -> None:
        assert self.crawler.stats is not None
        if not self.crawler.stats.get_value("rank/anchors/taken"):
            self.logger.warning(
                "Nothing was asked: %s was empty from the start. Another folder, REDIS_URL or "
                "RANK_QUEUE_KEY has a queue of its own: 'scrapy queue' shows the one that is meant",
                self.worker.queue_key,
            )

    def _request_of(self, delivery: Delivery) -> Request | None:
        """Return the call for ``delivery``, or None after its member was refused."""
        try:
            if not delivery.lease.is_of_list_alone:
                delivery.sec_uid = sec_uid_of(delivery.lease.member)
        except MemberError as error:
            delivery.fail("not-an-anchor", str(error), hopeless=True)
            self.worker.deliveries.complete(delivery)
            return None
        if delivery.anchor and not STRICT_SEC_UID.fullmatch(delivery.anchor):
            self._inc("rank/anchors/unusual_sec_id")
            self.logger.warning("Unusual length of sec_id, asked all the same: %s", delivery.anchor)
        if delivery.anchor is None:
            request = self._call(None)
        else:
            request = self.make_request_from_data(delivery.anchor)
        request.meta[DELIVERY] = delivery
        return request

    def _ask_at_once(self, delivery: Delivery) -> None:
        """Overtake what waits in Scrapy's engine and for a licence, in a slot of its own."""
        request = self._request_of(delivery)
        if request is None:
            return
        first = {**request.meta, URGENT: True, "download_slot": delivery.lease.purpose}
        engine = self.crawler.engine
        assert engine is not None
        engine.crawl(request.replace(meta=first, priority=_FIRST))
        engine._start_scheduled_request()  # that one, even if as many as may be are under way

    def make_request_from_data(self, data: str) -> Request:
        """Return the call for the anchor whose ``sec_uid`` is ``data``."""
        return self._call(data)

    def _call(self, sec_uid: str | None) -> Request:
        api_url = self.worker.configuration.api_url
        assert api_url is not None  # required at the start
        url = rank_url(api_url, sec_uid)
        return Request(url, callback=self.parse, errback=self.on_download_error, dont_filter=True)

    async def parse(self, response: Response, **kwargs: Any) -> AsyncIterator[Item]:
        """Yield the list's state, a `RankItem` and a `UserItem` a row, and what is rejected.

        Of an answer for an anchor of the queue, only what the lake does not hold; of any other,
        such as that of ``scrapy parse``, all.
        """
        delivery, worker = delivery_of(response), self.worker
        if response.status != 200 or worker.archive is not None:
            response = unlicensed(response)  # it is kept as it is
        anchor = delivery.anchor if delivery else None
        if delivery is not None:
            delivery.is_answered = True
        try:
            answer = self._read(response)
            if worker.is_open:
                worker.calls.stretch.answered()
            if worker.archive is not None:
                # Nothing may stand in the lake that no archived answer says, whatever is killed.
                await self._archive(AnswerToArchive.of_list(response.body, answer, anchor))
            if delivery is None:
                keep_private = worker.configuration.keep_private_fields
                for item in Extraction(answer, anchor, keep_private=keep_private):
                    yield item
                return
            generation = await worker.store.generation()
            news = await worker.dedupe.news_of(answer, anchor)
        except AnswerError as error:
            await self._note_failure(unlicensed(response), error.failure, anchor)
            return
        delivery.records = [item.record for item in news.items]
        try:
            while news.items:
                yield news.items.pop(0)
        finally:
            # The engine wants no more: what it has not taken is on its way no longer.
            for item in news.items:
                worker.dedupe.lost(item.record, asyncio.CancelledError())
        worker.calls.answered(response, news, generation)

    def _read(self, response: Response) -> Answer:
        """Return the answer, or raise `AnswerError`. An answer that is archived is read through
        first."""
        if response.status != 200:
            raise AnswerError(failure_of_status(response))
        worker = self.worker
        return decode(
            response.body,
            headers_of(response),
            trusting=worker.is_open and worker.archive is None,
            known=worker.dedupe.list_texts if worker.is_open else (),
            mask=mask_of(response),
        )

    async def _archive(self, answer: AnswerToArchive) -> None:
        """Return when ``answer`` is durable."""
        assert self.worker.archive is not None
        await self.worker.archive.keep(answer)
        self._inc("rank/answers/archived")

    async def _note_failure(self, response: Response, failed: Failure, anchor: str | None) -> None:
        if self.worker.archive is not None and response.status == 200:
            headers = {
                name: unlicensed_text(value, response.meta)
                for name, value in headers_of(response).items()
            }
            of_failure = AnswerToArchive.of_failure(response.body, headers, failed, anchor)
            await self._archive(of_failure)
        self._failed(response.meta, failed, response)

    def on_download_error(self, error: TwistedFailure) -> None:
        """See to a call that no answer came of at all."""
        request: Request = error.request  # type: ignore[attr-defined]  # set by Scrapy
        delivery: Delivery | None = request.meta.get(DELIVERY)
        if isinstance(error.value, AllLicencesRefused | WorkerStopping):
            self._not_asked(delivery, error.value)
        else:
            assert error.value is not None
            self._failed(request.meta, failure_of_download(error.value))
        if delivery is not None:
            self.worker.deliveries.complete(delivery)

    def _not_asked(
        self, delivery: Delivery | None, error: AllLicencesRefused | WorkerStopping
    ) -> None:
        """Give back an anchor that was not asked: no licence was to be had, or the worker is
        stopping."""
        if delivery is not None:
            delivery.is_blameless = True
        if isinstance(error, AllLicencesRefused) and not self.worker.is_stopping:
            self.logger.error("%s. It said: %s", error, self.worker.calls.last_refusal)
            self.worker.stop("licences-refused")

    def _failed(
        self, meta: dict[str, Any], failed: Failure, response: Response | None = None
    ) -> None:
        if self.worker.is_open:
            self.worker.calls.failed(meta, failed, response)
            if self._stops_when_drained and self.worker.calls.stretch.is_refusal:
                self.worker.stop("refused-alike")
        else:
            self.logger.error("No list: %s (%s)", failed.name, failed.message)

    def _inc(self, name: str) -> None:
        assert self.crawler.stats is not None
        self.crawler.stats.inc_value(name)
