"""How the endpoint writes its JSON: the same answer in another dress.

It says the same, in the same order. It is written for the shared part of many answers once, and for
the rest of each answer by itself, see `start_of` and `end_of`.
"""

from typing import Final, Literal

import msgspec

Style = Literal["compact", "spaced", "pretty"]


# With 0 there is a blank after each colon and comma; with more, each value is on its own line.
_INDENTS: Final[dict[Style, int]] = {"spaced": 0, "pretty": 2}
_ROW: Final = b'"@"'  # stands for the last row of a list


def written(json: bytes, style: Style) -> bytes:
    """Compact ``json`` in this style."""
    return json if style == "compact" else msgspec.json.format(json, indent=_INDENTS[style])


def start_of(start: bytes, closing: bytes, style: Style) -> bytes:
    """``start``, an answer up to the last row of its list, in this style; ``closing`` would end it
    there, from the bracket behind the list on."""
    whole = written(start + closing, style)
    return whole[: whole.rindex(b"]")].rstrip()


def end_of(opening: bytes, end: bytes, style: Style) -> bytes:
    """``end``, an answer from the bracket behind its list on, in this style; ``opening`` is what
    stands before the list's first row."""
    return written(opening + _ROW + end, style).partition(_ROW)[2]
