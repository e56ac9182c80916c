"""One anchor's places over the hours."""

import datetime as dt
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import Period
from rankspider.questions.finals import Final, finals
from rankspider.questions.lists import ListName
from rankspider.questions.states import standing_in_state
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class HourPlace:
    """Where the anchor stood when an hour's list was seen last; None where that is not known."""

    hour: dt.datetime = column("hour", is_hour=True)
    place: int
    """0: not listed then."""
    best_place: int
    """Of the hour; 0: it was never seen on the list."""
    score: int | None = column("points")
    """When it was seen last, on the list or asked for."""
    delta: int | None = column("behind next")
    observed_at: dt.datetime | None


def trend(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[HourPlace]:
    """One row for each hour of ``period`` that has the list, the earliest first.

    Place and points are those of `finals` with `standing_in_state`. One who is not on the list has
    its standing; all of an anchor's are one query, on ``user_hour``::

        db.ranks.aggregate([
          {$match: {user_id: …, begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}}])
    """
    pipeline = standings_pipeline(name, period, user_id)
    with database[collections.RANKS].aggregate(pipeline) as found:
        standings = {standing["begin_time"]: standing for standing in found}
    states = finals(database, name, period, standing_in_state(user_id))
    return [_row(final, standings.get(final.hour)) for final in states]


def standings_pipeline(name: ListName, period: Period, user_id: str) -> list[Document]:
    """A user's standings over the hours, over `ranks`."""
    hours = {"$gte": period.start, "$lt": period.end}
    return [{"$match": {"user_id": user_id, "begin_time": hours}}, name.stage]


def _row(final: Final, standing: Document | None) -> HourPlace:
    place, said = final.fields["place"], {**final.fields, "observed_at": final.seen_at}
    best = standing["best_rank"] if standing else place
    if not place:
        said = standing or {}
        if said.get("listed") and said["observed_at"] > final.seen_at:
            said = {}  # a row of a list that was never stored as a whole
        elif said and not said["listed"]:
            place = said["rank"]  # one that the list itself does not go down to, or none
    return HourPlace(
        hour=final.hour,
        place=place,
        best_place=best,
        score=said.get("score"),
        delta=said.get("delta"),
        observed_at=said.get("observed_at"),
    )
