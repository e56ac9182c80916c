"""Find which anchor a text names: a member of the queue, a line or cell of a file.

A text can choose an anchor, never an address, a host or code.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from rankspider.endpoint.request import SEC_UID
from rankspider.errors import MemberError

LONGEST_MEMBER = 4096
_HOSTS = ("douyin.com", "iesdouyin.com")
# Of these hosts other links than short ones are known.
_FULL_LINKS = ("", "www.", "m.")
# What programs call it, without `_` and in small letters.
_NAMES = ("secuid", "secid", "secuserid", "secanchorid")
_NO_SEC_UID = "no sec_id: it begins with MS4wLjABAAAA and goes on with 16 to 128 of A-Z a-z 0-9 _ -"
_NO_TEXT = 'JSON without a "sec_uid" text'
# A link ends at a blank, a quote, a bracket, a separator of a table, or a Chinese character.
_LINK = (
    r"(?:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://|(?<![\w.-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/)"
    r"[\w!#$%&*+./:=?@\[\]~^\\-]*"
)
_ALONE = rf"(?<![A-Za-z0-9_-]){SEC_UID.pattern}(?![A-Za-z0-9_-])"
_KEY = re.compile(_ALONE)
_SEEN = re.compile(SEC_UID.pattern.encode())
_ANY = re.compile(rf"(?i:(?P<link>{_LINK}))|{_ALONE}", re.ASCII)
_SEPARATORS = re.compile(r"[\s,;|、，；\"'\[\]]*")


def sec_uid_of(member: bytes) -> str:
    """Return the ``sec_uid`` that ``member`` names.

    A member is a ``sec_uid``, a profile link, either of them within other text, or JSON that has
    it: see `sec_uid_by`. Raises `MemberError` with a reason for anything else.
    """
    if len(member) > LONGEST_MEMBER:
        raise MemberError(f"longer than {LONGEST_MEMBER} bytes")
    return sec_uid_in(text_of(member))


def text_of(raw: bytes) -> str:
    """Return ``raw`` as text: UTF-8, or as a Chinese Windows writes it. Raises `MemberError`.

    A wrong guess can hide a ``sec_uid``, which is ASCII, and never make one. So where one is seen,
    the rest may be of any encoding.
    """
    if is_utf16(raw):
        raise MemberError("not UTF-8 text, but UTF-16: save it as UTF-8")
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    if _SEEN.search(raw):
        return raw.decode("latin-1")
    raise MemberError("not UTF-8 text")


def is_utf16(raw: bytes) -> bool:
    """Return whether ``raw`` is mostly ASCII characters in two bytes each."""
    return 0 < len(raw) <= 3 * raw.count(0)


def sec_uid_in(text: str) -> str:
    """Return the one anchor that ``text`` names. Raises `MemberError`."""
    return _the_one(sec_uids_in(text))


def sec_uids_in(text: str) -> list[str]:
    """Return the anchor that ``text`` names, or all of a list that holds nothing else. At least
    one; raises `MemberError`."""
    text = text.strip()
    if SEC_UID.fullmatch(text):
        return [text]
    if not text:
        raise MemberError("empty")
    if text[0] in '{["':
        with suppress(msgspec.MsgspecError, RecursionError):
            return _listed(msgspec.json.decode(text))
    try:
        found = _found_in(text)
    except MemberError:
        if text[0] == "{":
            raise MemberError(_NO_TEXT) from None
        raise
    is_list = _SEPARATORS.fullmatch(_ANY.sub("", text))
    return found if is_list else [_the_one(found)]


def sec_uid_by(value: Any, name: str | None = None) -> str:
    """Return the anchor that a value decoded from JSON names. Raises `MemberError`.

    A text, or an object: by its ``name`` if one is given, or else by ``sec_uid``, ``sec_id`` and
    the like, by ``url``, or by the only anchor that stands anywhere in it.
    """
    if isinstance(value, str):
        return sec_uid_in(value)
    if not isinstance(value, dict):
        raise MemberError(_NO_TEXT)
    if name is not None:
        return _from_text(value.get(name), f'JSON without a "{name}" text')
    known = [value[key] for key in value if is_known_name(key)]
    if known:
        given = [each for each in known if each not in (None, "")] or [None]
        return _the_one([_from_text(each, _NO_TEXT) for each in given])
    url = value.get("url")
    with suppress(MemberError):
        return _from_text(url, _NO_TEXT)
    found = [key for text in _texts_in(value) for key in _keys_in(text)]
    if not found and isinstance(url, str):
        return sec_uid_in(url)  # which says why not
    return _the_one(found or [_from_text(None, _NO_TEXT)])


def is_known_name(name: str) -> bool:
    """Return whether programs call a ``sec_uid`` so."""
    return re.sub(r"[\s_-]", "", name).lower() in _NAMES


def _listed(value: Any) -> list[str]:
    return (
        [sec_uid_by(each) for each in value]
        if value and isinstance(value, list)
        else [sec_uid_by(value)]
    )


def _the_one(found: list[str]) -> str:
    if len(set(found)) > 1:
        raise MemberError(f"names {len(set(found))} anchors, and one must be meant")
    return found[0]


def _from_text(value: Any, otherwise: str) -> str:
    if not isinstance(value, str):
        raise MemberError(otherwise)
    return sec_uid_in(value)


def _texts_in(value: Any) -> Iterator[str]:
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict | list):
            rest += each.values() if isinstance(each, dict) else each


def _keys_in(text: str) -> list[str]:
    try:
        return _found_in(text)
    except MemberError:
        return []


def _found_in(text: str) -> list[str]:
    """Return every anchor that stands in ``text``. If there is none, raises a `MemberError` that
    says what is wrong with the first link."""
    found, problem = [], None
    for each in _ANY.finditer(text):
        if each["link"] is None:
            found.append(each[0])
            continue
        try:
            found.append(_from_link(each["link"]))
        except MemberError as error:
            problem = problem or error
    if not found:
        raise problem or MemberError(_NO_SEC_UID)
    return found


def _from_link(link: str) -> str:
    """Return the ``sec_uid`` of ``https://www.douyin.com/user/<sec_uid>?…``, or of a share link
    with ``sec_uid=`` in it."""
    try:
        parts = urlsplit(link if "://" in link else f"https://{link}")
        host = parts.hostname or ""
    except ValueError:
        raise MemberError("not a link") from None
    asked = parse_qs(parts.query).get("sec_anchor_id", [])
    if len(asked) == 1 and SEC_UID.fullmatch(asked[0]):
        return asked[0]  # a call of the endpoint, whose name is nobody else's
    known = next((known for known in _HOSTS if f".{host}".endswith(f".{known}")), None)
    if known is None:
        raise MemberError("a link, but not to a profile on douyin.com")
    steps = [step for step in parts.path.split("/") if step]
    if len(steps) >= 2 and steps[-2] == "user" and (key := _KEY.match(steps[-1])):
        return key[0]
    named = set(parse_qs(parts.query).get("sec_uid", []))
    if len(named) == 1:
        if not SEC_UID.fullmatch(sec_uid := named.pop()):
            raise MemberError(_NO_SEC_UID)
        return sec_uid
    raise MemberError(_why_without(host.removesuffix(known)))


def _why_without(subdomain: str) -> str:
    if subdomain == "live.":
        return "the link of a live room, without a sec_uid: paste that of the anchor's profile"
    if subdomain in _FULL_LINKS:
        return "a link without a sec_uid: paste that of the anchor's profile"
    return (
        "a short link, without a sec_uid (short links must be opened first): paste where it leads"
    )
