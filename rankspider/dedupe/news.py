"""Find in one answer what the lake does not hold yet."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from rankspider.dedupe.arbiter import Arbiter, Decision, Decisions, Question, Version
from rankspider.dedupe.reading import AnswerReader, ReadAnswer, kind_of, packed
from rankspider.dedupe.record import Record
from rankspider.endpoint.answer import Answer
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.mirrors import ListText
from rankspider.items import Item, ListItem, RankedList, RankItem
from rankspider.lake.recall import SeenLater

# How soon it is asked again whether another worker has stored what this one waits for.
_ASK_AGAIN_SECONDS = 0.1
_LONGEST_GATHER_SECONDS = 0.3
_SETTLED_AS_A_WHOLE = (Decision.SAME, Decision.MINE)


@dataclass(eq=False, slots=True)
class News:
    """The items of one answer, and what else must be durable before its anchor is done."""

    read: ReadAnswer
    items: list[Item] = field(default_factory=list)
    """Each with its `record`: of the list as a whole, of its rows, then the anchor's own."""
    pending: "set[asyncio.Future[None]]" = field(default_factory=set)
    """Of these items, and of others on their way that say the same."""
    unchanged: Counter[str] = field(default_factory=Counter)
    """Records by kind that the lake holds already."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Those that are on their way, or that this answer says twice."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Of the unchanged and the repeated, those that are in quarantine, or on their way there."""

    def skip(self, kind: str, verdict: Decision, *, is_rejected: bool) -> None:
        """Account for a record that is not stored anew."""
        if is_rejected:
            self.rejected[kind] += 1
        elif verdict is Decision.SAME:
            self.unchanged[kind] += 1
        else:
            self.repeated[kind] += 1


class _Gathering:
    """Over when ``left`` more answers have come, or it has lasted long enough."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.over = asyncio.Event()

    def count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.over.set()


class Dedupe:
    """Belongs to one worker. Each record of an item of `news_of` must end: `stored` or `lost`.

    ``seen_later`` asks the lake, for answers that the arbiter may have forgotten something about.
    ``at_once``: how many calls may be under way together.
    """

    def __init__(
        self,
        arbiter: Arbiter,
        seen_later: Callable[[RankedList, dt.datetime], Awaitable[SeenLater]],
        *,
        keep_private: bool,
        at_once: int = 1,
    ) -> None:
        self._arbiter = arbiter
        self._seen_later = seen_later
        self._reader = AnswerReader(keep_private=keep_private)
        self._on_their_way: dict[tuple[bytes, bytes], Record] = {}
        # Of each list what it was when it was asked for last: most likely that is what it is.
        self._usual: dict[bytes, bytes] = {}
        self._gathering: dict[bytes, _Gathering] = {}
        self._at_once = at_once

    @property
    def list_texts(self) -> list[ListText]:
        """Return the lists' texts for `rankspider.endpoint.answer.decode`, which finds these at
        once."""
        return self._reader.list_texts

    async def news_of(self, answer: Answer, anchor: str | None) -> News:
        """Return what ``answer``, asked for ``anchor``, brings that the lake does not hold. Raises
        `AnswerError` if the list cannot be read through."""
        read = self._reader.read(answer, anchor)
        for gathering in self._gathering.values():
            gathering.count()
        judgement = await self._decided(read, answer.now_ms)
        judged = _Decided(read, answer.now_ms, judgement, self._on_their_way)
        try:
            judged.take_list()
            judged.take_own()
            if Decision.UNSURE in judgement.decisions and read.ranked_list is not None:
                later = await self._seen_later(read.ranked_list, read.extraction.observed_at)
                for item in judged.news.items:
                    if item.record.is_unsure:
                        item.record.is_late = later.includes(item)
        except BaseException as error:
            for item in judged.news.items:  # nobody else would end what waits for them
                self.lost(item.record, error)
            raise
        return judged.news

    async def _decided(self, read: ReadAnswer, observed: int) -> Decisions:
        """Return the arbiter's rulings, by one question as a rule: with the rows only if the list
        is likely to be another."""
        place, digest, _ = read.whole.version
        rows = None
        if self._usual.get(place) != digest:
            rows = read.whole.rows.packed
            await self._gathered(digest)
        again = False
        while True:
            question = Question(
                observed, read.whole.version.packed, rows, packed(read.own_versions), again
            )
            judgement = await self._arbiter.ask(question)
            whole = judgement.decisions[0]
            is_ours_to_begin = whole is Decision.MINE and (place, digest) not in self._on_their_way
            if whole is not Decision.ROWS and not is_ours_to_begin:
                if Decision.WAIT not in judgement.decisions:
                    self._usual[place] = digest
                    return judgement
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            rows = read.whole.rows.packed
            # What was claimed, and never begun, is not to be waited for.
            again = again or is_ours_to_begin

    async def _gathered(self, digest: bytes) -> None:
        """Let the answers come that left together with the first that has a new list: the one seen
        first is to bring it, since each that was seen before all others moves the first time of all
        its rows."""
        if digest not in self._gathering:
            self._gathering[digest] = gathering = _Gathering(self._at_once)
            asyncio.get_running_loop().call_later(_LONGEST_GATHER_SECONDS, gathering.over.set)
        gathering = self._gathering[digest]
        await gathering.over.wait()
        self._gathering.pop(digest, None)

    def stored(self, record: Record) -> None:
        """Note that the record's item is durable."""
        # Until the fleet knows, it is still this worker's.
        self._arbiter.stored(record.version, record.observed, partial(self._forget, record))
        record.end()

    def lost(self, record: Record, error: BaseException | None = None) -> None:
        """Note that the item was not stored, for ``error``, or because nobody wants it: the next
        one is news."""
        if record.ended.done():
            return
        self._forget(record)
        self._arbiter.lost(record.version, record.observed)
        record.end(error)

    def _forget(self, record: Record) -> None:
        name = record.version[:2]
        if self._on_their_way.get(name) is record:
            del self._on_their_way[name]

    async def close(self) -> None:
        await self._arbiter.close()


