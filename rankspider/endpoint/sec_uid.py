"""What a member of the queue says: which anchor, and nothing else.

A member can choose an anchor, never an address, a host or code.
"""

from urllib.parse import parse_qs, urlsplit

import msgspec

from rankspider.endpoint.request import SEC_UID
from rankspider.errors import MemberError

LONGEST_MEMBER = 4096
_HOSTS = ("douyin.com", "iesdouyin.com")


class _Named(msgspec.Struct):
    sec_id: str


_named = msgspec.json.Decoder(_Named)


def sec_uid_of(member: bytes) -> str:
    """The ``sec_uid`` that ``member`` names.

    A member is a ``sec_id``, a pasted profile link, or JSON ``{"sec_id": …}``. Raises
    `MemberError` with a reason for anything else.
    """
    if len(member) > LONGEST_MEMBER:
        raise MemberError(f"longer than {LONGEST_MEMBER} bytes")
    try:
        text = member.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise MemberError("not UTF-8 text") from None
    if not text:
        raise MemberError("empty")
    if text.startswith("{"):
        text = _from_json(text)
    elif "/" in text:
        text = _from_link(text)
    if not SEC_UID.fullmatch(text):
        raise MemberError(
            "no sec_id: it begins with MS4wLjABAAAA and goes on with 16 to 128 of A-Z a-z 0-9 _ -"
        )
    return text


def _from_json(text: str) -> str:
    try:
        return _named.decode(text).sec_id.strip()
    except (msgspec.MsgspecError, RecursionError):
        raise MemberError('JSON without a "sec_id" text') from None


def _from_link(text: str) -> str:
    """``https://www.douyin.com/user/<sec_uid>?…``, or a share link with ``sec_uid=`` in it."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname or ""
    except ValueError:
        raise MemberError("not a link") from None
    if not any(host == known or host.endswith(f".{known}") for known in _HOSTS):
        raise MemberError("a link, but not to a profile on douyin.com")
    steps = [step for step in parts.path.split("/") if step]
    if len(steps) >= 2 and steps[-2] == "user" and SEC_UID.fullmatch(steps[-1]):
        return steps[-1]
    named = parse_qs(parts.query).get("sec_uid", [])
    if len(named) == 1:
        return named[0]
    raise MemberError("a link without a sec_uid (short links must be opened first)")
