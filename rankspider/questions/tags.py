"""What is sold: tags, and their share of places and points."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.finals import finals
from rankspider.questions.lists import ListName
from rankspider.report import column

# So many hours are held at once: some thousand places.
_HOURS_AT_ONCE = 24
_Place = tuple[dt.datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagShare:
    """One tag over all places of all hours asked for, as they were seen last.

    A place with several tags counts, with all its points, for each: shares may add up to more
    than 100.
    """

    tag: str
    """"" stands for places without any."""
    places: int
    places_percent: float = column("places %")
    points: int
    points_percent: float = column("points %")
    """0 if nobody has a point."""


def tags(database: Database[Document], name: ListName, period: Period) -> list[TagShare]:
    """Return one row a tag, most points first.

    Places and points are those of `finals` with ``{user_ids: "$user_ids", scores: "$scores"}``;
    whose tags are whose stands in ``ranks``, read on ``hour_place``, a day at a time::

        db.ranks.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, …}},
          {$project: {begin_time: 1, user_id: 1, shop_tags: 1}}])
    """
    places: Counter[str] = Counter()
    points: Counter[str] = Counter()
    count = total = 0
    for day in days(period):
        scores = _scores(database, name, day)
        count, total = count + len(scores), total + sum(scores.values())
        for place, its_tags in tags_of_places(database, name, day):
            if place in scores:
                score = scores[place]
                for tag in dict.fromkeys(its_tags) or [""]:
                    places[tag] += 1
                    points[tag] += score
    return [
        TagShare(
            tag=tag,
            places=places[tag],
            places_percent=100 * places[tag] / count,
            points=points[tag],
            points_percent=100 * points[tag] / total if total else 0,
        )
        for tag in sorted(places, key=lambda tag: (-points[tag], -places[tag], tag))
    ]


def days(period: Period) -> Iterator[Period]:
    """Yield ``period`` in parts that are short enough to be held."""
    start = period.start
    while start < period.end:
        end = min(start + _HOURS_AT_ONCE * HOUR, period.end)
        yield Period(start, end)
        start = end


def _scores(database: Database[Document], name: ListName, day: Period) -> dict[_Place, int]:
    fields = {"user_ids": "$user_ids", "scores": "$scores"}
    return {
        (final.hour, user_id): score
        for final in finals(database, name, day, fields)
        for user_id, score in zip(final.fields["user_ids"], final.fields["scores"], strict=True)
    }


def tags_of_places(
    database: Database[Document], name: ListName, day: Period
) -> Iterator[tuple[_Place, list[str]]]:
    """Yield hour and user, and its tags then; of a place, the newest ones."""
    pipeline: list[Document] = [
        {"$match": {"begin_time": {"$gte": day.start, "$lt": day.end}}},
        name.stage,
        {"$project": {"_id": 0, "begin_time": 1, "user_id": 1, "shop_tags": 1}},
    ]
    with database[collections.RANKS].aggregate(pipeline) as found:
        for standing in found:
            yield (standing["begin_time"], standing["user_id"]), standing["shop_tags"] or []
