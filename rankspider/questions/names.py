"""What sellers were called, and who was called so."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.report import column

_FIELDS = ("nickname", "display_id", "avatar_uri", "signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePeriod:
    """One profile of one seller; one that came back has a single row, from its first to its
    last."""

    user_id: str
    since: dt.datetime = column("first seen")
    until: dt.datetime = column("last seen")
    """In between, another one may have stood: profiles are seen only when somebody asks."""
    nickname: str
    """As it came, as the next three."""
    display_id: str
    signature: str
    avatar_uri: str = column(None)
    changed: list[str]
    """What differs from the profile that was first seen before this one, of the four above."""
    is_called_so: bool = column("called so")
    """Whether nickname or display_id is the name asked for."""


def called(database: Database[Document], name: str) -> set[str]:
    """Return the ``user_id`` of all who ever had ``name`` as nickname or display_id. On these
    indexes::

        db.user_history.find({nickname: …}, {user_id: 1})
        db.user_history.find({display_id: …}, {user_id: 1})
    """
    history = database[collections.USER_HISTORY]
    return {
        found["user_id"]
        for field in ("nickname", "display_id")
        for found in history.find({field: name}, ["user_id"])
    }


def names(
    database: Database[Document], user_ids: Collection[str], name: str = ""
) -> list[ProfilePeriod]:
    """Return all profiles of ``user_ids``, the earliest first, one seller after the other.

    On ``user_time``: ``db.user_history.find({user_id: …}).sort({first_observed_at: 1})``.
    """
    rows = []
    for user_id in sorted(user_ids):
        before: Document = {}
        found = database[collections.USER_HISTORY].find({"user_id": user_id})
        for profile in found.sort("first_observed_at", 1):
            profile_fields = {field: profile[field] or "" for field in _FIELDS}
            changed = [
                field for field in _FIELDS if before and profile_fields[field] != before[field]
            ]
            rows.append(
                ProfilePeriod(
                    user_id=user_id,
                    since=profile["first_observed_at"],
                    until=profile["last_observed_at"],
                    changed=changed,
                    is_called_so=bool(name)
                    and name in (profile_fields["nickname"], profile_fields["display_id"]),
                    **profile_fields,
                )
            )
            before = profile_fields
    return rows
