"""Text for a terminal: made harmless, measured in columns, and set in a table."""

import sys
import unicodedata
from collections.abc import Sequence

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
# Controls, surrogates, line separators, and marks that turn the direction of what follows.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def harmless(text: str) -> str:
    r"""``text`` on one line, without anything that steers a terminal: a newline becomes ``\n``."""
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in _UNSAFE and char != _JOINER
        else char
        for char in text
    )


def columns(text: str) -> int:
    """How many columns ``text`` takes in a terminal that joins emoji as Unicode says."""
    total, last, before = 0, 0, ""
    for char in text:
        if char == _EMOJI_STYLE:
            total, last = total + 2 - last, 2
        elif before == _JOINER or char == _JOINER or _is_mark(char):
            pass  # drawn together with what stands before
        else:
            last = 2 if unicodedata.east_asian_width(char) in "WF" else 1
            total += last
        before = char
    return total


def _is_mark(char: str) -> bool:
    skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return skin_tone or unicodedata.category(char) in ("Mn", "Me")


def shortened(text: str, most: int) -> str:
    """``text`` in ``most`` columns, cut with ``…`` if it must be."""
    if columns(text) <= most:
        return text
    while text and columns(text) > most - 1:
        text = text[:-1].rstrip(_JOINER)
    return text + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines under ``heads``; a head that begins with a space stands over a column of numbers."""
    widths = [
        max(columns(cell.strip()) for cell in column) for column in zip(heads, *rows, strict=True)
    ]
    return [
        "  ".join(
            _padded(cell.strip(), width, to_the_right=head.startswith(" "))
            for cell, width, head in zip(row, widths, heads, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    space = " " * (width - columns(cell))
    return space + cell if to_the_right else cell + space


def remark(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")
