"""The content of documents, from facts: names of fields as the README and the design have them."""

from functools import lru_cache

from tests.truth import dress
from tests.truth.facts import ListName, Profile, Row, Said
from tests.truth.lake import Document
from tests.truth.market import HOUR

OWN_TEXT = "gap_description"
"""Of an own standing it tells the distance to the list, and is no news by itself."""
LIST_MOMENT = "delta_time"
"""The same for a list: it tells the time."""


def escaped(part: object) -> str:
    return str(part).replace("%", "%25").replace("/", "%2F")


@lru_cache(maxsize=1024)
def list_key(begin: int, name: ListName) -> str:
    parts = (begin, name.currency, name.title, name.subtitle, name.city_code)
    return "/".join(escaped(part) for part in parts)


def key_of_list(said: Said) -> str:
    return list_key(said.begin, said.name)


def key_of_standing(said: Said, user_id: str) -> str:
    return f"{key_of_list(said)}/{user_id}"


def key_of_history(said: Said, row: Row) -> str:
    """A standing in one room is one document."""
    key = key_of_standing(said, row.profile.user_id)
    room = f"/{row.room}" if row.room else ""
    return f"{key}/{row.rank}/{row.score}/{row.delta}{room}"


def hour(said: Said) -> Document:
    name = said.name
    return {
        "list": {
            "currency": name.currency,
            "title": name.title,
            "subtitle": name.subtitle,
            "city_code": name.city_code,
            "region_name": name.region_name,
        },
        "begin_time": said.begin * 1000,
    }


def standing(said: Said, row: Row, *, is_listed: bool) -> Document:
    content = {
        **hour(said),
        "user_id": row.profile.user_id,
        "sec_uid": row.profile.sec_uid,
        "rank": row.rank,
        "score": row.score,
        "delta": row.delta,
        OWN_TEXT: row.text,
        "gap_rich_description": "",
        "rich_description": "",
        "city_code": "",
        "fixed_footer_description": "",
        "shop_tags": list(row.tags),
        "room_id": row.room,
        "room_ids": [row.room] if row.room else [],
        "listed": is_listed,
        "flags": [],
        "other_fields": {},
    }
    return without_free_text(content)


def without_free_text(content: Document) -> Document:
    free = {OWN_TEXT} if content.get("listed") is False else set()
    return {name: value for name, value in content.items() if name not in free}


def user(profile: Profile) -> Document:
    return {
        "user_id": profile.user_id,
        "sec_uid": profile.sec_uid,
        "short_id": profile.short_id,
        "display_id": profile.display_id,
        "nickname": profile.nickname,
        "gender": profile.gender,
        "signature": profile.signature,
        "avatar_uri": profile.avatar,
        "profile": dress.stored_profile(profile),
    }


def state(said: Said) -> Document:
    """What tells one state of a list from another; flags are no part of it."""
    return {
        **hour(said),
        "user_ids": [row.profile.user_id for row in said.rows],
        "scores": [row.score for row in said.rows],
        "other_fields": dress.LIST_TEXTS,
    }


def flags(said: Said) -> list[str]:
    is_inside = 0 <= said.observed - said.begin * 1000 < HOUR * 1000
    return [] if is_inside else ["outside-hour"]
