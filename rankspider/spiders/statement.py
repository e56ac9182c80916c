"""What one answer says, record by record: its mark, and the item of it for whoever wants one."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import cached_property

import msgspec

from rankspider.endpoint.answer import END_OF_TIME, Answer, BrokenRow, Json, Row
from rankspider.endpoint.body import UNREADABLE
from rankspider.endpoint.checks import (
    ListedRow,
    flags_of_row,
    flags_of_scores,
    flags_of_times,
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
)
from rankspider.memory.fleet import FINGERPRINT_BYTES
from rankspider.memory.local import Mark

# Empty in all that was seen, private if ever filled.
_PRIVATE = ("telephone", "birthday")
# They stand in columns of their own.
_COLUMNS = ("id", "id_str", "sec_uid", "short_id", "display_id", "nickname", "gender", "signature")
_ROOM_FIELDS = ("room_ids", "room_ids_str")
# The place of the asked anchor's own row, which is none of the list.
OWN = 0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Sound:
    """A row that passed the checks, and the two records it makes."""

    listed: ListedRow
    row: Row
    standing: Mark
    user: Mark


class Statement:
    """What ``answer`` says, as it was asked for ``anchor``; items are made when they are asked for.

    ``list_problem`` must have found none for what is said of the list as a whole: `frame`,
    `listed` and `list_mark`.
    """

    def __init__(self, answer: Answer, anchor: str | None, *, keep_private: bool) -> None:
        self._answer = answer
        self._anchor = anchor
        self._keep_private = keep_private
        self._privacy = b"private" if keep_private else b""
        self._observed_at = _EPOCH + dt.timedelta(milliseconds=answer.now_ms)
        self._list_of_answer = _list_of(answer)
        self._flags = flags_of_times(answer)
        self._frame_error = ""

    @property
    def ranked_list(self) -> RankedList:
        assert self._list_of_answer is not None  # an hour is a time
        return self._list_of_answer

    @cached_property
    def frame(self) -> str | None:
        """Tells what the list says beside its rows; None if that cannot be read."""
        try:
            return " ".join((digest_of(self._answer.other_fields()), *self._flags))
        except UNREADABLE as error:
            self._frame_error = f"unreadable: {error}"
            return None

    @cached_property
    def listed(self) -> list[Sound | RejectedItem]:
        """The rows of the list, in its order."""
        return [self.checked(listed, listed.problem()) for listed in listed_rows(self._answer)]

    @cached_property
    def list_mark(self) -> Mark | None:
        """None if the list cannot be trusted as a whole."""
        if self.frame is None or not all(isinstance(row, Sound) for row in self.listed):
            return None
        text = self._answer.listed
        listed = text.content
        if text.has_odd_keys:
            listed = b"".join(bytes(row.raw) for row in self._answer.rows)
        said = self.frame.encode() + listed
        return Mark((ListItem.__name__, self.ranked_list.key), _fingerprint(said))

    def checked(self, listed: ListedRow, reason: str | None) -> Sound | RejectedItem:
        """One row with its marks; if there is a ``reason`` not to trust it, what is kept of it."""
        row = listed.row
        if reason is not None or isinstance(row, BrokenRow):
            return self.rejected_row(listed, reason or "unreadable row")
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
            (RankItem.__name__, self.ranked_list.key_of(id_)),
            _fingerprint(about.encode("utf-8", "surrogatepass") + rest),
        )
        return Sound(
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

    def state(self) -> Item:
        """The list as a whole: a `ListItem`, or why it is none."""
        if self.list_mark is not None:
            return self.list_item(self.list_mark)
        reason = self._frame_error or "a row of it cannot be trusted"
        return self.rejected("lists", reason, bytes(self._answer.raw))

    def row(self, listed: ListedRow, reason: str | None) -> list[Item]:
        """The items of one row, known or not; it cannot be trusted if there is a ``reason``."""
        checked = self.checked(listed, reason)
        if isinstance(checked, RejectedItem):
            return [checked]
        rank = self.standing(checked)
        return [rank] if isinstance(rank, RejectedItem) else [rank, self.profile_of(checked)]

    def user(self, row: Row, fingerprint: bytes = b"") -> Item:
        """The profile of its user: a `UserItem`, or why it is none."""
        try:
            card, profile = row.card(), self._profile(row)
        except UNREADABLE as error:
            return self.rejected("users", f"unreadable user: {error}", bytes(row.shape.user))
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

    def profile_of(self, sound: Sound) -> Item:
        return self.user(sound.row, sound.user.fingerprint)

    def list_item(self, mark: Mark) -> ListItem:
        rows = [entry.row for entry in self.listed if isinstance(entry, Sound)]
        scores = [row.shape.score for row in rows]
        return ListItem(
            ranked_list=self.ranked_list,
            user_ids=[row.user.id_str for row in rows],
            scores=scores,
            delta_time=self._answer.delta_time,
            other_fields=self._answer.other_fields(),
            observed_at=self._observed_at,
            anchor=self._anchor,
            flags=[*flags_of_scores(scores), *self._flags],
            fingerprint=mark.fingerprint,
        )

    def standing(self, sound: Sound) -> Item:
        try:
            return self._rank(sound.listed, sound.row, sound.standing.fingerprint)
        except UNREADABLE as error:
            return self.rejected_row(sound.listed, f"unreadable row: {error}")

    def _rank(self, listed: ListedRow, row: Row, fingerprint: bytes) -> RankItem:
        shape, is_listed = row.shape, listed.place != OWN
        return RankItem(
            ranked_list=self.ranked_list,
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

    def rejected_row(self, listed: ListedRow, reason: str) -> RejectedItem:
        rejected = self.rejected("rows", reason, bytes(listed.row.raw))
        rejected.place, rejected.times = listed.place, listed.times
        rejected.score_above = listed.score_above
        return rejected

    def rejected(self, kind: str, reason: str, payload: bytes) -> RejectedItem:
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
