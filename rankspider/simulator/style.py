"""How the endpoint writes its JSON: the same answer in another dress.

A style is one function from compact JSON to JSON that says the same, in the same order. It is
asked for the shared part of many answers once, and for the rest of each answer by itself, see
`start_of` and `end_of`.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

Style = Literal["compact", "spaced", "pretty"]


def _compact(json: bytes) -> bytes:
    return json


def _spaced(json: bytes) -> bytes:
    """With a blank after each colon and comma."""
    return msgspec.json.format(json, indent=0)


def _pretty(json: bytes) -> bytes:
    """Each value on a line of its own."""
    return msgspec.json.format(json, indent=2)


_WRITERS: Final[dict[Style, Callable[[bytes], bytes]]] = {
    "compact": _compact,
    "spaced": _spaced,
    "pretty": _pretty,
}
_ROW: Final = b'"@"'  # stands for the last row of a list


def written(json: bytes, style: Style) -> bytes:
    """Compact ``json`` in this style."""
    return _WRITERS[style](json)


def start_of(start: bytes, closing: bytes, style: Style) -> bytes:
    """``start``, an answer up to the last row of its list, in this style; ``closing`` would end it
    there, from the bracket behind the list on."""
    whole = written(start + closing, style)
    return whole[: whole.rindex(b"]")].rstrip()


def end_of(opening: bytes, end: bytes, style: Style) -> bytes:
    """``end``, an answer from the bracket behind its list on, in this style; ``opening`` is what
    stands before the list's first row."""
    return written(opening + _ROW + end, style).partition(_ROW)[2]
