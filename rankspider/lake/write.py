"""One write to the lake, and the update that it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rankspider.lake.collections import Document


@dataclass(frozen=True, slots=True)
class Write:
    """One upsert: ``content`` if it is the newest, the rest in any case."""

    collection: str
    id: Any
    """Text, but for what is only ever inserted."""
    content: Document | None
    """With its ``revision``. None: nothing but bounds; such a write makes no document."""
    least: Document
    """Fields that only ever fall."""
    most: Document = field(default_factory=dict)
    """Fields that only ever rise."""
    best_rank: int | None = None
    """The place on the list, 0 off it: of those above 0 the least stays. None: no such field."""

    @property
    def revision(self) -> str:
        return str((self.content or {}).get("revision", ""))

    def can_join(self, other: "Write") -> bool:
        """Return whether both writes make a document, the same one."""
        same = (self.collection, self.id) == (other.collection, other.id)
        makes = self.content is not None and other.content is not None
        return same and makes and self.bounds.keys() == other.bounds.keys()

    def joined(self, older: "Write") -> "Write":
        """Return what this write and ``older`` come to, if `can_join` says that they can."""
        ranks = [rank for rank in (self.best_rank, older.best_rank) if rank]
        return replace(
            self,
            least={name: min(value, older.least[name]) for name, value in self.least.items()},
            most={name: max(value, older.most[name]) for name, value in self.most.items()},
            best_rank=None if self.best_rank is None else min(ranks, default=0),
        )

    @property
    def bounds(self) -> Document:
        """Return what a document that is not there yet has beside ``content``."""
        best = {} if self.best_rank is None else {"best_rank": self.best_rank}
        return {**self.least, **self.most, **best}


def update_of(write: Write, content: Mapping[str, Any] | None) -> list[Document]:
    """Return the update of ``write``'s document; ``content`` is its content, as it fits and in
    whatever encoding. ``$literal`` keeps ``$`` in values as text."""
    bounds: Document = {name: {"$min": [f"${name}", value]} for name, value in write.least.items()}
    bounds |= {name: {"$max": [f"${name}", value]} for name, value in write.most.items()}
    if write.best_rank is not None:
        bounds["best_rank"] = _best_rank(write.best_rank)
    merged: list[Any] = ["$$ROOT", bounds]
    if content is not None:
        # What has no revision says so by "", which comes after a field that is not there.
        is_news = {"$gt": [{"$literal": write.revision}, "$revision"]}
        merged.insert(1, {"$cond": [is_news, {"$literal": content}, {}]})
    return [{"$replaceWith": {"$mergeObjects": merged}}]


def _best_rank(rank: int) -> Document:
    if rank <= 0:
        return {"$ifNull": ["$best_rank", 0]}
    return {"$cond": [{"$gt": ["$best_rank", 0]}, {"$min": ["$best_rank", rank]}, rank]}
