"""Extract from one answer what it says, record by record, as items."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from rankspider.endpoint.answer import END_OF_TIME, Answer, BrokenRow, Row
from rankspider.endpoint.body import UNREADABLE
from rankspider.endpoint.checks import (
    ListedRow,
    flags_of_row,
    flags_of_scores,
    flags_of_times,
    list_problem,
    listed_rows,
)
from rankspider.endpoint.mirrors import ListText
from rankspider.endpoint.validation import problem_of
from rankspider.facts import COLUMNS, LIST, PRIVATE, Json, facts_of
from rankspider.items import (
    Form,
    Item,
    ListItem,
    RankedList,
    RankItem,
    RejectedItem,
    UserItem,
    digest_of,
    joined,
)
from rankspider.moments import moment_of

_ROOM_FIELDS = ("room_ids", "room_ids_str")
# The place of the asked anchor's own row, which is none of the list.
OWN = 0
# About 100 bytes each.
_MOST_PROFILES = 50_000


@dataclass(frozen=True, slots=True)
class Extracted:
    """One record of an answer; its item is made when somebody wants it."""

    kind: type[Item]
    key: str
    """Which record it is."""
    digest: str
    """Of all it says but the time and the mirrors: 32 hex digits, equal for equal facts."""
    order: str
    """The same, and greater of what counts as the newer of one moment (`RankItem.tie`)."""
    suffix: str
    """What its document in the history is told from others of its key by; "" if nothing is."""
    is_sound: bool
    """Whether it passes the hard checks; if not, it is rejected in the end."""
    make: Callable[[], Item]

    @property
    def history_key(self) -> str:
        return f"{self.key}/{self.suffix}"


class Profiles:
    """The profiles by the users' JSON, mirrors aside, so that each is read once."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, str] = OrderedDict()

    def digest_of(self, text: bytes) -> str | None:
        """Return the profile's digest; None if it was not read yet, or not sound."""
        return self._digests.get(_name(text))

    def note(self, text: bytes, digest: str) -> None:
        self._digests[_name(text)] = digest
        if len(self._digests) > _MOST_PROFILES:
            self._digests.popitem(last=False)


