"""Observations in order, without those that only say once more what was said before and after."""

from collections.abc import Iterator
from dataclasses import dataclass

from rankspider.items import Item

# About 2 KB each.
_MOST_RUNS = 100_000


@dataclass(slots=True)
class _Run:
    """Observations of one record that say the same."""

    newest: Item
    is_written: bool = True
    """Whether the newest one is; the first one is."""


class Runs:
    """Keeps the first and the last of each run of equal observations: nothing else needs to be
    written.

    That leaves the lake that writing every one would: what lies between widens nothing. An
    observation out of order is written as it is.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[type, str], _Run] = {}

    def needed(self, item: Item) -> Iterator[Item]:
        """Yield what must be written, now that ``item`` is observed."""
        place = type(item), item.key
        run = self._runs.get(place)
        if run is not None and item.observed_at >= run.newest.observed_at:
            if item.digest == run.newest.digest:
                run.newest, run.is_written = item, False
                return
            if not run.is_written:
                yield run.newest
        elif run is not None:
            yield item
            return
        self._runs[place] = _Run(item)
        yield item
        if len(self._runs) > _MOST_RUNS:
            yield from self.rest()

    def rest(self) -> Iterator[Item]:
        """Yield what must be written at the end, or before a pause."""
        for run in self._runs.values():
            if not run.is_written:
                yield run.newest
        self._runs.clear()
