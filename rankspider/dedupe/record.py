"""Tie an item on its way to the lake to those who wait for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from rankspider.dedupe.arbiter import EndedContent, Version
from rankspider.items import Item


@dataclass(eq=False, slots=True)
class Record:
    """The memory of one item, from when it is made until it is durable, dropped or lost."""

    version: Version
    observed: int
    """Unix milliseconds, the endpoint's clock."""
    is_late: bool = False
    """Something newer is stored already: this is history."""
    is_unsure: bool = False
    """The fleet may have forgotten whether there is."""
    stay: EndedContent | None = None
    """What this ends or interrupts, to be noted along with it."""
    is_newest: bool = False
    """Whether this is newer than its stay, and ends it."""
    behind: "asyncio.Future[None] | None" = None
    """That is on its way still: to be waited for, well or badly."""
    after: "Sequence[asyncio.Future[None]]" = ()
    """What must be durable before: of a list as a whole, its rows."""
    is_taken: bool = False
    """Whether the store has its item, and will end it."""
    ended: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Done when it is durable, or nobody wants it any more; else it holds the error."""

    @property
    def seen_until(self) -> tuple[str, int, bool] | None:
        """Return the end of the history id of what this record ends or interrupts, until when (ms)
        that was seen, and whether that is the newest of its place all the same."""
        if self.stay is None:
            return None
        _, digest, suffix, last = self.stay
        return suffix.decode() or digest.hex(), last, not self.is_newest

    def __deepcopy__(self, memo: object) -> "Record":
        """Return this record: a deep copy of an item is the same record on its way."""
        return self

    def end(self, error: BaseException | None = None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
            self.ended.exception()  # seen, if nobody waits for it


def record_of(item: object) -> Record | None:
    """Return the item's record; None for an item that no answer brought, or that a pipeline of the
    user's made another of."""
    record: Record | None = item.record if isinstance(item, Item) else None
    return record
