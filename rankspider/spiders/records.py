"""From one answer to the items it holds."""

import asyncio
import datetime as dt
from collections.abc import Iterator

from rankspider.endpoint.answer import END_OF_TIME, UNREADABLE, Answer, BrokenRow, Json, Row
from rankspider.endpoint.checks import (
    ListedRow,
    flags_of_list,
    flags_of_row,
    list_problem,
    listed_rows,
)
from rankspider.items import Form, Item, ListItem, RankedList, RankItem, RejectedItem, UserItem
from rankspider.known import Known

# Empty in all that was seen, private if ever filled.
_PRIVATE = ("telephone", "birthday")
# They stand in columns of their own.
_COLUMNS = ("id", "id_str", "sec_uid", "short_id", "display_id", "nickname", "gender", "signature")
_ROOM_FIELDS = ("room_ids", "room_ids_str")
# The place of the asked anchor's own row, which is none of the list.
OWN = 0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Records:
    """The items of one answer.

    ``anchor`` is the ``sec_uid`` that was asked for. An asked anchor that stands in the list
    itself yields its listed row only, and sets ``has_repeated_anchor``. A listed row that
    says nothing new yields nothing: it is counted in ``unchanged`` if the lake holds it, and in
    ``repeated`` if another answer is bringing it, whose writes are then ``on_their_way``.
    """

    def __init__(
        self, answer: Answer, anchor: str | None, known: Known, *, keep_private: bool
    ) -> None:
        self._answer = answer
        self._known = known
        self._anchor = anchor
        self._keep_private = keep_private
        self._ranked_list = _list_of(answer)
        self._observed_at = _EPOCH + dt.timedelta(milliseconds=answer.now_ms)
        self.has_repeated_anchor = False
        self.repeated = 0
        self.unchanged = 0
        self.on_their_way: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Item]:
        listed = listed_rows(self._answer)
        problem = list_problem(self._answer)
        if problem is not None:
            yield from self._quarantined(problem, listed)
            return
        assert self._ranked_list is not None  # an hour is a time
        yield self.state(listed)
        for each in listed:
            reason = each.problem()
            if reason is not None or not self._is_known(each):
                yield from self.standing(each, reason)
        yield from self._own_standing()

    def _quarantined(self, problem: str, listed: list[ListedRow]) -> Iterator[Item]:
        yield self._rejected("lists", problem, bytes(self._answer.raw))
        for each in listed:
            yield self._rejected_row(each, problem)
        if self._answer.anchor_info is not None:
            yield self._rejected_row(ListedRow(self._answer.anchor_info, OWN), problem)

    def state(self, listed: list[ListedRow]) -> Item:
        """The list as a whole: a `ListItem`, or why it is none."""
        sound = [
            each.row for each in listed if each.problem() is None and isinstance(each.row, Row)
        ]
        if len(sound) < len(listed):
            reason = "a row of it cannot be trusted"
            return self._rejected("lists", reason, bytes(self._answer.raw))
        try:
            other_fields = self._answer.other_fields()
        except UNREADABLE as error:
            return self._rejected("lists", f"unreadable: {error}", bytes(self._answer.raw))
        assert self._ranked_list is not None
        scores = [row.shape.score for row in sound]
        return ListItem(
            ranked_list=self._ranked_list,
            user_ids=[row.user.id_str for row in sound],
            scores=scores,
            delta_time=self._answer.delta_time,
            other_fields=other_fields,
            observed_at=self._observed_at,
            anchor=self._anchor,
            flags=list(flags_of_list(self._answer, scores)),
        )

    def _known_as(self, listed: ListedRow) -> str:
        """Under which name of the list its rows are known: beside another neighbour the same
        bytes may have other flags."""
        assert self._ranked_list is not None
        flags = listed.flags_of_place()
        return f"{self._ranked_list.key} {flags}" if flags else self._ranked_list.key

    def _is_known(self, listed: ListedRow) -> bool:
        key, raw = self._known_as(listed), bytes(listed.row.raw)
        records = self._known.covering_row(key, raw, self._observed_at)
        if records is None:
            return False
        unfinished = [record.stored for record in records if not record.is_durable]
        self.on_their_way += unfinished
        if unfinished:
            self.repeated += 1
        else:
            self.unchanged += 1
        return True

    def _own_standing(self) -> Iterator[Item]:
        own = self._answer.anchor_info
        if isinstance(own, Row):
            listed = {row.user.id_str for row in self._answer.rows if isinstance(row, Row)}
            if own.user.id_str in listed:
                self.has_repeated_anchor = True
            else:
                yield from self.standing(ListedRow(own, OWN), None)
        elif own is not None:
            yield from self.standing(ListedRow(own, OWN), own.reason)

    def standing(self, listed: ListedRow, reason: str | None) -> Iterator[Item]:
        """The items of one row, which cannot be trusted if there is a ``reason``."""
        row = listed.row
        if reason is not None or isinstance(row, BrokenRow):
            yield self._rejected_row(listed, reason or "unreadable row")
            return
        try:
            rank = self._rank(listed, row)
        except UNREADABLE as error:
            yield self._rejected_row(listed, f"unreadable row: {error}")
            return
        user = self.user(row)
        if rank.listed and isinstance(user, UserItem):
            self._known.remember_row(self._known_as(listed), bytes(row.raw), rank, user)
        yield rank
        yield user

    def _rank(self, listed: ListedRow, row: Row) -> RankItem:
        shape = row.shape
        is_own = listed.place == OWN
        flags = () if is_own else listed.flags_of_place()
        assert self._ranked_list is not None
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
            listed=not is_own,
            observed_at=self._observed_at,
            other_fields=row.other_fields(),
            flags=[*flags, *flags_of_row(row, listed=not is_own)],
            anchor=self._anchor,
        )

    def user(self, row: Row) -> Item:
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
            ranked_list=self._ranked_list,
        )


def _list_of(answer: Answer) -> RankedList | None:
    """Which list it is, on an hour or not; None if it began at no time that a date can hold."""
    if not 0 < answer.begin_time < END_OF_TIME:
        return None
    begin_time = _EPOCH + dt.timedelta(seconds=answer.begin_time)
    return RankedList(**answer.identity, begin_time=begin_time)
