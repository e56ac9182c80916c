"""The producer: pushes anchors, some of them again and again, and sees the queue drained."""

import random
from collections.abc import Sequence

from redis import Redis

from tests.truth.facts import Line

_MOST_WAITING = 60
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
        self._choose = random.Random(f"queue {seed}")

    def push(self, lines: Sequence[Line]) -> None:
        """As many as keep the workers busy, until enough were asked."""
        if self._has_enough:
            return
        waiting = {member.decode() for member in self._client.lrange(self._key, 0, -1)}
        asked, left = len(lines), self._count - len(lines) - self.left()
        self._has_enough = left <= 0
        missing = min(_MOST_WAITING - len(waiting), left)
        anchors = [self._next() for _ in range(missing)]
        # What waits twice may become one delivery.
        anchors = [each for each in dict.fromkeys(anchors) if each not in waiting]
        if anchors:
            self._client.lpush(self._key, *anchors)
            self.demands += [(anchor, asked) for anchor in anchors]

    def _next(self) -> str:
        """A tenth of the anchors are asked for half of the time."""
        often = self._anchors[: max(1, len(self._anchors) // 10)]
        return self._choose.choice(often if self._choose.random() < 0.5 else self._anchors)

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
