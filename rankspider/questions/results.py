"""How hours ended, place by place, and what a period came to for each seller."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pymongo.database import Database

from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.finals import finals
from rankspider.questions.lists import ListName
from rankspider.questions.tags import days, tags_of_places

FIRST = 10


@dataclass(frozen=True, slots=True)
class Result:
    """One hour's list, as it was seen last."""

    hour: dt.datetime
    places: dict[str, int]
    """From 1, by ``user_id``, the best first."""
    scores: dict[str, int]
    """By ``user_id``."""


@dataclass(slots=True)
class Total:
    """The sum of a period for one seller."""

    points: int = 0
    places: list[int] = field(default_factory=list)
    """One for each hour in which it was on the list at last."""

    @property
    def wins(self) -> int:
        return self.places.count(1)

    @property
    def in_first(self) -> int:
        return sum(place <= FIRST for place in self.places)


def results(
    database: Database[Document],
    name: ListName,
    period: Period,
    tag: str | None = None,
    *,
    within_seconds: float | None = None,
) -> Iterator[Result]:
    """Yield each hour of ``period`` that has the list, the earliest first.

    `finals` with ``{user_ids: "$user_ids", scores: "$scores"}``, a day at a time. With ``tag``,
    only places of sellers that had it then (`rankspider.questions.tags`); they keep their places.
    With ``within_seconds``, only hours whose list was seen so shortly before their close.
    """
    fields = {"user_ids": "$user_ids", "scores": "$scores"}
    for day in days(period):
        tagged = set()
        if tag is not None:
            tagged = {who for who, its in tags_of_places(database, name, day) if tag in its}
        for final in finals(database, name, day, fields, within_seconds=within_seconds):
            places, scores = {}, {}
            rows = zip(final.fields["user_ids"], final.fields["scores"], strict=True)
            for place, (user_id, score) in enumerate(rows, 1):
                if tag is None or (final.hour, user_id) in tagged:
                    places[user_id], scores[user_id] = place, score
            yield Result(final.hour, places, scores)


def totals(hours: Iterable[Result]) -> dict[str, Total]:
    """Return the totals by ``user_id``. Added up here: a server's sum of 64-bit points may pass 64
    bits."""
    found: dict[str, Total] = {}
    for result in hours:
        for user_id, place in result.places.items():
            total = found.setdefault(user_id, Total())
            total.points += result.scores[user_id]
            total.places.append(place)
    return found
