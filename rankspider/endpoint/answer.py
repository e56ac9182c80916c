"""From the bytes of an answer to typed rows, or to one `AnswerError`. Pure functions.

Everything is decoded by structure: the vendor wraps most answers of its kind in
``{"code": 200, "msg": …, "data": <the bare answer>}``, and this endpoint's sample is bare.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from rankspider.endpoint import failure
from rankspider.endpoint.failure import AnswerError

Json = dict[str, Any]

_LIST_COLUMNS = ("currency", "title", "subtitle", "city_code", "region_name")
_ROW_COLUMNS = frozenset(
    ("rank", "score", "delta", "gap_description", "gap_rich_description", "rich_description")
    + ("city_code", "fixed_footer_description", "shop_tags", "user")
)


class Rooms(Struct):
    """``own_room``: the rooms a user is live in. The string twin is the exact one."""

    room_ids: list[int] = []
    room_ids_str: list[str] = []

    def exact(self) -> list[str]:
        return self.room_ids_str or [str(room) for room in self.room_ids]


class Identity(Struct):
    """The part of a user that says who it is; only ``id_str`` and ``sec_uid`` are keys."""

    id_str: str
    sec_uid: str
    id: int = 0
    own_room: Rooms | None = None


class RowShape(Struct):
    """A row without its user. ``rank`` and ``score`` have no default: a row of the newer
    upstream, which lacks them, must fail, never be stored as zeros."""

    user: Raw
    rank: int
    score: int
    delta: int = 0
    gap_description: str = ""
    gap_rich_description: str = ""
    rich_description: str = ""
    city_code: str = ""
    fixed_footer_description: str = ""
    shop_tags: list[str] | None = None


class Thumb(Struct):
    uri: str = ""


class Card(Struct):
    """The part of a user that stands in columns of its own; absent means zero."""

    short_id: int = 0
    display_id: str = ""
    nickname: str = ""
    gender: int = 0
    signature: str = ""
    avatar_thumb: Thumb | None = None


class Row(Struct):
    """One standing, as it was answered. ``raw`` is the JSON of the whole row."""

    shape: RowShape
    user: Identity
    raw: Raw

    def other_fields(self) -> Json:
        """What the row says beside the fields this code knows."""
        return {k: v for k, v in _json(self.raw).items() if k not in _ROW_COLUMNS}

    def card(self) -> Card:
        """Raises one of `UNREADABLE`."""
        return _card.decode(self.shape.user)

    def profile(self) -> Json:
        """The user object as it came, maps as maps."""
        return with_maps(_json(self.shape.user))


class BrokenRow(Struct):
    """A row that could not be read: ``reason`` says why, ``raw`` is its JSON."""

    reason: str
    raw: Raw


class _Clock(Struct):
    now: int


class _Shell(Struct):
    """What stands outermost, of any kind of answer."""

    code: int | str | None = None
    msg: str | None = None
    data: Raw = Raw(b"")
    extra: Raw = Raw(b"")
    status_code: int | None = None
    status_msg: str | None = None


class _Data(Struct):
    ranks: list[Raw]
    begin_time: int
    delta_time: int = 0
    anchor_info: Raw = Raw(b"")
    currency: str = ""
    title: str = ""
    subtitle: str = ""
    city_code: str = ""
    region_name: str = ""


class _Prompt(Struct):
    prompts: str = ""
    message: str = ""


class Answer(Struct):
    """One answer. Times: ``now_ms`` Unix milliseconds, ``begin_time`` Unix seconds."""

    now_ms: int
    begin_time: int
    delta_time: int
    identity: dict[str, str]
    """currency, title, subtitle, city_code, region_name."""
    rows: list[Row | BrokenRow]
    anchor_info: Row | BrokenRow | None
    raw: Raw
    """The JSON of ``data``."""

    def other_fields(self) -> Json:
        """The list's texts, links and switches beside its identity, its times and its rows."""
        apart = {*_LIST_COLUMNS, "ranks", "anchor_info", "begin_time", "delta_time"}
        return {k: v for k, v in _json(self.raw).items() if k not in apart}


