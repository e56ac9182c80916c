"""Text of JSON without what changes in it on every call: the mirrors of each picture.

The arrays named ``url_list`` hold the addresses of one picture on several hosts, which the
endpoint shuffles; nothing else differs between two answers that say the same and were written in
the same style. How an array of mirrors opens in that style is learned from the first one.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

_MIRRORS = re.compile(rb'"url_list"[ \t\n\r]*:[ \t\n\r]*\[')

_any = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class ListText:
    """JSON without the elements of its ``url_list`` arrays, from their bracket to the first "]".

    Two JSON values have equal texts only if they are equal, the mirrors aside:

    * Between the arrays they have the same bytes. From there on both are within a string, as in
      an address that holds a "]", or both are not: else one would have no string where the other
      has one up to the end, or up to the quote before the next ``url_list``, which begins a key
      in both.
    * What was taken out of either opens nothing, so both are as deep in arrays and objects. In
      `end_in` that is known of one alone: what the other opened would not be closed at its end.

    JSON of which this cannot be said keeps its mirrors, which then count as changes.
    """

    parts: tuple[bytes, ...]
    """What stands between the arrays' elements; all but the last end with an opening bracket."""
    is_json: bool = field(default=False, compare=False)
    """Whether `content` is JSON that says the same, with no mirrors: each array ended where its
    text does, and not at a "]" in an address."""

    @classmethod
    def of(cls, json: bytes) -> Self:
        first = _MIRRORS.search(json)
        if first is None:
            return cls((json,))
        opening, found = first[0], first.start()
        parts, mirrors, end = [], [], 0
        while found >= 0:
            start = found + len(opening)
            parts.append(json[end:start])
            end = json.find(b"]", start)
            if end < 0:  # no JSON
                return cls((json,))
            mirrors.append(json[start:end])
            found = json.find(opening, end)
        if _opens_anything(mirrors) or any(part.endswith(b"\\" + opening) for part in parts):
            return cls((json,))
        return cls((*parts, json[end:]), all(map(_is_ended, mirrors)))

    def value(self, json: bytes) -> Any:
        """Return what ``json``, of which it is the text, says beside its mirrors: equal values say
        the same, in whatever order and style. Raises what msgspec raises for what is no JSON."""
        if self.is_json:
            return _any.decode(self.content)
        return _without_mirrors(_any.decode(json))

    @property
    def content(self) -> bytes:
        return b"".join(self.parts)

    def end_in(self, body: bytes, start: int) -> int:
        """Return where the text ends in ``body`` if it stands there at ``start``, with any mirrors;
        else -1.

        A fifth of the time that it takes to make a `ListText` of the same part of ``body``.
        """
        *others, last = self.parts
        at = start
        for part in others:
            if not body.startswith(part, at):
                return -1
            at = body.find(b"]", at + len(part))
            if at < 0:
                return -1
        return at + len(last) if body.startswith(last, at) else -1


def _is_ended(mirrors: bytes) -> bool:
    """Tell whether what stands between the brackets ends with the end of a text, or is empty."""
    end = mirrors.rstrip()
    return not end or (end.endswith(b'"') and not end.endswith(b'\\"'))


def _without_mirrors(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: [] if k == "url_list" else _without_mirrors(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_mirrors(each) for each in value]
    return value


def _opens_anything(mirrors: list[bytes]) -> bool:
    """Return whether an object or a list begins in it, as in no address but that of a host without
    a name: ``http://[::1]/``."""
    joined = b"".join(mirrors)
    return b"[" in joined or b"{" in joined
