"""Rejected records through today's code: the items they make now, or why they still make none."""

from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import msgspec
from msgspec import Raw, Struct

from rankspider.endpoint import answer
from rankspider.endpoint.answer import Answer, Row
from rankspider.endpoint.body import UNREADABLE, Body
from rankspider.endpoint.checks import ListedRow, list_problem
from rankspider.endpoint.extraction import OWN, Extraction
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.validation import problem_of
from rankspider.items import LIST_FIELDS, Form, Item, ListItem, RankItem, RejectedItem, UserItem
from rankspider.moments import unix_ms

Sound = RankItem | UserItem | ListItem

_ITEMS: dict[str, type[Sound]] = {each.kind: each for each in (RankItem, UserItem, ListItem)}


def _form_of(kind: type[Sound]) -> type[Struct]:
    """Return the struct that JSON of such an item must fit; an item's own class takes more than its
    fields."""
    hints, form = get_type_hints(kind), list[Any]()
    for each in fields(kind):
        if each.default_factory is not MISSING:
            form.append(
                (each.name, hints[each.name], msgspec.field(default_factory=each.default_factory))
            )
        elif each.default is not MISSING:
            form.append((each.name, hints[each.name], each.default))
        else:
            form.append((each.name, hints[each.name]))
    return msgspec.defstruct(kind.__name__, form)


_FORMS = {name: _form_of(kind) for name, kind in _ITEMS.items()}


class StillWrong(Exception):
    """The record is no better than it was; the message is the reason."""


def items_of(record: RejectedItem, *, keep_private: bool) -> list[Sound]:
    """Return what ``record`` would have been: a list's state, a user, or a standing and its user.

    Raises `StillWrong` unless all of it is sound.
    """
    items = _made_again(record) if record.form is Form.ITEM else _read_again(record, keep_private)
    for item in items:
        problem = item.reason if isinstance(item, RejectedItem) else problem_of(item)
        if problem is not None:
            raise StillWrong(problem)
    return [item for item in items if not isinstance(item, RejectedItem)]


def _made_again(record: RejectedItem) -> list[Item]:
    """Return the items made from the item as it was: it had passed what comes before."""
    try:
        decoded = msgspec.json.decode(record.payload, type=_FORMS[record.kind])
    except UNREADABLE as error:
        raise StillWrong(f"it does not fit today's items: {error}") from None
    return [_ITEMS[record.kind](**msgspec.structs.asdict(decoded))]


def _read_again(record: RejectedItem, keep_private: bool) -> list[Item]:
    if record.form is Form.TEXT:
        raise StillWrong("only a description of it was kept")
    try:
        is_list, payload = record.kind == "lists", record.payload.encode()
        observed = unix_ms(record.observed_at)
        read = answer.of_data(payload, observed) if is_list else _answer_around(record)
        decoded = Extraction(read, record.anchor, keep_private=keep_private)
        if record.kind == "users":
            return [decoded.user(answer.row_of_user(payload))]
        if (problem := list_problem(read)) is not None:
            raise StillWrong(problem)
        return [decoded.list_item()] if is_list else _row(record, decoded)
    except AnswerError as error:
        raise StillWrong(str(error)) from None
    except UNREADABLE as error:
        raise StillWrong(f"unreadable: {error}") from None


def _row(record: RejectedItem, decoded: Extraction) -> list[Item]:
    assert record.place is not None  # every row that was kept as it came has one
    row = answer.row_of(Raw(record.payload.encode()))
    listed = ListedRow(row, record.place, record.times, record.score_above)
    is_own = record.place == OWN and isinstance(row, Row)
    return [each.make() for each in decoded.row(listed, None if is_own else listed.problem())]


def _answer_around(record: RejectedItem) -> Answer:
    """Return the answer that ``record`` was part of, as far as it is known."""
    list_ = record.ranked_list
    return Answer(
        Body(b"{}"),
        now_ms=unix_ms(record.observed_at),
        begin_time=int(list_.begin_time.timestamp()) if list_ else 0,
        delta_time=0,
        identity={name: getattr(list_, name) if list_ else "" for name in LIST_FIELDS},
    )
