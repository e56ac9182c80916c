"""Text without the licence that was asked with, in whatever form it stands there."""

import html
import re
from collections.abc import Iterator
from functools import lru_cache

# Letters and digits that stand as they are in addresses, JSON, HTML and Python.
_PLAIN = re.compile(r"[0-9A-Za-z._-]+")
_LEAST_CHARACTERS = 8
_MARKS = (b"%", b"\\u00", b"\\x", b"&#")


def redacted(text: str, token: str) -> str:
    """``text`` without ``token``: as it is, and as addresses, JSON, HTML and Python write it."""
    return _forms(token).sub("***", text)


def masked(body: bytes, token: str) -> bytes:
    """An answer's ``body`` without ``token``, for whoever keeps it; nearly always ``body`` itself.

    A licence of less than eight characters is left in it: what looks like one may be a word or a
    number of the answer's own. So may one of digits alone amid other digits.
    """
    if len(token) < _LEAST_CHARACTERS:
        return body
    if _plainest_part(token) not in body and not _is_encoded(token, body):
        return body
    return _forms_in_bytes(token).sub(b"***", body)


@lru_cache(maxsize=256)
def _plainest_part(token: str) -> bytes:
    """Which every usual form has, so that one look tells of all: few encode these."""
    return max(_PLAIN.findall(token), key=len, default="").encode()


def _is_encoded(token: str, body: bytes) -> bool:
    """Whether ``body`` has any character of ``token`` in a form that none needs."""
    return any(mark in body for mark in _MARKS) and _encoded(token).search(body) is not None


@lru_cache(maxsize=256)
def _encoded(token: str) -> re.Pattern[bytes]:
    ways = (list(_ways_to_write(char))[:-1] for char in {*token} if _PLAIN.fullmatch(char))
    return re.compile("|".join(way for each in ways for way in each).encode() or b"(?!)")


@lru_cache(maxsize=256)
def _forms_in_bytes(token: str) -> re.Pattern[bytes]:
    forms = _forms(token).pattern.encode("utf-8", "surrogateescape")
    return re.compile(rb"(?<![0-9])" + forms + rb"(?![0-9])" if token.isdecimal() else forms)


@lru_cache(maxsize=256)
def _forms(token: str) -> re.Pattern[str]:
    """Each character encoded or, if it is not, as it is: "%" and "\\" begin their own codes."""
    return re.compile("".join(f"(?:{'|'.join(_ways_to_write(char))})" for char in token))


def _ways_to_write(char: str) -> Iterator[str]:
    """As patterns, the longest first."""
    raw = char.encode("utf-8", "surrogateescape")
    yield f"(?i:{''.join(f'%{byte:02x}' for byte in raw)})"
    yield f"(?i:{''.join(_escaped(f'x{byte:02x}') for byte in raw)})"
    units = char.encode("utf-16-be", "surrogatepass").hex()
    yield f"(?i:{''.join(_escaped('u' + units[at : at + 4]) for at in range(0, len(units), 4))})"
    if not char.isascii():
        yield _escaped(ascii(char)[2:-1])
    if char in "\"'/\\":
        yield _escaped(re.escape(char))
    yield f"&#(?:0*{ord(char)}|(?i:x)0*(?i:{ord(char):x}));"
    if html.escape(char) != char:
        yield re.escape(html.escape(char))
    yield re.escape(char)


def _escaped(code: str) -> str:
    r"""A pattern: behind a backslash, of which JSON within JSON has several."""
    return rf"\\{{1,4}}{code}"
