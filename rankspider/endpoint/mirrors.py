"""Text of JSON without what changes in it on every call: the mirrors of each picture.

The arrays named ``url_list`` hold the addresses of one picture on several hosts, which the
endpoint shuffles; nothing else differs between two answers that say the same.
"""

from dataclasses import dataclass
from typing import Self

_MIRRORS = b'"url_list":['
_ESCAPED_MIRRORS = b'\\"url_list'


@dataclass(frozen=True, slots=True)
class Text:
    """JSON without the elements of its ``url_list`` arrays.

    Equal for two texts only if they are, the mirrors aside. Other white space than none before
    the bracket keeps an array: then it counts as a change.
    """

    parts: tuple[bytes, ...]
    """What stands between the arrays' elements; all but the last end with an opening bracket."""

    @classmethod
    def of(cls, json: bytes) -> Self:
        first, *others = json.split(_MIRRORS)
        if not others:
            return cls((first,))
        *between, last = [part[part.find(b"]") :] for part in others]
        return cls((first + _MIRRORS, *[part + _MIRRORS for part in between], last))

    @property
    def content(self) -> bytes:
        return b"".join(self.parts)

    @property
    def has_odd_keys(self) -> bool:
        """Whether it held a key that only ends in ``url_list``, which no answer did so far: such
        a text may be equal to one that says something else."""
        return any(_ESCAPED_MIRRORS in part for part in self.parts)

    def end_in(self, body: bytes, start: int) -> int:
        """Where it ends in ``body`` if it stands there at ``start``, with any mirrors; else -1.

        A fifth of the time that it takes to make a `Text` of the same part of ``body``.
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
