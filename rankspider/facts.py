"""Tell what values say, however a JSON writer puts it: one form for the same facts.

Protobuf writes 64-bit integers as text, Lua and JavaScript write integers as floats, PHP writes an
empty object as ``[]``, and many write null, or nothing, for zero. ``user_shape.json`` tells what
the fields of a user are, by their zeros; a picture is null there.
"""

import importlib.resources
import json
import re
from decimal import Decimal
from typing import Any, Final

Json = dict[str, Any]

_INTEGER = re.compile(r"([+-]?[0-9]{1,19})(?:\.0*)?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{0,19})?[eE][+-]?[0-9]{1,2}", re.ASCII)
_INT64: Final = 1 << 63
_EXACT: Final = 1 << 53
"""Up to here a float holds each whole number."""


class _Shape(dict[str, Any]):
    """Of an object, by its fields; without those of ``needed`` it does not say zero."""

    def __init__(self, fields: Json, needed: tuple[str, ...] = ()) -> None:
        super().__init__(fields)
        excluded = ("url_list", *needed)
        self.zeros: Json = {k: _zero(each) for k, each in fields.items() if k not in excluded}
        """What it says if nothing is told."""


class _OptionalShape(_Shape):
    """The shape of what may be absent as a whole."""


def _zero(shape: Any) -> Any:
    return shape.zeros if isinstance(shape, _Shape) else type(shape)()


def _shape(value: Any, picture: _OptionalShape) -> Any:
    if value is None:
        return picture
    if isinstance(value, dict):
        return _Shape({name: _shape(each, picture) for name, each in value.items()})
    return value


_UNKNOWN: Final = _Shape({})
_FIELDS: Final[Json] = json.loads(
    importlib.resources.files("rankspider").joinpath("user_shape.json").read_text(encoding="utf-8")
)
COLUMNS: Final = tuple(
    "id id_str sec_uid short_id display_id nickname gender signature".split()  # noqa: SIM905
)
"""Of a user, what stands in columns of its own."""
PRIVATE: Final = ("telephone", "birthday")
"""Empty in all that was seen, private if ever filled."""
USER: Final = _shape(_FIELDS, _OptionalShape(_FIELDS["avatar_thumb"]))
PROFILE: Final = _Shape(
    {name: each for name, each in USER.items() if name not in (*COLUMNS, *PRIVATE, "own_room")}
)
LIST: Final = _Shape(
    {"seats": [], "is_hide_entrance": False}
    | dict.fromkeys(
        ("charts_description", "direction", "top_img_url", "last_hour_description", "rules_url")
        + ("highlight_content", "rules_url_v2"),
        "",
    )
)
"""What a list has beside its identity, its times and its rows."""
_ROOMS: Final = _Shape({"room_ids": [0], "room_ids_str": [""]})
_USER: Final = _Shape({**USER, "own_room": _ROOMS}, ("id_str", "sec_uid", "own_room"))
_TEXTS: Final = (
    ("gap_description", "gap_rich_description", "rich_description")
    + ("city_code", "fixed_footer_description")
)  # fmt: skip
_ROW: Final = _Shape(
    {"user": _USER, "rank": 0, "score": 0, "delta": 0, "shop_tags": [""]}
    | dict.fromkeys(_TEXTS, ""),
    ("user", "rank", "score"),
)
_NAMES: Final = ("currency", "title", "subtitle", "city_code", "region_name")
_DATA: Final = _Shape(
    {**LIST, "ranks": [_ROW], "begin_time": 0} | dict.fromkeys(_NAMES, ""), ("ranks", "begin_time")
)
RECORDS: Final = {"rows": _ROW, "users": _USER, "lists": _DATA}
"""As they came, whatever can be read of them."""


