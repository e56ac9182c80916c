"""A producer: puts anchors on the queue, in order, thousands in one round trip."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import cast

import redis

from rankspider.errors import ConfigurationError

KINDS = ("list", "set", "zset")
_NONE = "none"
REMEMBERED = 20_000


def kind_of(client: redis.Redis, key: str) -> str | None:
    """Return one of `KINDS`, or None if nothing waits at ``key``. Raises `ConfigurationError`."""
    found = cast("bytes", client.type(key)).decode()
    if found != _NONE and found not in KINDS:
        raise ConfigurationError(
            f"RANK_QUEUE_KEY: {key} holds a Redis {found}; a queue is a list, a set or a zset: "
            "name another key, with -s RANK_QUEUE_KEY=…"
        )
    return None if found == _NONE else found


class Producer:
    """Puts anchors on one queue, which it makes if nothing waits there.

    ``kind`` is one of `KINDS`; None means what the queue is already, or else a list. With a
    ``priority``, which only a zset has, an anchor that waits already gets that priority; without
    one it keeps its own. Every method raises one of `REDIS_ERRORS` while Redis is away.
    """

    def __init__(
        self, client: redis.Redis, key: str, kind: str | None, priority: float | None = None
    ) -> None:
        self._client = client
        self._key = key
        self._priority = priority
        self._recent: OrderedDict[str, None] = OrderedDict()
        self.kind = self._choose(kind)

    def _choose(self, wanted: str | None) -> str:
        found = kind_of(self._client, self._key)
        if None not in (wanted, found) and found != wanted:
            raise ConfigurationError(
                f"RANK_QUEUE_KEY: {self._key} is a {found} already, not a {wanted}: queue without "
                "--as and --priority, wait until it is empty, or name another queue with "
                "-s RANK_QUEUE_KEY=…"
            )
        return wanted or found or "list"

    def put(self, anchors: Sequence[str]) -> int:
        """Queue ``anchors`` in one round trip; return how many of them were repeats.

        A set and a zset know what waits. A list doesn't: there, what was among the last
        `REMEMBERED` is not put once more, and what lies further back is. Knowing all of it would
        take memory that grows with the input, here or in Redis, to spare a harmless repeat.
        """
        if self.kind == "list":
            fresh = self._fresh(anchors)
            if fresh:
                self._client.rpush(self._key, *fresh)
                self._remember(fresh)
            return len(anchors) - len(fresh)
        return len(anchors) - (self._add(anchors) if anchors else 0)

    def _add(self, anchors: Sequence[str]) -> int:
        if self.kind == "set":
            return int(self._client.sadd(self._key, *anchors))
        scores = dict.fromkeys(anchors, self._priority or 0.0)
        added = self._client.zadd(self._key, scores, nx=self._priority is None)
        return cast("int", added)

    def _fresh(self, anchors: Iterable[str]) -> list[str]:
        """Return those of ``anchors`` that were not among the last `REMEMBERED`."""
        return [anchor for anchor in dict.fromkeys(anchors) if anchor not in self._recent]

    def _remember(self, anchors: Iterable[str]) -> None:
        for anchor in anchors:
            self._recent[anchor] = None
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
