"""From one answer to the items that say something new."""

import asyncio
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec

from rankspider.endpoint.answer import (
    END_OF_TIME,
    Answer,
    BrokenRow,
    Json,
    Row,
)
from rankspider.endpoint.body import UNREADABLE
from rankspider.endpoint.checks import (
    ListedRow,
    flags_of_row,
    flags_of_scores,
    flags_of_times,
    list_problem,
    listed_rows,
)
from rankspider.endpoint.mirrors import Text
from rankspider.items import (
    Form,
    Item,
    ListItem,
    RankedList,
    RankItem,
    RejectedItem,
    UserItem,
    digest_of,
    history_key_of_standing,
)
from rankspider.memory.fleet import FINGERPRINT_BYTES, FleetMemory, Remembered
from rankspider.memory.local import Bringing, Known, Mark, Record, SeenList, Trace, Turn
from rankspider.pipelines.validate import problem_of

# Empty in all that was seen, private if ever filled.
_PRIVATE = ("telephone", "birthday")
# They stand in columns of their own.
_COLUMNS = ("id", "id_str", "sec_uid", "short_id", "display_id", "nickname", "gender", "signature")
_ROOM_FIELDS = ("room_ids", "room_ids_str")
# The place of the asked anchor's own row, which is none of the list.
OWN = 0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_KINDS = {item.__name__: item.kind for item in (RankItem, UserItem, ListItem)}


