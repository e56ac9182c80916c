"""The producer: pushes anchors, some of them again and again, and sees the queue drained."""

import random
from collections.abc import Sequence

from redis import Redis

from tests.truth.facts import Line

_MOST_UNASKED = 60
"""Enough that no worker finds the queue empty while there is more to come."""


class Producer:
    """``demands``: each anchor that was pushed, and how long the log was then."""

    def __init__(
        self, client: "Redis", key: str, anchors: Sequence[str], count: int, seed: int
    ) -> None:
        self.demands: list[tuple[str, int]] = []
        self._client = client
        self._key = key
        self._anchors = anchors
        self._count = count
        self._has_enough = False
        self._lines = self._answers = 0
        self._unasked: set[str] = set()
        self._choose = random.Random(f"queue {seed}")

    def push(self, lines: Sequence[Line]) -> None:
        """As many as keep the workers busy, until enough were asked."""
        if self._has_enough:
            return
        self._read(lines)
        left = self._count - self._answers - len(self._unasked)
        self._has_enough = left <= 0
        missing = min(_MOST_UNASKED - len(self._unasked), left)
        # What waits twice may become one delivery.
        chosen = dict.fromkeys(self._next() for _ in range(missing))
        anchors = [anchor for anchor in chosen if anchor not in self._unasked]
        if anchors:
            self._unasked.update(anchors)
            self.demands += [(anchor, self._lines) for anchor in anchors]
            self._client.lpush(self._key, *anchors)

    def _read(self, lines: Sequence[Line]) -> None:
        """Note who was asked since."""
        for line in lines[self._lines :]:
            self._lines += 1
            self._answers += line.said is not None
            self._unasked.discard(line.anchor or "")

    def _next(self) -> str:
        """A tenth of the anchors, good and bad sellers, are asked for most of the time."""
        often = self._anchors[::10]
        return self._choose.choice(often if self._choose.random() < 0.7 else self._anchors)

    def forget(self) -> int:
        """Delete what the fleet remembers of the lake beside the queue; how many keys."""
        stems = ("dedupe", "memory")
        keys = [
            key
            for stem in stems
            for key in self._client.scan_iter(match=f"{{{self._key}}}:{stem}*", count=1000)
        ]
        return int(self._client.delete(*keys)) if keys else 0

    def dead(self) -> set[str]:
        """The anchors among the dead letters."""
        return {member.decode() for member in self._client.hkeys(f"{{{self._key}}}:dead")}

    def left(self) -> int:
        """What waits, is leased or is delayed."""
        stem = f"{{{self._key}}}"
        beside = sum(int(self._client.zcard(f"{stem}:{name}")) for name in ("leases", "delayed"))
        return int(self._client.llen(self._key)) + beside
