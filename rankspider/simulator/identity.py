"""Synthetic ids: the same seed always makes the same ones, and none belongs to a person."""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

SEC_UID_PREFIX: Final = "MS4wLjABAAAA"
SEC_UID = re.compile(SEC_UID_PREFIX + r"[A-Za-z0-9_-]{16,128}")
_HEAD: Final = b"1.0.0\x01\x00\x00\x00"
_FAILING = re.compile(SEC_UID_PREFIX + r"fail-([a-z0-9-]+)-\d+")
_FAILING_CHARS: Final = 43
_INDEX_BYTES: Final = 8
# Coprime to 2, 3 and 5, so that stepping by it visits every number of a given length once.
_STRIDE: Final = 2654435761**2


class Draw:
    """Numbers drawn from a hash of ``what``: no state, the same on every Python."""

    def __init__(self, *what: object) -> None:
        self._pool = int.from_bytes(noise(160, *what), "big")

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit - 1``."""
        self._pool, drawn = divmod(self._pool, limit)
        return drawn

    def share(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self.below(1 << 30) / (1 << 30)


def noise(size: int, *what: object) -> bytes:
    """Return ``size`` bytes that depend on ``what`` alone."""
    return hashlib.shake_256("\x1f".join(map(str, what)).encode()).digest(size)


def synthetic_sec_uid(seed: int, index: int) -> str:
    """Return the ``sec_uid`` of anchor ``index``: 55 characters, and 76 for one anchor in ten."""
    rest = noise(40 if index % 10 == 7 else 24, seed, "sec_uid", index)
    hidden = _hide(seed, index, rest).to_bytes(_INDEX_BYTES, "big")
    return urlsafe_b64encode(_HEAD + hidden + rest).decode().rstrip("=")


def index_of(seed: int, sec_uid: str) -> int | None:
    """Return the index `synthetic_sec_uid` was given, or None if it did not make this
    ``sec_uid``."""
    if len(sec_uid) not in (55, 76):
        return None
    raw = urlsafe_b64decode(sec_uid + "=" * (-len(sec_uid) % 4))[len(_HEAD) :]
    index = _hide(seed, int.from_bytes(raw[:_INDEX_BYTES], "big"), raw[_INDEX_BYTES:])
    return index if synthetic_sec_uid(seed, index) == sec_uid else None


def _hide(seed: int, index: int, rest: bytes) -> int:
    """Return ``index`` hidden by an exclusive or with a mask: done twice it gives ``index`` back,
    so no table is needed."""
    return index ^ int.from_bytes(noise(_INDEX_BYTES, seed, "mask", rest.hex()), "big")


def failing_sec_uid(name: str, n: int = 0) -> str:
    """Return the ``n``-th ``sec_uid`` whose calls fail as ``name`` says (``once-…``: the first
    only)."""
    start = f"fail-{name}-"
    digits = str(n).zfill(_FAILING_CHARS - len(start))
    if len(start) + len(digits) > _FAILING_CHARS:
        raise ValueError(f"no room for {n} after {start!r}: {_FAILING_CHARS} characters in all")
    return SEC_UID_PREFIX + start + digits


def failure_asked_for(token: str, sec_uid: str | None) -> str | None:
    """Return the failure a ``fail-NAME`` token or a `failing_sec_uid` names, whether it exists or
    not.

    ``fail-NAME~anything`` is another token with the same failure.
    """
    if token.startswith("fail-"):
        return token.removeprefix("fail-").partition("~")[0]
    named = _FAILING.fullmatch(sec_uid or "")
    return named[1] if named else None


def user_id(seed: int, index: int) -> int:
    """Return an id of 11 to 19 digits; no two anchors of one seed share one."""
    digits = 11 + Draw(seed, "digits", index).below(9)
    span: int = 8 * 10 ** (digits - 1)
    offset = Draw(seed, "offset", digits).below(span)
    return span // 8 + (offset + index * _STRIDE) % span


def stranger_user_id(sec_uid: str) -> int:
    """Return an id for an anchor that is not of the world, from its ``sec_uid``."""
    draw = Draw("stranger", sec_uid)
    least: int = 10 ** (10 + draw.below(9))
    return least + draw.below(8 * least)
