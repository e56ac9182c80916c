"""Tell one list of an hour from another.

A filter on the list itself stands in a ``$match`` of its own, after the one that an index answers:
MongoDB joins the two, and a simpler server still sees that the first is all index.
"""

import datetime as dt
from typing import NamedTuple

from rankspider.items import RankedList
from rankspider.lake.collections import Document
from rankspider.terminal import harmless


class ListName(NamedTuple):
    """The fields that tell one list of an hour from another."""

    currency: str
    title: str
    subtitle: str
    city_code: str

    @classmethod
    def of(cls, document: Document) -> "ListName":
        """Return the name in a document of `ranks`, `rank_history` or `snapshots`."""
        return cls(*(document["list"][name] for name in cls._fields))

    @property
    def is_site_wide(self) -> bool:
        """Return whether the list is of the whole site: regional lists have the code of their
        city."""
        return not self.city_code

    @property
    def stage(self) -> Document:
        """Return the stage that lets only this list's documents pass, for a pipeline."""
        return {"$match": {f"list.{name}": part for name, part in self._asdict().items()}}

    def of_hour(self, hour: dt.datetime) -> RankedList:
        """Return the name of the list of that hour, which has the keys of its documents."""
        return RankedList(*self, region_name="", begin_time=hour)

    def has(self, hour: dt.datetime, state: str) -> bool:
        """Return whether ``state``, an ``_id`` in `snapshots`, is one of this list of ``hour``."""
        return state.startswith(f"{self.of_hour(hour).key}/")

    def fits(self, currency: str | None, title: str | None) -> bool:
        """Return whether the list is so named; a regional one goes by its city code as well."""
        is_titled = title in (None, self.title) or (
            self.city_code != "" and title == self.city_code
        )
        return currency in (None, self.currency) and is_titled

    def __str__(self) -> str:
        """Return the name for a line of a terminal."""
        parts = (self.title, self.subtitle, self.city_code, self.currency)
        return " ".join(harmless(part) for part in parts if part) or "a list without a name"