@dataclass(frozen=True, slots=True)
class _Sound:
    """A row that passed the checks, and the two records it makes."""

    listed: ListedRow
    row: Row
    standing: Mark
    user: Mark


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
        self._anchor = anchor
        self._keep_private = keep_private
        self._privacy = b"private" if keep_private else b""
        self._now = answer.now_ms
        self._observed_at = _EPOCH + dt.timedelta(milliseconds=answer.now_ms)
        self.repeated: Counter[str] = Counter()
        self.unchanged: Counter[str] = Counter()
        self.on_their_way: set[asyncio.Future[None]] = set()
        self._problem = list_problem(answer)
        self._list_of_answer = _list_of(answer)
        self._flags = flags_of_times(answer)
        self._frame: str | None = None
        self._frame_error = ""
        self._seen: SeenList | None = None
        self._covered: list[Record] | None = None
        self._turn: Turn | None = None
        if self._problem is None:
            self._read_frame()

    @property
    def _ranked_list(self) -> RankedList:
        assert self._list_of_answer is not None  # an hour is a time
        return self._list_of_answer

    def _read_frame(self) -> None:
        try:
            self._frame = " ".join((digest_of(self._answer.other_fields()), *self._flags))
        except UNREADABLE as error:
            self._frame_error = f"unreadable: {error}"
            return
        text = self._answer.listed
        self._seen = self._known.seen_list(self._ranked_list.key, self._frame, text)
        if self._seen is not None:
            self._covered = self._known.covering_list(self._seen, self._now)

    async def take_turn(self) -> None:
        """While another answer brings the same new list, wait: then it is known.

        Whoever comes first must `give_way` in the end.
        """
        if self._frame is None or self._seen is not None:
            return
        text = self._answer.listed
        self._turn = self._known.turn_of(self._ranked_list.key, self._frame, text)
        if not await self._turn.is_first():
            self._read_frame()

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

    def _pairs(self) -> Iterator[tuple[Mark, _Sound | None]]:
        """Everything this answer says, and the row that says it."""
        if not self._covered:
            if self._list_mark is not None:
                yield self._list_mark, None
            for entry in self._listed:
                if isinstance(entry, _Sound):
                    yield entry.standing, entry
                    yield entry.user, entry
        if isinstance(self._own, _Sound):
            yield self._own.standing, self._own
            yield self._own.user, self._own

    def _trace(self, mark: Mark, sound: _Sound | None, found: Remembered) -> Trace:
        _, key = mark.place
        if sound is None:
            return Trace(self._list_item(mark).history_key, found.digest)
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
        if isinstance(self._own, _Sound):
            yield from self._news(self._own)
        elif self._own is not None:
            yield self._own

    def _quarantined(self, problem: str) -> Iterator[Item]:
        yield self._rejected("lists", problem, bytes(self._answer.raw))
        for listed in listed_rows(self._answer):
            yield self._rejected_row(listed, problem)
        if self._answer.anchor_info is not None:
            yield self._rejected_row(ListedRow(self._answer.anchor_info, OWN), problem)

    def _list(self) -> Iterator[Item]:
        mark = self._list_mark
        record = None if mark is None else self._known.covering(mark, self._now)
        if record is None:
            yield self.state()
        else:
            self._note(record)
        for entry in self._listed:
            if isinstance(entry, _Sound):
                yield from self._news(entry)
            else:
                yield entry
        is_new = self._list_mark is not None and self._seen is None
        if is_new and not self._answer.listed.has_odd_keys:
            self._known.remember_list(self._as_seen())

    def _news(self, sound: _Sound) -> Iterator[Item]:
        """The standing and the user, each unless it says nothing new."""
        for mark, make in ((sound.standing, self._standing), (sound.user, self._profile_of)):
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

    # What the answer says, decoded once and only if the list is not known

    @cached_property
    def _listed(self) -> list[_Sound | RejectedItem]:
        return [self._checked(listed, listed.problem()) for listed in listed_rows(self._answer)]

    @cached_property
    def _own(self) -> _Sound | RejectedItem | None:
        own = self._answer.anchor_info
        if own is None:
            return None
        if isinstance(own, Row) and own.user.id_str in self._listed_ids:
            self.repeated[RankItem.kind] += 1
            return None
        reason = own.reason if isinstance(own, BrokenRow) else None
        return self._checked(ListedRow(own, OWN), reason)

    @property
    def _listed_ids(self) -> frozenset[str]:
        if self._covered and self._seen:
            return self._seen.user_ids
        return frozenset(row.user.id_str for row in self._answer.rows if isinstance(row, Row))

    @cached_property
    def _list_mark(self) -> Mark | None:
        """None if the list cannot be trusted as a whole."""
        if self._frame is None or not all(isinstance(row, _Sound) for row in self._listed):
            return None
        text = self._answer.listed
        listed = text.content
        if text.has_odd_keys:
            listed = b"".join(bytes(row.raw) for row in self._answer.rows)
        said = self._frame.encode() + listed
        return Mark((ListItem.__name__, self._ranked_list.key), _fingerprint(said))

    def _as_seen(self) -> SeenList:
        assert self._list_mark is not None
        sound = [entry for entry in self._listed if isinstance(entry, _Sound)]
        marks = (self._list_mark, *(mark for each in sound for mark in (each.standing, each.user)))
        text, frame = self._answer.listed, self._frame or ""
        return SeenList(self._ranked_list.key, frame, text, marks, self._listed_ids)

    def _checked(self, listed: ListedRow, reason: str | None) -> _Sound | RejectedItem:
        row = listed.row
        if reason is not None or isinstance(row, BrokenRow):
            return self._rejected_row(listed, reason or "unreadable row")
        user, rest = bytes(row.shape.user), bytes(row.raw)
        text = Text.of(rest)
        if not text.has_odd_keys:
            user, rest = Text.of(user).content, text.content
        rest = rest.replace(user, b"", 1)
        own_room = row.user.own_room
        # With the numeric twins, since flags tell where they differ.
        rooms = (own_room.room_ids_str, own_room.room_ids) if own_room else ()
        is_own, place_flags = listed.place == OWN, self._flags_of_place(listed)
        about = f"{is_own:d} {row.user.sec_uid} {row.user.id} {rooms} {place_flags}"
        if is_own:
            rest = self._without_texts(row, rest)
        id_ = row.user.id_str
        standing = Mark(
            (RankItem.__name__, self._ranked_list.key_of(id_)),
            _fingerprint(about.encode("utf-8", "surrogatepass") + rest),
        )
        return _Sound(
            listed,
            row,
            standing,
            Mark((UserItem.__name__, id_), _fingerprint(self._privacy + user)),
        )

    @staticmethod
    def _without_texts(row: Row, rest: bytes) -> bytes:
        """An asked anchor's own row but for the texts that tell its distance to the list, which
        changes with the list alone; ``rest`` if it cannot be read."""
        shape = row.shape
        try:
            others = row.other_fields()
        except UNREADABLE:
            return rest
        standing = (shape.rank, shape.score, shape.delta)
        return msgspec.json.encode((standing, shape.shop_tags, shape.city_code, others))

    def _flags_of_place(self, listed: ListedRow) -> tuple[str, ...]:
        return () if listed.place == OWN else listed.flags_of_place()

    # Items

    def state(self) -> Item:
        """The list as a whole: a `ListItem`, or why it is none."""
        if self._list_mark is not None:
            return self._list_item(self._list_mark)
        reason = self._frame_error or "a row of it cannot be trusted"
        return self._rejected("lists", reason, bytes(self._answer.raw))

    def standing(self, listed: ListedRow, reason: str | None) -> list[Item]:
        """The items of one row, known or not; it cannot be trusted if there is a ``reason``."""
        checked = self._checked(listed, reason)
        if isinstance(checked, RejectedItem):
            return [checked]
        rank = self._standing(checked)
        return [rank] if isinstance(rank, RejectedItem) else [rank, self._profile_of(checked)]

    def user(self, row: Row, fingerprint: bytes = b"") -> Item:
        """The profile of its user: a `UserItem`, or why it is none."""
        try:
            card, profile = row.card(), self._profile(row)
        except UNREADABLE as error:
            return self._rejected("users", f"unreadable user: {error}", bytes(row.shape.user))
        return UserItem(
            user_id=row.user.id_str,
            sec_uid=row.user.sec_uid,
            short_id=card.short_id,
            display_id=card.display_id,
            nickname=card.nickname,
            gender=card.gender,
            signature=card.signature,
            avatar_uri=card.avatar_thumb.uri if card.avatar_thumb else "",
            profile=profile,
            observed_at=self._observed_at,
            anchor=self._anchor,
            fingerprint=fingerprint,
        )

    def _profile_of(self, sound: _Sound) -> Item:
        return self.user(sound.row, sound.user.fingerprint)

    def _list_item(self, mark: Mark) -> ListItem:
        rows = [entry.row for entry in self._listed if isinstance(entry, _Sound)]
        scores = [row.shape.score for row in rows]
        return ListItem(
            ranked_list=self._ranked_list,
            user_ids=[row.user.id_str for row in rows],
            scores=scores,
            delta_time=self._answer.delta_time,
            other_fields=self._answer.other_fields(),
            observed_at=self._observed_at,
            anchor=self._anchor,
            flags=[*flags_of_scores(scores), *self._flags],
            fingerprint=mark.fingerprint,
        )

    def _standing(self, sound: _Sound) -> Item:
        try:
            return self._rank(sound.listed, sound.row, sound.standing.fingerprint)
        except UNREADABLE as error:
            return self._rejected_row(sound.listed, f"unreadable row: {error}")

    def _rank(self, listed: ListedRow, row: Row, fingerprint: bytes) -> RankItem:
        shape, is_listed = row.shape, listed.place != OWN
        return RankItem(
            ranked_list=self._ranked_list,
            user_id=row.user.id_str,
            sec_uid=row.user.sec_uid,
            rank=shape.rank,
            score=shape.score,
            delta=shape.delta,
            gap_description=shape.gap_description,
            gap_rich_description=shape.gap_rich_description,
            rich_description=shape.rich_description,
            city_code=shape.city_code,
            fixed_footer_description=shape.fixed_footer_description,
            shop_tags=shape.shop_tags or [],
            room_ids=row.user.own_room.exact() if row.user.own_room else [],
            listed=is_listed,
            observed_at=self._observed_at,
            other_fields=row.other_fields(),
            flags=[*self._flags_of_place(listed), *flags_of_row(row, listed=is_listed)],
            anchor=self._anchor,
            fingerprint=fingerprint,
        )

    def _profile(self, row: Row) -> Json:
        """The user without what stands elsewhere: in columns, and the rooms in the standing."""
        profile = row.profile()
        for name in _COLUMNS if self._keep_private else (*_COLUMNS, *_PRIVATE):
            profile.pop(name, None)
        rooms = profile.pop("own_room", None) or {}
        unknown = {k: v for k, v in rooms.items() if k not in _ROOM_FIELDS}
        if unknown:
            profile["own_room"] = unknown
        return profile

    def _rejected_row(self, listed: ListedRow, reason: str) -> RejectedItem:
        rejected = self._rejected("rows", reason, bytes(listed.row.raw))
        rejected.place, rejected.times = listed.place, listed.times
        rejected.score_above = listed.score_above
        return rejected

    def _rejected(self, kind: str, reason: str, payload: bytes) -> RejectedItem:
        return RejectedItem(
            kind=kind,
            reason=reason,
            payload=payload.decode("utf-8", "backslashreplace"),
            anchor=self._anchor,
            observed_at=self._observed_at,
            form=Form.ANSWER,
            ranked_list=self._list_of_answer,
        )


def _list_of(answer: Answer) -> RankedList | None:
    """Which list it is, on an hour or not; None if it began at no time that a date can hold."""
    if not 0 < answer.begin_time < END_OF_TIME:
        return None
    begin_time = _EPOCH + dt.timedelta(seconds=answer.begin_time)
    return RankedList(**answer.identity, begin_time=begin_time)


def _fingerprint(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=FINGERPRINT_BYTES).digest()