_shell = msgspec.json.Decoder(_Shell)
_data = msgspec.json.Decoder(_Data)
_clock = msgspec.json.Decoder(_Clock)
_prompt = msgspec.json.Decoder(_Prompt)
_shape = msgspec.json.Decoder(RowShape)
_identity = msgspec.json.Decoder(Identity)
_card = msgspec.json.Decoder(Card)
_any = msgspec.json.Decoder()
# With either of them an answer is a captcha, whatever its body says.
WALL_HEADERS = ("bdturing-verify", "x-vc-bdturing-parameters")
# The year 10000 in Unix seconds: neither Python nor BSON's readers go further.
END_OF_TIME = 253_402_300_800
# What msgspec raises for bytes it cannot read.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """Read the body of an HTTP 200; ``headers`` have lower-case names.

    Raises `AnswerError` for anything but a list.
    """
    _reject_walls(body, headers or {})
    try:
        # What is not decoded here is kept as it came, and must be readable later.
        body.decode("utf-8")
        shell = _shell.decode(body)
    except UNREADABLE as error:
        raise AnswerError(failure.malformed(f"no JSON answer: {error}"[:300])) from None
    return _bare(_unwrapped(shell))


def _reject_walls(body: bytes, headers: Mapping[str, str]) -> None:
    """A soft ban comes as HTTP 200 with nothing, with a page, or with a captcha's headers."""
    if any(name in headers for name in WALL_HEADERS):
        raise AnswerError(failure.soft_ban("captcha asked for in a header"))
    start = body[:64].lstrip()
    if not start:
        raise AnswerError(failure.soft_ban("empty body"))
    if start.startswith(b"<"):
        raise AnswerError(failure.soft_ban("a page instead of an answer"))


def _unwrapped(shell: _Shell) -> _Shell:
    if shell.code is None:
        return shell
    if str(shell.code) != "200":
        code = int(shell.code) if str(shell.code).isdigit() else 0
        raise AnswerError(failure.of_vendor_code(code, shell.msg or ""))
    try:
        return _shell.decode(shell.data)
    except UNREADABLE as error:
        message = f"code 200 without an answer in it: {error}"
        raise AnswerError(failure.malformed(message[:300])) from None


def _bare(shell: _Shell) -> Answer:
    if shell.status_code is None:
        raise AnswerError(failure.malformed("no status_code"))
    if shell.status_code != 0:
        raise AnswerError(failure.of_platform_status(shell.status_code, _message(shell)))
    try:
        data = _data.decode(shell.data)
        now_ms = _clock.decode(shell.extra).now
    except UNREADABLE as error:
        raise AnswerError(failure.malformed(f"no list in it: {error}"[:300])) from None
    if not 0 < now_ms < END_OF_TIME * 1000:
        raise AnswerError(failure.malformed("extra.now is no time"))
    return Answer(
        now_ms=now_ms,
        begin_time=data.begin_time,
        delta_time=data.delta_time,
        identity={name: getattr(data, name) for name in _LIST_COLUMNS},
        rows=[_row(raw) for raw in data.ranks],
        anchor_info=None if _is_absent(data.anchor_info) else _row(data.anchor_info),
        raw=shell.data,
    )


def _is_absent(anchor_info: Raw) -> bool:
    """Not asked for: missing, null, or empty."""
    return len(anchor_info) < 8 and bytes(anchor_info).strip() in (b"", b"null", b"{}", b"[]")


def _message(shell: _Shell) -> str:
    """For people if there is one, else the technical one."""
    try:
        prompt = _prompt.decode(shell.data)
    except UNREADABLE:
        prompt = _Prompt()  # ``data`` is absent or a list: the message may stand outside
    for text in (prompt.prompts, prompt.message, shell.status_msg, shell.msg):
        if text and text.strip():
            return text.strip()
    return ""


def _row(raw: Raw) -> Row | BrokenRow:
    try:
        shape = _shape.decode(raw)
        return Row(shape=shape, user=_identity.decode(shape.user), raw=raw)
    except UNREADABLE as error:
        return BrokenRow(reason=f"unreadable row: {error}"[:300], raw=raw)


def _json(raw: Raw) -> Json:
    value: Json = _any.decode(raw)
    return value


def with_maps(user: Json) -> Json:
    """``user`` with the two map-typed fields of ``fans_club`` as maps.

    Servers that re-encode answers turn ``{"0": …}`` into ``[…]`` and ``{}`` into ``[]``; one
    path must not hold both types in MongoDB.
    """
    club = user.get("fans_club")
    if isinstance(club, dict):
        _as_map(club, "prefer_data")
        data = club.get("data")
        badge = data.get("badge") if isinstance(data, dict) else None
        if isinstance(badge, dict):
            _as_map(badge, "icons")
    return user


def _as_map(holder: Json, name: str) -> None:
    value = holder.get(name)
    if isinstance(value, list):
        holder[name] = {str(index): element for index, element in enumerate(value)}
