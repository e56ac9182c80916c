"""Hard checks of one record, whoever made it. Pure functions.

What fails one is quarantined with its reason, never stored.
"""

from dataclasses import fields

import msgspec

from rankspider.endpoint.request import SEC_UID
from rankspider.items import Form, ListItem, RankItem, RejectedItem, UserItem

_INT64 = 1 << 63


def rejected(item: RankItem | UserItem | ListItem, reason: str) -> RejectedItem:
    """Return ``item`` as it goes to the quarantine after it was made."""
    values = {each.name: getattr(item, each.name) for each in fields(item)}
    return RejectedItem(
        kind=item.kind,
        reason=reason,
        payload=msgspec.json.encode(values).decode(),
        anchor=item.anchor,
        observed_at=item.observed_at,
        form=Form.ITEM,
        ranked_list=None if isinstance(item, UserItem) else item.ranked_list,
    )


def problem_of(item: RankItem | UserItem | ListItem) -> str | None:
    """Return why ``item`` cannot be trusted, or None."""
    if isinstance(item, ListItem):
        return _problem_of_list(item)
    if not _is_id(item.user_id):
        return "id_str is not a number of up to 20 digits"
    if not SEC_UID.fullmatch(item.sec_uid):
        return "sec_uid is not of the known form"
    if isinstance(item, RankItem):
        return _problem_of_standing(item)
    if not -_INT64 <= item.short_id < _INT64:
        return "short_id is beyond 64 bits"
    return None


def _is_id(user_id: str) -> bool:
    """Return whether ``user_id`` is one: a leading zero would make one user two; 0 says that there
    is none."""
    return user_id.isascii() and user_id.isdigit() and len(user_id) <= 20 and user_id[0] != "0"


def _problem_of_list(item: ListItem) -> str | None:
    """Return what is wrong with the list. A bad row is quarantined by itself, and the list cannot
    be told without it."""
    if not all(map(_is_id, item.user_ids)):
        return "an id_str in it is not a number of up to 20 digits"
    if item.scores and not 0 <= min(item.scores) <= max(item.scores) < _INT64:
        return "a score in it is not from 0 to 2^63 - 1"
    if not -_INT64 <= item.delta_time < _INT64:
        return "delta_time is beyond 64 bits"
    return None


def _problem_of_standing(item: RankItem) -> str | None:
    if not 0 <= item.rank < _INT64:
        return "rank is not from 0 to 2^63 - 1"
    if not 0 <= item.score < _INT64:
        return "score is not from 0 to 2^63 - 1"
    if not -_INT64 <= item.delta < _INT64:
        return "delta is beyond 64 bits"
    return None