def _name(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


class Extraction:
    """The records of ``answer``, as it was asked for ``anchor``.

    A list that is not of an hour is quarantined, row by row. One with a row that cannot be trusted
    is quarantined as a whole, while its other rows are not.
    """

    def __init__(
        self,
        answer: Answer,
        anchor: str | None,
        *,
        keep_private: bool,
        profiles: Profiles | None = None,
        is_list_alone: bool = False,
    ) -> None:
        """``is_list_alone``: nobody was asked for, and whoever's row comes along is nobody's
        standing."""
        self.answer = answer
        self.anchor = anchor
        self._keep_private = keep_private
        self._is_list_alone = is_list_alone
        self._profiles = profiles or Profiles()
        self.observed_at = moment_of(answer.now_ms)
        self._list_of_answer = list_of(answer)
        self._flags = flags_of_times(answer)
        self._problem = list_problem(answer)

    @property
    def ranked_list(self) -> RankedList:
        assert self._list_of_answer is not None  # an hour is a time
        return self._list_of_answer

    @property
    def is_trusted(self) -> bool:
        """Return whether it is the list of an hour."""
        return self._problem is None

    @property
    def list_key(self) -> str:
        """Return the key of the list as a whole, also where its hour is none."""
        if self.is_trusted:
            return self.ranked_list.key
        return joined("?", self.answer.begin_time, *self.answer.identity.values())

    @cached_property
    def frame(self) -> str:
        """Return a digest of what the list says beside its rows."""
        if not self.is_trusted:
            return ""
        try:
            return " ".join((digest_of(facts_of(self.answer.other_fields(), LIST)), *self._flags))
        except UNREADABLE as error:
            return f"unreadable: {error}"

    def __iter__(self) -> Iterator[Item]:
        """Yield all the items: the list as a whole, its rows, and the asked anchor's own."""
        for record in (self.list_record(), *self.rows, *self.own(self.listed_ids)):
            yield record.make()

    # The list

    @cached_property
    def rows(self) -> list[Extracted]:
        """Return for each row of the list its standing and its user, or that it is rejected."""
        records: list[Extracted] = []
        for listed in listed_rows(self.answer):
            records += self.row(listed, self._problem or listed.problem())
        return records

    @cached_property
    def listed_ids(self) -> frozenset[str]:
        return frozenset(row.user.id_str for row in self.answer.rows if isinstance(row, Row))

    @cached_property
    def is_whole(self) -> bool:
        """Return whether all rows of the list can be trusted, whatever their users are like."""
        standings = sum(each.kind is RankItem for each in self.rows)
        return self.is_trusted and standings == len(self.answer.rows)

    def list_record(self) -> Extracted:
        return extracted(self.list_item())

    def list_item(self) -> Item:
        """Return the list as a whole: a `ListItem`, or why it is none."""
        reason = self._problem
        if reason is None and self.frame.startswith("unreadable"):
            reason = self.frame
        if reason is None and not self.is_whole:
            reason = "a row of it cannot be trusted"
        if reason is not None:
            return self._rejected("lists", reason, bytes(self.answer.raw))
        rows = [row for row in self.answer.rows if isinstance(row, Row)]
        scores = [row.shape.score for row in rows]
        return ListItem(
            ranked_list=self.ranked_list,
            user_ids=[row.user.id_str for row in rows],
            scores=scores,
            delta_time=self.answer.delta_time,
            other_fields=self.answer.other_fields(),
            observed_at=self.observed_at,
            anchor=self.anchor,
            flags=[*flags_of_scores(scores), *self._flags],
        )

    # The asked anchor's own row

    @property
    def _own(self) -> Row | BrokenRow | None:
        """Return the own row; None also for that of whoever comes along when nobody was asked
        for."""
        return None if self._is_list_alone else self.answer.anchor_info

    def own(self, listed_ids: frozenset[str]) -> list[Extracted]:
        """Return the own row's standing and user, or that it is rejected; nothing if it is missing,
        or of one of the users in the list, whose row there tells of it."""
        own = self._own
        if own is None or (isinstance(own, Row) and own.user.id_str in listed_ids):
            return []
        reason = own.reason if isinstance(own, BrokenRow) else None
        return self.row(ListedRow(own, OWN), self._problem or reason)

    @property
    def own_user(self) -> tuple[str, str] | None:
        """Return the ``id_str`` and the ``sec_uid`` of whom the own row is of."""
        own = self._own
        return (own.user.id_str, own.user.sec_uid) if isinstance(own, Row) else None

    # Rows by themselves

    def row(self, listed: ListedRow, reason: str | None) -> list[Extracted]:
        """Return what one row says; it cannot be trusted if there is a ``reason``."""
        row = listed.row
        if isinstance(row, Row) and reason is None:
            try:
                standing = self._standing(listed, row)
            except UNREADABLE as error:
                reason = f"unreadable row: {error}"
            else:
                return [extracted(standing), self._user_record(row)]
        rejected = self._rejected("rows", reason or "unreadable row", bytes(row.raw))
        rejected.place, rejected.times = listed.place, listed.times
        rejected.score_above = listed.score_above
        return [extracted(rejected)]

    def _user_record(self, row: Row) -> Extracted:
        content = ListText.of(bytes(row.shape.user)).content
        known = self._profiles.digest_of(content)
        if known is not None:
            make = partial(self.user, row)
            return Extracted(UserItem, row.user.id_str, known, known, known, True, make)
        record = extracted(self.user(row))
        if record.is_sound:
            self._profiles.note(content, record.digest)
        return record

    def user(self, row: Row) -> Item:
        """Return the profile of its user: a `UserItem`, or why it is none."""
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
            observed_at=self.observed_at,
            anchor=self.anchor,
        )

    def _standing(self, listed: ListedRow, row: Row) -> RankItem:
        shape, is_listed = row.shape, listed.place != OWN
        flags_of_place = listed.flags_of_place() if is_listed else ()
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
            observed_at=self.observed_at,
            other_fields=row.other_fields(),
            flags=[*flags_of_place, *flags_of_row(row, listed=is_listed)],
            anchor=self.anchor,
        )

    def _profile(self, row: Row) -> Json:
        """Return the user without what stands elsewhere: in columns, and the rooms in the
        standing."""
        profile = row.profile()
        for name in COLUMNS if self._keep_private else (*COLUMNS, *PRIVATE):
            profile.pop(name, None)
        rooms = profile.pop("own_room", None)
        if isinstance(rooms, dict):
            rooms = {k: v for k, v in rooms.items() if k not in _ROOM_FIELDS}
        if rooms:
            profile["own_room"] = rooms
        return profile

    def _rejected(self, kind: str, reason: str, payload: bytes) -> RejectedItem:
        return RejectedItem(
            kind=kind,
            reason=reason,
            payload=payload.decode("utf-8", "backslashreplace"),
            anchor=self.anchor,
            observed_at=self.observed_at,
            form=Form.ANSWER,
            ranked_list=self._list_of_answer,
        )


def extracted(item: Item) -> Extracted:
    is_sound = not isinstance(item, RejectedItem) and problem_of(item) is None
    suffix = (
        "" if isinstance(item, RejectedItem) else item.history_key.rpartition(f"{item.key}/")[2]
    )
    order = item.digest
    if isinstance(item, RankItem):
        order = f"{item.listed:02x}{order[:-2]}"
    return Extracted(type(item), item.key, item.digest, order, suffix, is_sound, lambda: item)


def list_of(answer: Answer) -> RankedList | None:
    """Return which list it is, on an hour or not; None if it began at no time that a date can
    hold."""
    if not 0 < answer.begin_time < END_OF_TIME:
        return None
    return RankedList(**answer.identity, begin_time=moment_of(answer.begin_time * 1000))
