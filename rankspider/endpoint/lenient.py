"""Read JSON into typed facts, whatever form a server gives them.

Servers write one fact in several ways: integers as decimal text (protobuf) or as whole floats (Lua,
JavaScript), ``[]`` for an empty object or text and ``{"0": …}`` for a list (PHP), ``null`` for what
is absent. What has no default is an identity, a place, a score or a time: it must be there, and be
what it is after such a change of form; what has one falls back to it.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, inspect

from rankspider.facts import scalar_as

REDUNDANT: Final = Meta(extra={"redundant": True})
"""Of a field that tells nothing by itself, or that may be left out: what cannot be read there is
not given, and never costs what stands beside it."""

_T = TypeVar("_T")
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_FORMS: dict[type, type] = {inspect.IntType: int, inspect.StrType: str}
# Exact: 1e-400 is no 0.
_any = msgspec.json.Decoder(float_hook=Decimal)


class Decoder(Generic[_T]):
    """Decodes JSON into the struct ``type_``. It is quick if each fact has its usual form."""

    def __init__(self, type_: type[_T]) -> None:
        self._strict = msgspec.json.Decoder(type_)
        self._type = type_
        self._info = inspect.type_info(type_)

    def decode(self, json: bytes | Raw) -> _T:
        """Return the struct that ``json`` holds. Raises one of
        `rankspider.endpoint.body.UNREADABLE`."""
        try:
            return self._strict.decode(json)
        except msgspec.ValidationError as error:
            value = _struct(_fields(json), self._info)
            try:
                return msgspec.convert(value, self._type)
            except msgspec.ValidationError:
                raise error from None  # what it says is of the value as it came


def _fields(json: bytes | Raw) -> Any:
    """Return an object's fields, each as it came; nested ones are read when their type is known."""
    value = _any.decode(json)
    return value if not isinstance(value, dict) else msgspec.json.decode(json, type=dict[str, Raw])


def _struct(value: Any, info: Any) -> Any:
    if not isinstance(value, dict):
        return value
    known = {}
    for each, field in zip(info.fields, msgspec.structs.fields(info.cls), strict=True):
        if each.encode_name not in value:
            continue
        is_redundant = isinstance(each.type, inspect.Metadata)
        part = _of(value[each.encode_name], each.type.type if is_redundant else each.type)
        if is_redundant and not _is_readable(part, field.type):
            continue
        if each.required or part is not None:
            known[each.encode_name] = part
    return known


def _is_readable(value: Any, type_: Any) -> bool:
    with suppress(msgspec.ValidationError):
        msgspec.convert(value, type_)
        return True
    return False


def _of(raw: Raw, wanted: Any) -> Any:
    """Return the value in the form ``wanted``; None for what is empty."""
    if isinstance(wanted, inspect.RawType):
        return raw
    options = wanted.types if isinstance(wanted, inspect.UnionType) else (wanted,)
    value = _any.decode(raw)
    for option in options:
        if isinstance(option, inspect.StructType) and isinstance(value, dict):
            return _struct(_fields(raw), option)
        if isinstance(option, inspect.ListType):
            return _list(raw, value, option)
    if value in _EMPTY or (value is False and isinstance(wanted, inspect.StrType)):
        return "" if value == "" and isinstance(wanted, inspect.StrType) else None
    for option in options:
        if (kind := _FORMS.get(type(option))) is not None:
            return scalar_as(kind, value)
    return value


def _list(raw: Raw, value: Any, wanted: Any) -> Any:
    if isinstance(value, dict):  # as PHP writes a list with gaps
        raws = list(msgspec.json.decode(raw, type=dict[str, Raw]).values())
    elif isinstance(value, list):
        raws = msgspec.json.decode(raw, type=list[Raw])
    elif value in _EMPTY:
        return None
    else:  # one element by itself
        raws = [raw]
    elements = [_of(each, wanted.item_type) for each in raws]
    return [each for each in elements if each is not None]
