"""See to what follows from each call: its licence hears of it, it is counted, and it goes on
record."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

from scrapy.http import Response
from scrapy.statscollectors import StatsCollector

from rankspider.crawl.responses import ASKED, DELIVERY, LICENCE, SentCall, unlicensed_text
from rankspider.crawl.stretch import FailureStreak
from rankspider.dedupe.news import News
from rankspider.endpoint.failure import Failure, Verdict
from rankspider.items import RankedList
from rankspider.lake.call import OK, Call
from rankspider.lake.presence import LakeReplaced
from rankspider.lake.store import Store
from rankspider.licences.ledger import CallOutcome
from rankspider.licences.outcomes import outcome_of
from rankspider.licences.pool import Licence, LicencePool
from rankspider.queue.anchor_queue import Count
from rankspider.queue.deliveries import Deliveries, Delivery
from rankspider.secrecy import discreet
from rankspider.watch.reports import WatchReports

logger = logging.getLogger(__name__)


# Of calls without any answer, before the endpoint is said to be out of reach; the first if none
# was ever answered.
_SILENT_CALLS = 10


def _is_of_licence(failed: Failure) -> bool:
    """Return whether the failure is the licence's: refused, used up or too fast is no anchor's
    fault."""
    return failed.verdict is Verdict.LICENCE or failed.name == "too-fast"


class Calls:
    """Settles the calls of one worker, which ``worker`` names in the records, to ``endpoint``."""

    def __init__(
        self,
        worker: str,
        endpoint: str,
        stats: StatsCollector,
        deliveries: Deliveries,
        licences: LicencePool,
        store: Store,
        watch_reports: WatchReports | None = None,
    ) -> None:
        self._worker = worker
        self._endpoint = endpoint
        self._silent = _SILENT_CALLS - 1
        self._stats = stats
        self._deliveries = deliveries
        self._licences = licences
        self._store = store
        self._watch_reports = watch_reports
        self.stretch = FailureStreak()
        self._by_licence: dict[str, FailureStreak] = {}
        self._without_own, self._told_without_own = 0, 1
        self.last_refusal = ""
        """What the endpoint said of a licence last."""
        self._settling: set[asyncio.Task[None]] = set()

    def answered(self, response: Response, news: News, generation: int) -> None:
        """Settle a call that brought a list, once every item of ``news`` has left the spider.

        The anchor's delivery ends when all it brought is durable and the call is on record, in the
        lake of the ``generation`` that ``news`` was judged by.
        """
        self._report(response.meta, CallOutcome.OK)
        self._streak_of_licence(response.meta).answered()
        self._silent = 0
        self._count(news)
        delivery: Delivery | None = response.meta.get(DELIVERY)
        if delivery is not None:
            if delivery.anchor is not None and news.read.anchor is None:
                self._note_without_own(delivery.anchor)
            if self._watch_reports is not None:
                self._note_clock(response.meta, news)
                delivery.observation = self._watch_reports.note(news.read, delivery.anchor)
        call = self._call_of(response.meta, OK, response, **news.read.call_fields)
        on_record = self._on_record(call, [*news.pending], news.read.ranked_list, generation)
        self._settle(on_record, delivery)

    def failed(self, meta: dict[str, Any], failed: Failure, response: Response | None) -> None:
        """Settle a call that brought no list, for a reason that ``failed`` names."""
        failed = replace(failed, message=unlicensed_text(failed.message, meta))
        message, delivery = failed.message, meta.get(DELIVERY)
        logger.info("No list for %s: %s (%s)", _anchor_of(delivery), failed.name, message)
        self._note_silence(failed, message)
        outcome, count = self._blame(meta, failed)
        self._report(meta, outcome, failed.retry_after)
        self._stats.inc_value(f"rank/answers/failed/{failed.name}")
        self._settle(self._on_record(self._call_of(meta, failed.name, response)), delivery)
        if delivery is not None:
            delivery.is_blameless = _is_of_licence(failed)
            delivery.count = count
            delivery.fail(
                failed.name,
                message,
                hopeless=failed.verdict is Verdict.ANCHOR_WRONG and count != "held",
                retry_after=failed.retry_after,
            )

    def _note_clock(self, meta: dict[str, Any], news: News) -> None:
        """Tell the watch list what the endpoint's clock said between two moments of Redis's."""
        asked: SentCall | None = meta.get(ASKED)
        sent = None if asked is None else self._licences.redis_time(asked.left_at)
        if self._watch_reports is not None and asked is not None and sent is not None:
            now = news.read.extraction.observed_at.timestamp()
            self._watch_reports.note_clock(now, sent, sent + asked.milliseconds / 1000)

    def _note_silence(self, failed: Failure, why: str) -> None:
        """Say once that nothing answers at the endpoint's address."""
        if failed.name != "network":
            self._silent = 0
            return
        self._silent += 1
        if self._silent == _SILENT_CALLS:
            logger.warning(
                "The endpoint %s cannot be reached (%s): 'scrapy doctor' looks at it",
                self._endpoint,
                why,
            )

    def _blame(self, meta: dict[str, Any], failed: Failure) -> tuple[CallOutcome, Count]:
        """Return what the fleet is told of the licence, and whether the call counts as a try of the
        anchor's."""
        outcome, delivery = outcome_of(failed), meta.get(DELIVERY)
        if _is_of_licence(failed):
            self.last_refusal = failed.message
            return outcome, "counted"  # not blamed at all
        anchor, with_licence = delivery.anchor if delivery else None, self._streak_of_licence(meta)
        if outcome is CallOutcome.ANSWERED:
            with_licence.answered()
            is_of_all = self.stretch.refused(anchor, failed)
            return (CallOutcome.ALIKE, "held") if is_of_all else (outcome, "counted")
        self.stretch.failed(anchor, failed)
        with_licence.failed(anchor, failed)
        if outcome is CallOutcome.TROUBLE and self.stretch.is_long:
            outcome = CallOutcome.ALIKE
        elif outcome is CallOutcome.TROUBLE and with_licence.is_long and not with_licence.passes:
            outcome, self.last_refusal = CallOutcome.REFUSED, failed.message
        asked: SentCall | None = meta.get(ASKED)
        is_licences = with_licence.is_everybodys and not with_licence.passes
        if self.stretch.is_everybodys or is_licences:
            return outcome, "held"
        return outcome, "spared" if asked is not None and asked.is_unheard else "counted"

    def _streak_of_licence(self, meta: dict[str, Any]) -> FailureStreak:
        """Return the failures met in a row with one licence, while others may be answered."""
        licence: Licence | None = meta.get(LICENCE)
        name = licence.fingerprint if licence else ""
        return self._by_licence.setdefault(name, FailureStreak(is_silent=True))

    async def settled(self) -> None:
        """Return when nothing is on its way to the lake any more."""
        while self._settling:
            await asyncio.wait(self._settling)

    def _report(
        self, meta: dict[str, Any], outcome: CallOutcome, retry_after: float | None = None
    ) -> None:
        licence: Licence | None = meta.get(LICENCE)
        if licence is not None:
            self._licences.report(licence, outcome, retry_after)

    def _count(self, news: News) -> None:
        """Account for what brought nothing new, and so no items."""
        self._inc("rank/answers/ok")
        self._inc("rank/answers/mended", news.read.extraction.answer.is_mended)
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

    def _note_without_own(self, sec_uid: str) -> None:
        self._inc("rank/answers/without_own")
        self._without_own += 1
        if self._without_own >= self._told_without_own:
            self._told_without_own = 10 * self._without_own
            logger.warning(
                "An answer brought the list and no standing of the anchor asked for, such as %s: "
                "%d so far. The list is stored, and the anchor is done",
                sec_uid,
                self._without_own,
            )

    def _inc(self, name: str, count: int = 1) -> None:
        if count:
            self._stats.inc_value(name, count)

    def _call_of(
        self, meta: dict[str, Any], outcome: str, response: Response | None, **call_fields: Any
    ) -> Call | None:
        """Return what is known of a call that was made; None if none was."""
        asked: SentCall | None = meta.get(ASKED)
        if asked is None:
            return None
        delivery: Delivery | None = meta.get(DELIVERY)
        licence: Licence | None = meta.get(LICENCE)
        return Call(
            anchor=delivery.anchor if delivery else None,
            asked_at=asked.at,
            milliseconds=asked.milliseconds,
            purpose=delivery.lease.purpose if delivery else "queue",
            outcome=outcome,
            status=response.status if response else None,
            bytes=len(response.body) if response else None,
            licence=licence.fingerprint if licence else None,
            worker=self._worker,
            **call_fields,
        )

    async def _on_record(
        self,
        call: Call | None,
        pending: Iterable["asyncio.Future[None]"] = (),
        ranked_list: RankedList | None = None,
        generation: int | None = None,
    ) -> None:
        """Return when all that is ``pending`` is durable, and then ``call`` on record."""
        await asyncio.gather(*pending)
        if call is not None:
            await self._store.note(call, ranked_list, generation=generation)

    def _settle(self, storing: Coroutine[Any, Any, None], delivery: Delivery | None) -> None:
        """Keep ``delivery`` from being acknowledged before ``storing`` ends.

        The answer itself is let go of meanwhile: many wait, and each has some 450 KB.
        """

        def over(task: "asyncio.Task[None]") -> None:
            self._settling.discard(task)
            if task.cancelled() or isinstance(task.exception(), asyncio.CancelledError):
                return  # the worker stops: the anchor goes back to the queue
            error = task.exception()
            if isinstance(error, LakeReplaced):
                if delivery is not None:  # no fault of its own: it is asked again
                    delivery.is_blameless = True
            elif error is not None:
                message = discreet(f"{type(error).__name__}: {error}")[:500]
                logger.error("Not stored, of %s: %s", _anchor_of(delivery), message)
                if delivery is not None:
                    delivery.fail("store-error", message)
            if delivery is not None:
                self._deliveries.item_ended(delivery)

        if delivery is not None:
            delivery.open_items += 1
        task = asyncio.create_task(storing)
        self._settling.add(task)
        task.add_done_callback(over)


def _anchor_of(delivery: Delivery | None) -> str:
    if delivery is None:
        return "nobody of the queue"
    return delivery.anchor or "the list alone"
