"""Text for a terminal: made harmless, measured in columns, and set in a table."""

import codecs
import io
import os
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
_GAP = "  "
_LEAST_COLUMNS = 12
# For an encoding without them.
_INSTEAD = {_JOINER: "", _EMOJI_STYLE: "", "…": "...", "–": "-", "—": "-", "·": "."}


def harmless(text: str) -> str:
    r"""Return ``text`` on one line, without anything that steers a terminal: a newline becomes
    ``\n``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def harmless_json(text: str) -> str:
    """Return JSON that says the same, with such characters escaped; it stays on the lines it
    is on."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found[0]), text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def columns(text: str) -> int:
    """Return how many columns ``text`` takes in a terminal that joins emoji as Unicode says."""
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
    """Return ``text``, made `harmless`, in ``most`` columns, cut with ``…`` if it must be."""
    text = harmless(text)
    if columns(text) <= most:
        return text
    while text and columns(text) > most - 1:
        text = text[:-1].rstrip(_JOINER)
    return text + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table under ``heads``, as lines; a head that begins with a space stands over a
    column of numbers.

    In a terminal that is too narrow, long texts are folded; where that does not help, each row
    becomes lines of its own.
    """
    to_the_right = [head.startswith(" ") for head in heads]
    cells = [[_writable(cell.strip()) for cell in row] for row in (heads, *rows)]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    room = _room()
    if room is not None:
        least = [
            width if right else min(width, max(_LEAST_COLUMNS, columns(head)))
            for width, right, head in zip(widths, to_the_right, cells[0], strict=True)
        ]
        if sum(least) + len(_GAP) * (len(least) - 1) > room:
            return _one_below_the_other(cells[0], cells[1:])
        _narrow(widths, least, room)
    return [line for row in cells for line in _folded(row, widths, to_the_right)]


def _narrow(widths: list[int], least: list[int], room: int) -> None:
    """Take from the widest that may give, until all fit."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > room:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1


def _folded(row: list[str], widths: list[int], to_the_right: list[bool]) -> list[str]:
    parts = [_pieces(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        _GAP.join(
            _padded(part[nth] if nth < len(part) else "", width, to_the_right=right)
            for part, width, right in zip(parts, widths, to_the_right, strict=True)
        ).rstrip()
        for nth in range(max(map(len, parts)))
    ]


def _pieces(text: str, width: int) -> list[str]:
    """Return ``text`` on lines of ``width`` columns, broken at a blank where there is one."""
    pieces = []
    while columns(text) > width:
        end = len(text)
        while end > 1 and columns(text[:end]) > width:
            end -= 1
        end = text.rfind(" ", 1, end + 1) + 1 or end
        pieces.append(text[:end].rstrip())
        text = text[end:]
    return [*pieces, text]


def _one_below_the_other(heads: list[str], rows: list[list[str]]) -> list[str]:
    width = max(map(columns, heads))
    lines = []
    for row in rows:
        pairs = ((head, cell) for head, cell in zip(heads, row, strict=True) if cell)
        lines += [f"{_padded(head, width, to_the_right=False)}{_GAP}{cell}" for head, cell in pairs]
        lines.append("")
    return lines[:-1]


def _room() -> int | None:
    """Return how many columns the terminal has; None where nobody looks at them."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size().columns or None
    except (OSError, ValueError):
        return None


def _writable(text: str) -> str:
    """Return what of ``text`` standard output can write, made harmless."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return harmless(text).encode(encoding, _ERRORS).decode(encoding)


def _instead(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(char, "?") for char in missing), error.end


_ERRORS = "rankspider.terminal"
codecs.register_error(_ERRORS, _instead)


def replace_unencodable(*, is_data: bool) -> None:
    """Let no character that the terminal's encoding lacks end a command.

    ``is_data``: it is meant for a program, and so it is UTF-8 unless a terminal shows it.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf8 = is_data and not sys.stdout.isatty()
        sys.stdout.reconfigure(encoding="utf-8" if is_utf8 else None, errors=_ERRORS)


def as_typed(argument: str) -> str:
    """Return ``argument`` as it was typed where the system's encoding is said to be ASCII, and is
    UTF-8 after all."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    space = " " * (width - columns(cell))
    return space + cell if to_the_right else cell + space


def remark(text: str) -> None:
    """Write a line on standard error, harmless and without a secret, whoever wrote of it."""
    sys.stderr.write(f"{harmless(discreet(text))}\n")
