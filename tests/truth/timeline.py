"""All that was seen at one place, such as a user's profile, and what follows from it.

An answer is *settled* if its anchor was acknowledged: then all it said is in the lake. Of one that
was read by a worker that was killed, any part may be there, or none.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation."""

    at: int
    """Unix milliseconds."""
    content: str
    """What it said; the same text for the same content."""
    document: str
    """Which document of the history has it."""
    is_settled: bool
    is_listed: bool = True
    """Of two in one millisecond, the one from a list itself is the newer."""
    free: Any = None
    """What is no news by itself: any that was said with this content may be kept."""

    @property
    def age(self) -> tuple[int, bool]:
        return self.at, self.is_listed


class Timeline:
    """The observations of one place, in order of their own time."""

    def __init__(self, seen: Iterable[Seen]) -> None:
        self.seen = sorted(seen, key=lambda each: each.age)

    @cached_property
    def _settled(self) -> list[Seen]:
        return [each for each in self.seen if each.is_settled]

    @cached_property
    def _by_content(self) -> dict[str, list[Seen]]:
        groups: dict[str, list[Seen]] = defaultdict(list)
        for each in self.seen:
            groups[each.content].append(each)
        return groups

    @property
    def is_certain(self) -> bool:
        """Whether the lake must know of it."""
        return bool(self._settled)

    @property
    def newest(self) -> list[Seen]:
        """Those that may count as the newest: several only if they share their millisecond, or
        if later ones are not settled."""
        if not self._settled:
            return self.seen
        last = self._settled[-1].age
        return [each for each in self.seen if each.age >= last]

    @cached_property
    def by_document(self) -> "dict[str, Timeline]":
        """What each document of the history is made of."""
        groups: dict[str, list[Seen]] = defaultdict(list)
        for each in self.seen:
            groups[each.document].append(each)
        return {document: Timeline(group) for document, group in groups.items()}

    def free_values(self, content: str) -> list[Any]:
        return [each.free for each in self._by_content[content]]

    def first_times(self) -> set[int]:
        """What may stand as the first observation."""
        return bounds([(each.at, each.is_settled) for each in self.seen], least=True)

    def last_news(self, content: str) -> set[int]:
        """When ``content`` may have been news last: at one of its observations in the last
        stretch in which it stood, and at the latest the last."""
        start = self.last_stretch(content)
        return {each.at for each in self._by_content[content] if each.at >= start}

    def times(self, content: str) -> set[int]:
        """When ``content`` was seen."""
        return {each.at for each in self._by_content[content]}

    def last_stretch(self, content: str) -> int:
        """The start of the last stretch in which ``content`` stood, by what is settled.

        One that is not settled may have begun it: what came after was no news then.
        """
        same = self._by_content[content]
        last = max((each.at for each in same if each.is_settled), default=None)
        if last is None:
            return same[0].at
        others = (each.at for each in reversed(self._settled) if each.content != content)
        before = next((at for at in others if at < last), None)
        # One that shares its millisecond with another may have come before or after it.
        return min(each.at for each in same if before is None or each.at >= before)


def bounds(values: Iterable[tuple[int, bool]], *, least: bool) -> set[int]:
    """What the least, or the greatest, of ``values`` may be; each with whether it is settled."""
    sign = 1 if least else -1
    pairs = list(values)
    settled = min((sign * value for value, is_settled in pairs if is_settled), default=None)
    others = {sign * value for value, is_settled in pairs if not is_settled}
    allowed = others if settled is None else {settled} | {o for o in others if o < settled}
    return {sign * value for value in allowed}
