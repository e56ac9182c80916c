"""Find the words of an answer that is no list, in whatever envelope. Pure functions."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from rankspider.endpoint.body import UNREADABLE

# A refusal is short; what is longer is a list that is broken, or a page.
_MOST_BYTES = 64 * 1024
_MOST_CHARACTERS = 300
_DEEPEST = 4
_MOST_TEXTS = 20
_NAMES_OF_WORDS = re.compile(
    r"(?i)msg|message|err|reason|detail|description|prompt|hint|info|status_?text|title|text"
)
_NAMES_OF_CODES = re.compile(r"(?i)(?:err|error|status|ret|sub|biz)?_?(?:code|no|errcode)|status")
_UNSEEN = re.compile(r"(?is)<(script|style|noscript)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")
_SPACE = re.compile(r"\s+")


def vendor_message(body: bytes) -> str:
    """Return the words of ``body``, on one line and cut to 300 characters; "" if it has none.

    Of JSON, the texts under the names that messages have; of a page, what a reader would see; of
    anything else, the text as it stands.
    """
    if not body or len(body) > _MOST_BYTES:
        return ""
    try:
        texts = list(_texts(msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))))
    except UNREADABLE:
        texts = [_plain(body)]
    joined = "; ".join(dict.fromkeys(filter(None, (_SPACE.sub(" ", t).strip() for t in texts))))
    return joined[:_MOST_CHARACTERS]


def _texts(value: Any, deep: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and deep < _DEEPEST:
        for element in value[:3]:
            yield from _texts(element, deep + 1)
    elif isinstance(value, dict) and deep < _DEEPEST:
        for name, element in list(value.items())[:_MOST_TEXTS]:
            nests = isinstance(element, dict | list) and name not in ("ranks", "anchor_info")
            if nests or _NAMES_OF_WORDS.search(name):
                yield from _texts(element, deep + 1)
            elif isinstance(element, str) and not element.isdecimal() and _is_code(name):
                yield element  # such as "code": "InvalidToken"


def _is_code(name: str) -> bool:
    return _NAMES_OF_CODES.fullmatch(name) is not None


def _plain(body: bytes) -> str:
    """Return the text, or nothing if it is no text of a known encoding, or JSON that is cut off."""
    for encoding in ("utf-8", "gb18030"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.lstrip()[:1] in ("{", "[") or "\0" in text:
            return ""
        return _UNSEEN.sub(" ", text) if "<" in text else text
    return ""
