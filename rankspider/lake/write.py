"""One write to the lake, and the update that brings many documents their own at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rankspider.lake.collections import Document

Shape = tuple[bool, tuple[str, ...], tuple[str, ...], bool]


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
    """The place, 0 off the list: of those above 0 the least stays. None: there is no such field."""

    @property
    def revision(self) -> str:
        return str((self.content or {}).get("revision", ""))

    def can_join(self, other: "Write") -> bool:
        """Whether both make a document, the same one."""
        same = (self.collection, self.id, self.shape) == (other.collection, other.id, other.shape)
        return same and self.content is not None

    def joined(self, older: "Write") -> "Write":
        """What this write and ``older`` come to, if `can_join` says that they can."""
        ranks = [rank for rank in (self.best_rank, older.best_rank) if rank]
        return replace(
            self,
            least={name: min(value, older.least[name]) for name, value in self.least.items()},
            most={name: max(value, older.most[name]) for name, value in self.most.items()},
            best_rank=None if self.best_rank is None else min(ranks, default=0),
        )

    @property
    def bounds(self) -> Document:
        """What a document that is not there yet has beside ``content``."""
        best = {} if self.best_rank is None else {"best_rank": self.best_rank}
        return {**self.least, **self.most, **best}

    @property
    def shape(self) -> Shape:
        """Writes of one shape can share an update."""
        bounds = tuple(self.least), tuple(self.most), self.best_rank is not None
        return self.content is not None, *bounds


def update_of(write: Write, content: Mapping[str, Any] | None) -> list[Document]:
    """The update of ``write``'s own document; ``content`` is its content, as it fits and in
    whatever encoding. For MongoDB 4.2 or later, as all of these."""
    return _update(write.shape, {"$literal": _news(write, content)})


def shared_update_of(
    writes: Sequence[Write], contents: Sequence[Mapping[str, Any] | None]
) -> list[Document]:
    """One update of many documents, all of ``writes``, which have one shape and no ``id`` twice.

    A server does it in a fraction of the time of as many updates: it looks up the collection and
    its indexes, and syncs its journal, once.
    """
    ids = [write.id for write in writes]
    news = [_news(write, content) for write, content in zip(writes, contents, strict=True)]
    place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    return _update(writes[0].shape, {"$arrayElemAt": [{"$literal": news}, place]})


def _news(write: Write, content: Mapping[str, Any] | None) -> Document:
    news = write.bounds
    if content is not None:
        news["content"] = content
    return news


def _update(shape: Shape, news: Document) -> list[Document]:
    """``news``: an expression of the document's own. ``$literal`` keeps ``$`` in values as text."""
    has_content, least, most, has_best = shape
    bounds: Document = {name: {"$min": [f"${name}", f"$$new.{name}"]} for name in least}
    bounds |= {name: {"$max": [f"${name}", f"$$new.{name}"]} for name in most}
    if has_best:
        bounds["best_rank"] = _BEST_RANK
    merged: list[Any] = ["$$ROOT", bounds]
    if has_content:
        applies: Document = {"$gt": ["$$new.content.revision", "$revision"]}
        merged.insert(1, {"$cond": [applies, "$$new.content", {}]})
    return [{"$replaceWith": {"$let": {"vars": {"new": news}, "in": {"$mergeObjects": merged}}}}]


_LISTED_BEFORE = {"$gt": ["$best_rank", 0]}
_BETTER = {
    "$cond": [_LISTED_BEFORE, {"$min": ["$best_rank", "$$new.best_rank"]}, "$$new.best_rank"]
}
_BEST_RANK = {"$cond": [{"$gt": ["$$new.best_rank", 0]}, _BETTER, {"$ifNull": ["$best_rank", 0]}]}
