"""Items into a lake without a crawl, many at a time."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Self

from rankspider.endpoint.validation import problem_of, rejected
from rankspider.items import Item, RejectedItem
from rankspider.lake.store import Store

# As many writes as fill some bulks; more would only take memory.
_MOST_UNDER_WAY = 2000


class Feed:
    """Validates items and writes them to ``store``, which it opens.

    A context manager; leaving it sees every write through. Dedupe has no part in it: what the
    fleet remembers is of another lake.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._stored: Counter[str] = Counter()
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        await self.store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self.store.close()

    def stored(self) -> dict[str, int]:
        """Return how many records were written, by kind, and how many ``rejected`` among them."""
        return {"rejected": 0, **self._stored}

    @staticmethod
    def validated(item: Item) -> Item:
        """Return ``item``, or the `RejectedItem` in its place."""
        if isinstance(item, RejectedItem):
            return item
        problem = problem_of(item)
        return item if problem is None else rejected(item, problem)

    async def put(self, item: Item) -> None:
        """Begin to write ``item``, once there is room. Raises what an earlier one ended with."""
        await self.begin(self._put(item))

    async def begin(self, writing: Coroutine[Any, Any, None]) -> None:
        """Begin any other writing, which leaving the block sees through as well."""
        await self._room.acquire()
        self._raise_error()
        task = asyncio.create_task(writing)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def flush(self) -> None:
        """Return when all that was begun is durable."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        self._raise_error()

    async def _put(self, item: Item) -> None:
        refused = await self.store.put(item)
        is_rejected = refused is not None or isinstance(item, RejectedItem)
        self._stored["rejected" if is_rejected else item.kind] += 1

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
