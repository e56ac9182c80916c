"""Tell how each anchor of the watch list stands, from both places that know of it."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from rankspider.lake.collections import Document
from rankspider.queue.anchor_queue import MOST_AT_ONCE
from rankspider.report import column
from rankspider.watch.turns import UNKNOWN, Turn, Turns

PAUSED = "paused"
STATES = ("new", "live", "listed", "asleep", "gone", PAUSED)


@dataclass(frozen=True, kw_only=True)
class WatchedAnchor:
    """One anchor of the watch list, and how it stands."""

    sec_uid: str
    nickname: str
    label: str
    every_seconds: float = column("every s")
    at_most_seconds: float = column("at most s")
    steady: bool
    state: str
    seen_at: dt.datetime | None = column("last seen")
    due_at: dt.datetime | None = column("next turn")
    worst_gap: float | None = column("worst gap")
    """The longest between two sightings, in intervals."""
    missed: int
    """Turns that came to nothing, after all their tries."""
    by: str = column(None)
    added_at: dt.datetime = column(None)


def standing(
    documents: Iterable[Document], turns: Turns
) -> Iterator[tuple[Document, Turn | None, str]]:
    """Yield each document with what Redis knows of it, if anything, and its state."""
    rest = iter(documents)
    while some := list(islice(rest, MOST_AT_ONCE)):
        found = turns.of([document["sec_uid"] for document in some])
        for document, turn in zip(some, found, strict=True):
            state = "new" if turn is None else turn.state
            yield document, turn, PAUSED if document["paused"] else state


def row_of(document: Document, turn: Turn | None, state: str, nickname: str) -> WatchedAnchor:
    """Return what people are shown of an anchor, by what `standing` says of it."""
    turn = turn or UNKNOWN
    return WatchedAnchor(
        sec_uid=document["sec_uid"],
        nickname=nickname,
        label=document["label"],
        every_seconds=document["every"],
        at_most_seconds=document["at_most"],
        steady=document["steady"],
        state=state,
        seen_at=turn.seen_at,
        due_at=turn.due_at,
        worst_gap=turn.worst_gap,
        missed=turn.missed,
        by=document["by"],
        added_at=document["added_at"],
    )
