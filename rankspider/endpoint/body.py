"""Find the list and the asked anchor's row in the bytes of an answer.

They are nearly all of it, and mostly known: so they are found, and compared, before any of their
values is read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from rankspider.endpoint.mirrors import ListText

_RANKS = re.compile(rb'"ranks"[ \t\n\r]*:[ \t\n\r]*')
_ABSENT = re.compile(rb'[ \t\n\r]*(?:null|false|0|""|\{[ \t\n\r]*\}|\[[ \t\n\r]*\])?[ \t\n\r]*')
MOST_ENVELOPES = 3
"""Around one answer: the vendor's, a gateway's, and one more."""
# What no answer holds in their places.
_NO_RANKS, _NO_OWN = b"[0]", b"0"
# What msgspec raises for bytes it cannot read.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Mask = Callable[[bytes], bytes]
"""Takes out of JSON what nobody may keep."""
_T = TypeVar("_T")


class _Heavy(Struct):
    ranks: Raw
    anchor_info: Raw = Raw(b"")


class _Around(Struct, Generic[_T]):
    data: _T


def _decoders() -> Iterator[tuple[int, msgspec.json.Decoder[Any]]]:
    """Yield for a bare answer, for one in an envelope, and so on, how deep its list stands and what
    finds it there."""
    shape: Any = _Heavy
    for depth in range(1, MOST_ENVELOPES + 2):
        shape = _Around[shape]
        yield depth, msgspec.json.Decoder(shape)


_BY_DEPTH = list(_decoders())


class Body:
    """The bytes of an answer, with its list and the asked anchor's row apart from the frame.

    All that others see of it is masked. A list that is known was masked when it was first read, so
    that its rows need it only if somebody wants them again.
    """

    def __init__(self, given: bytes, mask: Mask = bytes) -> None:
        self._given = given
        self._mask = mask
        self.frame = self.own = b""
        self.known: ListText | None = None
        """What the list says, if that was known."""
        self.frame_data: Raw = Raw(b"")
        """The frame's ``data``."""
        self._start = self._end = 0

    @cached_property
    def whole(self) -> bytes:
        return self._mask(self._given)

    @cached_property
    def ranks(self) -> bytes:
        """Return the list as it came; empty if there is none."""
        return self._mask(self._given[self._start : self._end])

    @property
    def has_list(self) -> bool:
        return self._start < self._end

    def take_apart(self, known: Iterable[ListText]) -> None:
        """Find the list. A body without one stays whole, to be read with care."""
        if self._take_out_known(known):
            self.frame, self.own = self._mask(self.frame), self._mask(self.own)
            return
        self._given, self._mask = self.whole, bytes
        self.frame = self.whole
        heavy = _heavy(self.whole)
        if heavy is None:
            return
        ranks = bytes(heavy.ranks)
        start = _place(ranks, self.whole)
        if not ranks.startswith(b"[") or not self._cut(start, start + len(ranks)):
            # The same text stands in another place as well, and that was cut.
            self._start, self._end = start, start + len(ranks)
            self.own = bytes(heavy.anchor_info)

    def _take_out_known(self, known: Iterable[ListText]) -> bool:
        """Return whether the list says the same as one of ``known``; that takes no look at its
        values."""
        key = _RANKS.search(self._given)
        if key is None:
            return False
        start = key.end()
        for text in known:
            end = text.end_in(self._given, start)
            if end >= 0 and self._cut(start, end):
                self.known = text
                return True
        return False

    def _cut(self, start: int, end: int) -> bool:
        """Take out what stands from ``start`` to ``end``; False if that may not be the list."""
        rest = self._given[end:]
        frame = self._given[:start] + _NO_RANKS + rest
        left = _heavy(frame)
        if left is None or bytes(left.ranks) != _NO_RANKS or _NO_RANKS in rest:
            return False
        own = bytes(left.anchor_info)
        if not is_absent(own):
            place = _place(own, frame)
            frame = frame[:place] + _NO_OWN + frame[place + len(own) :]
            left = _heavy(frame)
            if left is None or bytes(left.anchor_info) != _NO_OWN:
                return False
        self._start, self._end, self.own, self.frame = start, end, own, frame
        return True


def is_absent(anchor_info: bytes) -> bool:
    """Return whether it was not asked for: missing, null, or empty in any form."""
    return _ABSENT.fullmatch(anchor_info) is not None


def _heavy(body: bytes) -> _Heavy | None:
    for depth, decoder in _BY_DEPTH:
        with suppress(*UNREADABLE):
            found = decoder.decode(body)
            for _ in range(depth):
                found = found.data
            heavy: _Heavy = found
            return heavy
    return None


def _place(part: bytes, body: bytes) -> int:
    """Return the place of the first ``part`` in ``body``; quicker than ``find`` for long parts."""
    start, at = part[:64], -1
    while (at := body.find(start, at + 1)) >= 0:
        if body.startswith(part, at):
            return at
    raise AssertionError("a part of the body is not in it")
