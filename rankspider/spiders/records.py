"""From one answer to the items that say something new."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

from rankspider.endpoint.answer import Answer, BrokenRow, Row
from rankspider.endpoint.checks import ListedRow, list_problem, listed_rows
from rankspider.items import (
    Item,
    ListItem,
    RankItem,
    RejectedItem,
    UserItem,
    history_key_of_standing,
)
from rankspider.memory.fleet import FleetMemory, Remembered
from rankspider.memory.local import Bringing, Known, Mark, Record, SeenList, Trace, Turn
from rankspider.pipelines.validate import problem_of
from rankspider.spiders.statement import OWN, Sound, Statement

_KINDS = {item.__name__: item.kind for item in (RankItem, UserItem, ListItem)}


class Records:
    """The items of one answer, without those that say nothing new.

    ``anchor`` is the ``sec_uid`` that was asked for. An asked anchor that stands in the list
    itself yields its listed row only. What yields nothing is counted, by kind: in ``unchanged``
    if the lake holds it, and in ``repeated`` if this or another answer is bringing it. All that
    must be durable before the anchor is done is ``on_their_way``.
    """

    def __init__(
        self, answer: Answer, anchor: str | None, known: Known, *, keep_private: bool
    ) -> None:
        self._answer = answer
        self._known = known
        self._said = Statement(answer, anchor, keep_private=keep_private)
        self._now = answer.now_ms
        self.repeated: Counter[str] = Counter()
        self.unchanged: Counter[str] = Counter()
        self.on_their_way: set[asyncio.Future[None]] = set()
        self._problem = list_problem(answer)
        self._seen: SeenList | None = None
        self._covered: list[Record] | None = None
        self._turn: Turn | None = None
        if self._frame is not None:
            self._look_for_list(self._frame)

    @property
    def _frame(self) -> str | None:
        return None if self._problem is not None else self._said.frame

    @property
    def _list_key(self) -> str:
        return self._said.ranked_list.key

    def _look_for_list(self, frame: str) -> None:
        self._seen = self._known.seen_list(self._list_key, frame, self._answer.listed)
        if self._seen is not None:
            self._covered = self._known.covering_list(self._seen, self._now)

    async def take_turn(self) -> None:
        """While another answer brings the same new list, wait: then it is known.

        Whoever comes first must `give_way` in the end.
        """
        frame = self._frame
        if frame is None or self._seen is not None:
            return
        self._turn = self._known.turn_of(self._list_key, frame, self._answer.listed)
        if not await self._turn.is_first():
            self._look_for_list(frame)

    def give_way(self) -> None:
        if self._turn is not None:
            self._turn.over()

    @property
    def is_list_known(self) -> bool:
        """Whether the list, though not the asked anchor's own row, says nothing new."""
        return self._problem is None and bool(self._covered)

    @property
    def is_list_empty(self) -> bool:
        if self._covered and self._seen:
            return not self._seen.user_ids
        return self._problem is None and not self._answer.rows

    async def look_up(self, fleet: FleetMemory) -> None:
        """Ask the fleet, in one round trip, for what this worker does not know."""
        if self._problem is not None:
            return
        asked = [pair for pair in self._pairs() if not self._known.is_sure_of(pair[0], self._now)]
        if not asked:
            return
        remembered = await fleet.look_up([mark for mark, _ in asked], self._now)
        for (mark, sound), found in zip(asked, remembered, strict=True):
            if found is None:
                continue
            if not found.says_the_same:
                self._known.contradict(mark, found.last)
            elif not self._known.confirm(mark, self._now):
                self._known.adopt(mark, self._trace(mark, sound, found), found.first, found.last)

    def _pairs(self) -> Iterator[tuple[Mark, Sound | None]]:
        """Everything this answer says, and the row that says it."""
        if not self._covered:
            if self._said.list_mark is not None:
                yield self._said.list_mark, None
            for entry in self._said.listed:
                if isinstance(entry, Sound):
                    yield entry.standing, entry
                    yield entry.user, entry
        if isinstance(self._own, Sound):
            yield self._own.standing, self._own
            yield self._own.user, self._own

    def _trace(self, mark: Mark, sound: Sound | None, found: Remembered) -> Trace:
        _, key = mark.place
        if sound is None:
            return Trace(self._said.list_item(mark).history_key, found.digest)
        if mark == sound.user:
            return Trace(f"{key}/{found.digest}", found.digest)
        shape = sound.row.shape
        history_key = history_key_of_standing(key, (shape.rank, shape.score, shape.delta))
        return Trace(history_key, f"{sound.listed.place != OWN:d}-{found.digest}")

    def items(self) -> list[Item]:
        """All of them at once: whoever asks next finds them on their way."""
        items = list(self._items())
        bringing = Bringing()
        for item in items:
            if not isinstance(item, RejectedItem) and problem_of(item) is None:
                self._known.bring(item, self._now, bringing)
                self.on_their_way.add(bringing.done)
        return items

    def __iter__(self) -> Iterator[Item]:
        """The items alone, for whoever does not store them through the pipelines."""
        return self._items()

    def _items(self) -> Iterator[Item]:
        if self._problem is not None:
            yield from self._quarantined(self._problem)
            return
        if self._covered:
            self._note_list(self._covered)
        else:
            yield from self._list()
        if isinstance(self._own, Sound):
            yield from self._news(self._own)
        elif self._own is not None:
            yield self._own

    def _quarantined(self, problem: str) -> Iterator[Item]:
        yield self._said.rejected("lists", problem, bytes(self._answer.raw))
        for listed in listed_rows(self._answer):
            yield self._said.rejected_row(listed, problem)
        if self._answer.anchor_info is not None:
            yield self._said.rejected_row(ListedRow(self._answer.anchor_info, OWN), problem)

    def _list(self) -> Iterator[Item]:
        mark = self._said.list_mark
        record = None if mark is None else self._known.covering(mark, self._now)
        if record is None:
            yield self._said.state()
        else:
            self._note(record)
        for entry in self._said.listed:
            if isinstance(entry, Sound):
                yield from self._news(entry)
            else:
                yield entry
        if mark is not None and self._seen is None and not self._answer.listed.has_odd_keys:
            self._known.remember_list(self._as_seen(mark))

    def _news(self, sound: Sound) -> Iterator[Item]:
        """The standing and the user, each unless it says nothing new."""
        said = self._said
        for mark, make in ((sound.standing, said.standing), (sound.user, said.profile_of)):
            record = self._known.covering(mark, self._now)
            if record is None:
                yield make(sound)
            else:
                self._note(record)

    def _note_list(self, records: list[Record]) -> None:
        """The same as `_note` for each, quicker."""
        rows = (len(records) - 1) // 2
        self.unchanged.update({ListItem.kind: 1, RankItem.kind: rows, UserItem.kind: rows})
        on_their_way = [record for record in records if record.bringing is not None]
        if on_their_way:
            self.on_their_way |= {each.bringing.done for each in on_their_way if each.bringing}
            repeated = Counter(_KINDS[record.mark.place[0]] for record in on_their_way)
            self.repeated.update(repeated)
            self.unchanged.subtract(repeated)

    def _note(self, record: Record) -> None:
        """Account for what says nothing new."""
        kind = _KINDS[record.mark.place[0]]
        if record.bringing is None:
            self.unchanged[kind] += 1
        else:
            self.repeated[kind] += 1
            self.on_their_way.add(record.bringing.done)

    @cached_property
    def _own(self) -> Sound | RejectedItem | None:
        own = self._answer.anchor_info
        if own is None:
            return None
        if isinstance(own, Row) and own.user.id_str in self._listed_ids:
            self.repeated[RankItem.kind] += 1
            return None
        reason = own.reason if isinstance(own, BrokenRow) else None
        return self._said.checked(ListedRow(own, OWN), reason)

    @property
    def _listed_ids(self) -> frozenset[str]:
        if self._covered and self._seen:
            return self._seen.user_ids
        return frozenset(row.user.id_str for row in self._answer.rows if isinstance(row, Row))

    def _as_seen(self, list_mark: Mark) -> SeenList:
        sound = [entry for entry in self._said.listed if isinstance(entry, Sound)]
        marks = (list_mark, *(mark for each in sound for mark in (each.standing, each.user)))
        text, frame = self._answer.listed, self._frame or ""
        return SeenList(self._list_key, frame, text, marks, self._listed_ids)