class _Decided:
    """Turns what was judged of one answer into its news."""

    def __init__(
        self,
        read: ReadAnswer,
        observed: int,
        judgement: Decisions,
        on_their_way: dict[tuple[bytes, bytes], Record],
    ) -> None:
        self.news = News(read)
        self._read = read
        self._observed = observed
        self._on_their_way = on_their_way
        self._whole, *decisions = judgement.decisions
        first_own = len(decisions) - len(read.own)
        self._of_rows, self._of_own = decisions[:first_own], decisions[first_own:]
        self._ended = {each.place: each for each in judgement.ended}

    def take_list(self) -> None:
        if self._whole in _SETTLED_AS_A_WHOLE:
            self._skip_list()
            return
        extraction, rows = self._read.extraction, self._read.whole.rows
        for at, (version, verdict) in enumerate(zip(rows.versions, self._of_rows, strict=True)):
            make = partial(_row, extraction, at)  # only what is news is made
            self._take(version, verdict, rows.kinds[at], make, is_rejected=at in rows.rejected)
        after = tuple(self.news.pending)
        record = self._take(
            self._read.whole.version,
            self._whole,
            ListItem.kind,
            extraction.list_item,
            is_rejected=self._read.whole.state is None,
        )
        if record is not None:
            record.after = after
            self.news.items.insert(0, self.news.items.pop())

    def _skip_list(self) -> None:
        rows, news = self._read.whole.rows, self.news
        verdict = self._whole
        if verdict is Decision.MINE:
            verdict = self._wait_for(self._on_their_way[self._read.whole.version[:2]])
        news.skip(ListItem.kind, verdict, is_rejected=self._read.whole.state is None)
        skipped = news.unchanged if verdict is Decision.SAME else news.repeated
        skipped.update(rows.accepted_kinds)
        news.rejected.update(rows.rejected_kinds)

    def take_own(self) -> None:
        for record, version, verdict in zip(
            self._read.own, self._read.own_versions, self._of_own, strict=True
        ):
            kind = kind_of(record)
            self._take(version, verdict, kind, record.make, is_rejected=not record.is_sound)
        if self._read.is_own_listed:
            self.news.repeated[RankItem.kind] += 1

    def _wait_for(self, record: Record) -> Decision:
        if record.ended.done():  # the fleet is about to know
            return Decision.SAME
        self.news.pending.add(record.ended)
        return Decision.MINE

    def _take(
        self,
        version: Version,
        verdict: Decision,
        kind: str,
        make: Callable[[], Item],
        *,
        is_rejected: bool,
    ) -> Record | None:
        """Return the record of what is to be stored; None for what is not."""
        if verdict is Decision.MINE:
            there = self._on_their_way.get(version[:2])
            if there is not None:
                self.news.skip(kind, self._wait_for(there), is_rejected=is_rejected)
                return None
            verdict = Decision.NEWS  # it was claimed, and never begun
        if verdict is Decision.SAME:
            self.news.skip(kind, verdict, is_rejected=is_rejected)
            return None
        record = Record(version, self._observed, verdict is Decision.LATE)
        record.is_newest = verdict is Decision.NEWS
        record.is_unsure = verdict is Decision.UNSURE
        record.stay = self._ended.get(version.place)
        if record.stay is not None and (ahead := self._on_their_way.get(record.stay[:2])):
            record.behind = ahead.ended
        if verdict is Decision.NEWS:
            self._on_their_way[version[:2]] = record
        item = make()
        item.record = record
        self.news.items.append(item)
        self.news.pending.add(record.ended)
        return record


def _row(extraction: Extraction, at: int) -> Item:
    return extraction.rows[at].make()
