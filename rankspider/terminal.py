"""Text for a terminal: made harmless, measured in columns, and set in a table."""

import re
import sys
import unicodedata
from collections.abc import Sequence

from rankspider.secrecy import discreet

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
# What is not seen, breaks lines, or steers: controls, format characters, surrogates, separators of
# lines, and the other "default ignorable" ones. A joiner stays between emoji, a style behind one.
_UNSAFE = re.compile(
    rf"(?<![{_EMOJI}\ufe0f])\u200d|\u200d(?![{_EMOJI}])"
    rf"|(?<![{_EMOJI}#*0-9\xa9\xae\u203c\u2049\u2122\u2139])[\ufe0e\ufe0f]"
    r"|[\0-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    r"\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def harmless(text: str) -> str:
    r"""``text`` on one line, without anything that steers a terminal: a newline becomes ``\n``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def harmless_json(text: str) -> str:
    """JSON that says the same, with such characters escaped; it stays on the lines it is on."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found[0]), text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


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
    """``text``, `harmless`, in ``most`` columns, cut with ``…`` if it must be."""
    text = harmless(text)
    if columns(text) <= most:
        return text
    while text and columns(text) > most - 1:
        text = text[:-1].rstrip(_JOINER)
    return text + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines under ``heads``; a head that begins with a space stands over a column of numbers."""
    rows = [[harmless(cell) for cell in row] for row in rows]
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
    """A line on standard error, harmless and without a secret, whoever wrote of it."""
    sys.stderr.write(f"{harmless(discreet(text))}\n")