def integer_of(value: Any) -> int | None:
    """Return the integer that a number or a text says exactly; None if it says none."""
    if isinstance(value, str):
        if _EXPONENT.fullmatch(value.strip()):
            return integer_of(Decimal(value.strip()))
        matched = _INTEGER.fullmatch(value.strip())
        return int(matched[1]) if matched and -_INT64 <= int(matched[1]) < _INT64 else None
    if isinstance(value, float | Decimal):
        return int(value) if -_EXACT < value < _EXACT and value == int(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def scalar_as(kind: type, value: Any) -> Any:
    """Return ``value`` as ``kind``, a bool, int or str; as it is if it says no such thing."""
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    number = integer_of(value)
    if number is None:
        return value
    if kind is bool:
        return bool(number) if number in (0, 1) else value
    return kind(number)


def tidied(value: Any, shape: Any) -> Any:
    """Return ``value``, which is of ``shape`` as far as that is known (None: not at all), with all
    that it says in the form of the shape."""
    value = _formed(value, shape)
    if isinstance(value, dict):
        known = shape if isinstance(shape, _Shape) else _UNKNOWN
        return {
            name: each if _is_usual(each, kind := known.get(name)) else tidied(each, kind)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [tidied(each, _of_elements(shape)) for each in value]
    return value


def _is_usual(value: Any, shape: Any) -> bool:
    """Tell whether it is a scalar of its shape's own kind: most are, and need no other look."""
    return type(value) is type(shape) and type(value) in (int, str, bool)


def _formed(value: Any, shape: Any) -> Any:
    """Form ``value`` by itself, not what is in it."""
    if type(value) is type(shape):
        return value
    if shape is None:
        number = integer_of(value) if isinstance(value, float) else None
        return value if number is None else number
    if isinstance(shape, _Shape):
        if isinstance(value, list):
            value = {str(index): each for index, each in enumerate(value)}
        return value or (None if isinstance(shape, _OptionalShape) else {})
    if isinstance(shape, list):
        return list(value.values()) if _is_php_list(value) else value or []
    if value in (None, "", [], {}) or (value is False and isinstance(shape, str)):
        return type(shape)()
    return scalar_as(type(shape), int(value) if isinstance(value, bool) else value)


def _of_elements(shape: Any) -> Any:
    return shape[0] if isinstance(shape, list) and shape else None


def _is_php_list(value: Any) -> bool:
    """Tell whether it is ``{"0": …, "1": …}``, as PHP writes some lists."""
    return isinstance(value, dict) and [*value] == [str(index) for index in range(len(value))]


def facts_of(value: Any, shape: Any = None) -> Any:
    """Return what ``value`` says, for a digest: equal for equal facts.

    Of an entry, absent, null, zero and empty say the same. What is in the shape stands there in
    any case, and of the rest what is not zero. The hosts of ``url_list`` change on every call.
    """
    value = _formed(value, shape)
    if isinstance(shape, _OptionalShape):
        value = value or {}  # no picture says what one does that says nothing
    if shape is None and value and _is_php_list(value):
        value = list(value.values())
    if isinstance(value, dict):
        known = shape if isinstance(shape, _Shape) else _UNKNOWN
        matched = dict(known.zeros)
        for name, each in value.items():
            if _is_usual(each, kind := known.get(name)):
                matched[name] = each
            elif name != "url_list":
                fact = facts_of(each, kind)
                if fact or name in known:
                    matched[name] = fact
        return matched
    if isinstance(value, list | tuple):
        return [facts_of(each, _of_elements(shape)) for each in value]
    if shape is None and isinstance(value, bool):
        return int(value)
    if shape is None and isinstance(value, str) and str(integer_of(value)) == value:
        return int(value)
    return value


def facts_of_profile(profile: Json) -> Json:
    """Return the same of a user without what stands in columns.

    If nothing is told but a picture and a fan club, the rest is left out: lakes know such stubs by
    digests that are made so.
    """
    matched: Json = facts_of(profile, PROFILE)
    rest = [name for name in PROFILE if name not in ("avatar_thumb", "fans_club")]
    if any(matched[name] != PROFILE.zeros[name] for name in rest):
        return matched
    return {name: each for name, each in matched.items() if name not in rest}
