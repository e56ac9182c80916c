"""Find the words of an answer that is no list, in whatever envelope. Pure functions."""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
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
    r"|tips?\b|remark|content|fault|cause|^(?:data|result|ret)$|提示|消息|信息|原因|错误"
)
# What a list says beside is no word on the call: its texts and nicknames may say anything.
_NAMES_BESIDE_A_LIST = ("prompts", "message", "msg")
# Under other names only: a sentence, or one word that is no key, date or path.
_SENTENCE = re.compile(r".*[\s\u4e00-\u9fff].*|[^\W\d_]+", re.DOTALL)
_NAMES_OF_CODES = re.compile(r"(?i)(?:err|error|status|ret|sub|biz)?_?(?:code|no|errcode)|status")
_UNSEEN = re.compile(r"(?is)<(script|style|noscript)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")
_SPACE = re.compile(r"\s+")


def vendor_message(body: bytes) -> str:
    """Return the words of ``body``, on one line and cut to 300 characters; "" if it has none.

    Of JSON, the texts under the names that messages have, or else all; of a page, what a reader
    would see; of anything else, the text as it stands.
    """
    if not body or len(body) > _MOST_BYTES:
        return ""
    text = _text_of(body)
    try:
        value = msgspec.json.decode(text)
        texts = list(_texts(value)) or list(_texts(value, any_name=True))
    except UNREADABLE:
        texts = [_plain(text)]
    joined = "; ".join(dict.fromkeys(filter(None, (_SPACE.sub(" ", t).strip() for t in texts))))
    return joined[:_MOST_CHARACTERS]


def _texts(value: Any, deep: int = 0, *, any_name: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if (within := _json_in(value)) is None:
            yield value
        else:
            yield from _texts(within, deep + 1, any_name=any_name)
    elif isinstance(value, list) and deep < _DEEPEST:
        for element in value[:3]:
            yield from _texts(element, deep + 1, any_name=any_name)
    elif isinstance(value, dict) and deep < _DEEPEST:
        names = _NAMES_BESIDE_A_LIST if "ranks" in value else [*value][:_MOST_TEXTS]
        for name in names:
            element = value.get(name)
            if isinstance(element, dict | list) or _NAMES_OF_WORDS.search(name):
                yield from _texts(element, deep + 1, any_name=any_name)
            elif isinstance(element, str) and not element.isdecimal() and _is_code(name):
                yield element  # such as "code": "InvalidToken"
            elif any_name and isinstance(element, str) and _SENTENCE.fullmatch(element):
                yield element


def _json_in(text: str) -> Any:
    """Return what a text says that is an object or a list in JSON itself; None for any other."""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(*UNREADABLE):
            return msgspec.json.decode(text)
    return None


def _is_code(name: str) -> bool:
    return _NAMES_OF_CODES.fullmatch(name) is not None


def _text_of(body: bytes) -> str:
    """Return ``body`` as text, or nothing if it is of no known encoding."""
    is_utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError):
            return body.decode(encoding)
    return ""


def _plain(text: str) -> str:
    """Return the text, or nothing if it is none, or JSON that is cut off."""
    if text.lstrip()[:1] in ("{", "[") or "\0" in text:
        return ""
    return _UNSEEN.sub(" ", text) if "<" in text else text
