"""An anchor's profile in the endpoint's shape: 85 keys, 84 when it is not live."""

import importlib.resources
import json
from collections.abc import Iterable
from itertools import permutations
from math import isqrt
from typing import Any, Final, NamedTuple, Self

from msgspec.json import encode

from rankspider.simulator.anchors import Anchor

TEMPLATE: Final[dict[str, Any]] = json.loads(
    importlib.resources.files("rankspider").joinpath("user_shape.json").read_text(encoding="utf-8")
)
_IMAGE: Final[dict[str, Any]] = TEMPLATE["avatar_thumb"]
TEMPLATE["fans_club"]["data"]["badge"]["icons"]["0"] = _IMAGE
_MIRROR: Final = "p@@"  # stands for a mirror's host until an answer is put together
_PLACE: Final = _MIRROR.encode()
_MIRRORS: Final = tuple(permutations((b"p1", b"p3", b"p6", b"p9", b"p11", b"p26", b"p29"), 3))
_DIAMONDS_PER_LEVEL: Final = 700


class Profile(NamedTuple):
    """A profile as JSON, its mirrors' hosts still to be filled in."""

    user_id: int
    json: bytes
    mirrors: int
    """How many hosts are to be filled in."""

    @classmethod
    def of(cls, anchor: Anchor, begin_time: int, live: bool) -> Self:
        json = encode(profile_of(anchor, begin_time, live))
        return cls(anchor.user_id, json, json.count(_PLACE))


def with_mirrors(pieces: list[bytes], profiles: Iterable[Profile], call: int) -> bytes:
    """JSON that holds ``profiles``, split by `at_mirrors`, with their images on other mirrors than
    in the call before."""
    parts = [b""] * (2 * len(pieces) - 1)
    parts[::2] = pieces
    parts[1::2] = [
        host
        for profile in profiles
        for host in _HOSTS[(profile.user_id * 7 + call * 13) % len(_HOSTS)][: profile.mirrors]
    ]
    return b"".join(parts)


def at_mirrors(json: bytes) -> list[bytes]:
    """``json`` split where the mirrors' hosts go."""
    return json.split(_PLACE)


def _hosts(order: int) -> tuple[bytes, ...]:
    """Hosts for an avatar and two icons, three mirrors each."""
    count = len(_MIRRORS)
    icons = _MIRRORS[(order + 29) % count] + _MIRRORS[(order + 58) % count]
    return _MIRRORS[order] + icons


_HOSTS: Final = tuple(_hosts(order) for order in range(len(_MIRRORS)))


def profile_of(anchor: Anchor, begin_time: int, live: bool) -> dict[str, Any]:
    """The ``user`` object; its image links still lack their hosts' names."""
    user = TEMPLATE | {
        "id": anchor.user_id,
        "id_str": str(anchor.user_id),
        "short_id": anchor.short_id,
        "display_id": anchor.display_id,
        "nickname": anchor.nickname,
        "gender": anchor.gender,
        "signature": anchor.signature,
        "sec_uid": anchor.sec_uid,
        "avatar_thumb": _avatar(anchor.avatar),
        "pay_grade": TEMPLATE["pay_grade"] | _pay_grade(anchor.diamonds),
    }
    if live:
        room = anchor.room_id(begin_time)
        return user | {"own_room": {"room_ids": [room], "room_ids_str": [str(room)]}}
    del user["own_room"]
    return user


def _avatar(name: str) -> dict[str, Any]:
    link = f"https://{_MIRROR}.avatar.invalid/img/{name}~c5_100x100.jpeg?from=4010531038"
    return _IMAGE | {"url_list": [link] * 3, "uri": f"100x100/{name}"}


def _pay_grade(diamonds: int) -> dict[str, Any]:
    level = isqrt(diamonds // _DIAMONDS_PER_LEVEL)
    ceiling = _DIAMONDS_PER_LEVEL * (level + 1) ** 2
    missing = ceiling - diamonds
    text = f"{missing / 10_000:.1f}w" if missing >= 10_000 else str(missing)
    grade: dict[str, Any] = {
        "total_diamond_count": diamonds,
        "level": level,
        "this_grade_min_diamond": _DIAMONDS_PER_LEVEL * level**2,
        "this_grade_max_diamond": ceiling,
        "grade_describe": f"距离{level + 1}级还差{text}抖币",
        "score": diamonds,
        "new_im_icon_with_level": _IMAGE,
        "new_live_icon": _IMAGE,
    }
    if level:
        grade["new_im_icon_with_level"] = _icon(f"user_grade_level_v4_{level}.png", 32, 16)
        lowest = level // 5 * 5
        grade["new_live_icon"] = _icon(f"aweme_pay_grade_2x_{lowest}_{lowest + 4}.png", 12, 12)
    return grade


def _icon(name: str, width: int, height: int) -> dict[str, Any]:
    uri = f"simulated/{name}"
    link = f"http://{_MIRROR}-webcast.icon.invalid/img/{uri}~tplv-obj.image"
    size = {"width": width, "height": height, "image_type": 1}
    return _IMAGE | {"url_list": [link] * 3, "uri": uri} | size
