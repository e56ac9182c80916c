"""How the endpoint writes its JSON: the same answer in another dress.

It says the same, in whatever form writers of other languages have for it. It is written for the
shared part of many answers once, and for the rest of each answer by itself, see `start_of` and
`end_of`.
"""

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

import msgspec

Style = Literal[
    "compact", "spaced", "pretty", "ascii", "shuffled", "alternating", "protobuf", "php", "nulls"
]
CHANGING: Final = ("shuffled", "alternating")
"""Styles in which two calls differ."""

_ROW: Final = b'"@"'  # stands for the last row of a list
# What an answer cannot do without, be it zero.
_REQUIRED: Final = ("code", "status_code", "rank", "score", "begin_time")
# Of the objects around the list, whose order this module relies on.
_FRAME: Final = {"ranks", "status_code", "code"}


def written(compact: bytes, style: Style, variant: int = 0) -> bytes:
    """Compact JSON in this style; of one that changes, as in the call of this number."""
    if style == "alternating":
        style = "spaced" if variant % 2 else "compact"
    if style == "shuffled":
        value = _shuffled(random.Random(variant), msgspec.json.decode(compact))
        return msgspec.json.encode(value)
    return _WRITERS[style](compact)


def start_of(start: bytes, closing: bytes, style: Style, variant: int = 0) -> bytes:
    """``start``, an answer up to the last row of its list, in this style; ``closing`` would end it
    there, from the bracket behind the list on."""
    whole = written(start + closing, style, variant)
    return whole[: whole.rindex(b"]")].rstrip()


def end_of(opening: bytes, end: bytes, style: Style, variant: int = 0) -> bytes:
    """``end``, an answer from the bracket behind its list on, in this style; ``opening`` is what
    stands before the list's first row."""
    return written(opening + _ROW + end, style, variant).partition(_ROW)[2]


def _ascii(compact: bytes) -> bytes:
    text = json.dumps(msgspec.json.decode(compact), separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def _shuffled(choose: random.Random, value: Any) -> Any:
    if isinstance(value, list):
        return [_shuffled(choose, each) for each in value]
    if not isinstance(value, dict):
        return value
    entries = [(name, _shuffled(choose, each)) for name, each in value.items()]
    if not _FRAME & value.keys():
        choose.shuffle(entries)
    return dict(entries)


def _changed(change: Callable[[str, Any], Any], compact: bytes) -> bytes:
    return msgspec.json.encode(_within(change, "", msgspec.json.decode(compact)))


def _within(change: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    if isinstance(value, dict):
        value = {key: _within(change, key, each) for key, each in value.items()}
    elif isinstance(value, list):
        value = [_within(change, "", each) for each in value]
    return change(name, value)


def _as_protobuf(_: str, value: Any) -> Any:
    """64-bit integers as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_php(_: str, value: Any) -> Any:
    """Empty objects as arrays; maps with numbers for keys as well; switches as 0 and 1."""
    if isinstance(value, dict) and all(key == str(at) for at, key in enumerate(value)):
        return list(value.values())
    return int(value) if isinstance(value, bool) else value


def _as_nulls(name: str, value: Any) -> Any:
    return value if value or name in _REQUIRED or name == "ranks" else None


_WRITERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "compact": bytes,
    "spaced": lambda compact: msgspec.json.format(compact, indent=0),
    "pretty": lambda compact: msgspec.json.format(compact, indent=2),
    "ascii": _ascii,
    "protobuf": partial(_changed, _as_protobuf),
    "php": partial(_changed, _as_php),
    "nulls": partial(_changed, _as_nulls),
}
