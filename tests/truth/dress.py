"""Facts as this endpoint writes them, and as the README says that they are stored."""

import json
import random
from typing import Any

from tests.truth.facts import Profile, Row, Said
from tests.truth.market import HOUR

Json = dict[str, Any]

LIST_TEXTS: Json = {
    "seats": [],
    "charts_description": "",
    "direction": "给实时小时榜第一主播送礼最多的用户,会展示在此位置",
    "is_hide_entrance": False,
    "rules_url": "https://example.com/rules/index.html?label=revenue&type=fullscreen",
    "rules_url_v2": "sslocal://webcast_webview?url=rules",
}
"""What a list has beside its name, its times and its rows."""

_SHUFFLED, _LUA, _PROTOBUF, _NULLS = "shuffled", "lua", "protobuf", "nulls"
STYLES: dict[str, Json] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "spaced": {"separators": (", ", ": "), "ensure_ascii": False},
    "pretty": {"indent": 2, "ensure_ascii": False},
    "escaped": {"separators": (",", ":"), "ensure_ascii": True},
    **{
        each: {"separators": (",", ":"), "ensure_ascii": False}
        for each in (_SHUFFLED, _LUA, _PROTOBUF, _NULLS)
    },
}
MIXED = "mixed"
"""One of them by chance for each answer: several writers behind one balancer."""


def body(said: Said, style: str, choose: random.Random) -> bytes:
    """The bytes of an answer, bare or wrapped."""
    answer: Json = {
        "data": _data(said, choose),
        "extra": {"now": said.observed},
        "status_code": 0,
    }
    if choose.random() < 0.5:
        answer = {"code": 200, "msg": "成功", "data": answer}
    return written(answer, style, choose)


def written(answer: Json, style: str, choose: random.Random) -> bytes:
    form = choose.choice(list(STYLES)) if style == MIXED else style
    return json.dumps(_formed(answer, form, choose), **STYLES[form]).encode()


def _formed(value: Any, form: str, choose: random.Random, name: str = "") -> Any:
    """The same facts as another language writes them."""
    if isinstance(value, dict):
        entries = [(key, _formed(each, form, choose, key)) for key, each in value.items()]
        if form == _SHUFFLED:
            choose.shuffle(entries)
        return dict(entries)
    if isinstance(value, list):
        return [_formed(each, form, choose) for each in value]
    if form == _NULLS and not value and name in ("region_name", "level", "signature", "city"):
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if form == _LUA:
        return float(value) if abs(value) < 1 << 53 else value
    return str(value) if form == _PROTOBUF else value


def user(profile: Profile, room: str | None, mirrors: list[str]) -> Json:
    """The user object of a row."""
    pictures = [f"https://{host}.example.com/{profile.avatar}.jpeg" for host in mirrors]
    said: Json = {
        "id": int(profile.user_id),
        "short_id": profile.short_id,
        "nickname": profile.nickname,
        "gender": profile.gender,
        "signature": profile.signature,
        "level": 0,
        "birthday": 0,
        "telephone": "",
        "avatar_thumb": {"url_list": pictures, "uri": profile.avatar, "height": 0},
        "verified": False,
        "city": "",
        "badge_image_list": [],
        "follow_info": {"following_count": 0, "follower_count": 0},
        "pay_grade": {
            "level": profile.level,
            "grade_icon_list": [],
            "new_live_icon": {"url_list": pictures[::-1], "uri": f"grade_{profile.level}.png"},
        },
        "fans_club": {"data": {"badge": {"icons": {"0": {"uri": ""}}}}, "prefer_data": {}},
        "own_room": {"room_ids": [int(room or 0)], "room_ids_str": [room]},
        "display_id": profile.display_id,
        "sec_uid": profile.sec_uid,
        "id_str": profile.user_id,
    }
    if room is None:
        del said["own_room"]
    return said


def stored_profile(profile: Profile) -> Json:
    """What is kept of a user object beside its columns; nothing of what may be private."""
    apart = {"id", "id_str", "sec_uid", "short_id", "display_id", "nickname", "gender"}
    apart |= {"signature", "telephone", "birthday", "own_room"}
    return {name: value for name, value in user(profile, None, []).items() if name not in apart}


def _data(said: Said, choose: random.Random) -> Json:
    data = {
        "ranks": [_row(row, choose) for row in said.rows],
        "begin_time": said.begin,
        "delta_time": delta_time(said),
        "currency": said.name.currency,
        "title": said.name.title,
        "subtitle": said.name.subtitle,
        "city_code": said.name.city_code,
        "region_name": said.name.region_name,
        **LIST_TEXTS,
    }
    if said.own is not None:
        data["anchor_info"] = _row(said.own, choose)
    return data


def delta_time(said: Said) -> int:
    """Seconds left in the hour, rounded up; below 0 after it."""
    return -((said.observed - (said.begin + HOUR) * 1000) // 1000)


def _row(row: Row, choose: random.Random) -> Json:
    mirrors = choose.sample(["p1", "p3", "p6", "p9", "p26"], 3)
    return {
        "user": user(row.profile, row.room, mirrors),
        "score": row.score,
        "rank": row.rank,
        "gap_description": row.text,
        "delta": row.delta,
        "rich_description": "",
        "city_code": "",
        "gap_rich_description": "",
        "shop_tags": list(row.tags),
        "fixed_footer_description": "",
    }
