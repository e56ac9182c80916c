"""One item a row of the list, one a user."""

from dataclasses import dataclass
from typing import Any


@dataclass
class RankItem:
    currency: str
    title: str
    subtitle: str
    city_code: str
    begin_time: int
    user_id: str
    sec_uid: str
    rank: int
    score: int
    delta: int
    gap_description: str
    shop_tags: list[str]
    room_id: str | None
    observed_at: int


@dataclass
class UserItem:
    user_id: str
    sec_uid: str
    short_id: int
    display_id: str
    nickname: str
    gender: int
    signature: str
    avatar_uri: str
    profile: dict[str, Any]
    observed_at: int
