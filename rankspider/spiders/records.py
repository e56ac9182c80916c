"""From one answer to the items it holds."""

import asyncio
import datetime as dt
from collections.abc import Iterator

from rankspider.endpoint.answer import UNREADABLE, Answer, BrokenRow, Json, Row
from rankspider.endpoint.checks import checked_rows, list_problem
from rankspider.items import Item, ListItem, RankedList, RankItem, RejectedItem, UserItem
from rankspider.known import Known

# Empty in all that was seen, private if ever filled.
_PRIVATE = ("telephone", "birthday")
# They stand in columns of their own.
_COLUMNS = ("id", "id_str", "sec_uid", "short_id", "display_id", "nickname", "gender", "signature")
_ROOM_FIELDS = ("room_ids", "room_ids_str")
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
        self._observed_at = _EPOCH + dt.timedelta(milliseconds=answer.now_ms)
        self.has_repeated_anchor = False
        self.repeated = 0
        self.unchanged = 0
        self.on_their_way: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Item]:
        problem = list_problem(self._answer)
        if problem is not None:
            yield from self._quarantined(problem)
            return
        ranked_list = RankedList(
            **self._answer.identity,
            begin_time=_EPOCH + dt.timedelta(seconds=self._answer.begin_time),
        )
        yield self._state(ranked_list)
        for row, reason in checked_rows(self._answer):
            if reason is not None or not self._is_known(ranked_list, row):
                yield from self._standing(ranked_list, row, reason, listed=True)
        yield from self._own_standing(ranked_list)

    def _quarantined(self, problem: str) -> Iterator[Item]:
        yield self._rejected("lists", problem, bytes(self._answer.raw))
        own = self._answer.anchor_info
        for row in [*self._answer.rows, *([] if own is None else [own])]:
            yield self._rejected("rows", problem, bytes(row.raw))

    def _state(self, ranked_list: RankedList) -> Item:
        rows = [row for row, reason in checked_rows(self._answer) if reason is None]
        sound = [row for row in rows if isinstance(row, Row)]
        if len(sound) < len(self._answer.rows):
            reason = "a row of it cannot be trusted"
            return self._rejected("lists", reason, bytes(self._answer.raw))
        try:
            other_fields = self._answer.other_fields()
        except UNREADABLE as error:
            return self._rejected("lists", f"unreadable: {error}", bytes(self._answer.raw))
        return ListItem(
            ranked_list=ranked_list,
            user_ids=[row.user.id_str for row in sound],
            scores=[row.shape.score for row in sound],
            delta_time=self._answer.delta_time,
            other_fields=other_fields,
            observed_at=self._observed_at,
            anchor=self._anchor,
        )

    def _is_known(self, ranked_list: RankedList, row: Row | BrokenRow) -> bool:
        key, raw = ranked_list.key, bytes(row.raw)
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

    def _own_standing(self, ranked_list: RankedList) -> Iterator[Item]:
        own = self._answer.anchor_info
        if isinstance(own, Row):
            listed = {row.user.id_str for row in self._answer.rows if isinstance(row, Row)}
            if own.user.id_str in listed:
                self.has_repeated_anchor = True
            else:
                yield from self._standing(ranked_list, own, None, listed=False)
        elif own is not None:
            yield from self._standing(ranked_list, own, own.reason, listed=False)

    def _standing(
        self, ranked_list: RankedList, row: Row | BrokenRow, reason: str | None, *, listed: bool
    ) -> Iterator[Item]:
        if reason is not None or isinstance(row, BrokenRow):
            yield self._rejected("rows", reason or "unreadable row", bytes(row.raw))
            return
        try:
            rank = self._rank(ranked_list, row, listed=listed)
        except UNREADABLE as error:
            yield self._rejected("rows", f"unreadable row: {error}", bytes(row.raw))
            return
        user = self._user(row)
        if listed and isinstance(user, UserItem):
            self._known.remember_row(ranked_list.key, bytes(row.raw), rank, user)
        yield rank
        yield user

    def _rank(self, ranked_list: RankedList, row: Row, *, listed: bool) -> RankItem:
        shape = row.shape
        return RankItem(
            ranked_list=ranked_list,
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
            listed=listed,
            observed_at=self._observed_at,
            other_fields=row.other_fields(),
            anchor=self._anchor,
        )

    def _user(self, row: Row) -> Item:
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

    def _rejected(self, kind: str, reason: str, payload: bytes) -> RejectedItem:
        return RejectedItem(
            kind=kind,
            reason=reason,
            payload=payload.decode("utf-8", "backslashreplace"),
            anchor=self._anchor,
            observed_at=self._observed_at,
        )
