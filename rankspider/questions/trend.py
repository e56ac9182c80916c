"""One anchor's places over the hours."""

import datetime as dt
from dataclasses import dataclass

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.curve import Point, curve
from rankspider.questions.finals import Final, finals
from rankspider.questions.lists import ListName
from rankspider.questions.states import standing_in_state
from rankspider.report import column


@dataclass(frozen=True, slots=True, kw_only=True)
class HourPlace:
    """The place of the anchor when an hour's list was seen last within the hour; None where that is
    not known."""

    hour: dt.datetime = column("hour", is_hour=True)
    place: int
    """On the list; 0: not listed then, whatever place the endpoint gives it."""
    best_place: int
    """Of the hour; 0: it was never seen on the list."""
    score: int | None = column("points")
    """When it was seen last, on the list or asked for."""
    delta: int | None = column("behind next")
    observed_at: dt.datetime | None
    """When the points were seen."""
    seconds_before_close: int = column("list seen, s before close")
    """How long before the end of the hour the list was seen last; below 0: only after it."""


def trend(
    database: Database[Document], name: ListName, period: Period, user_id: str
) -> list[HourPlace]:
    """Return one row for each hour of ``period`` that has the list, the earliest first.

    Place and points are those of `finals` with `standing_in_state`. One who is not on the list has
    its standing; all of an anchor's are one query, on ``user_hour``::

        db.ranks.aggregate([
          {$match: {user_id: …, begin_time: {$gte: …, $lt: …}}},
          {$match: {"list.currency": …, "list.title": …, "list.subtitle": …, "list.city_code": …}}])
    """
    pipeline = standings_pipeline(name, period, user_id)
    with database[collections.RANKS].aggregate(pipeline) as found:
        standings = {standing["begin_time"]: standing for standing in found}
    rows = []
    for final in finals(database, name, period, standing_in_state(user_id)):
        standing = standings.get(final.hour)
        if standing and standing["observed_at"] >= final.hour + HOUR:
            standing = _within_hour(curve(database, name, final.hour, user_id))
        rows.append(_row(final, standing))
    return rows


def _within_hour(points: list[Point]) -> Document | None:
    """Return the standing before the close in the form of `ranks`, where what came after it has
    overwritten that."""
    if not points:
        return None
    last = points[-1]
    return {
        "listed": last.place > 0,
        "score": last.score,
        "delta": last.delta,
        "observed_at": last.until,
        "best_rank": min((each.place for each in points if each.place), default=0),
    }


def standings_pipeline(name: ListName, period: Period, user_id: str) -> list[Document]:
    """Return the stages that find a user's standings of some hours in `ranks`."""
    hours = {"$gte": period.start, "$lt": period.end}
    return [{"$match": {"user_id": user_id, "begin_time": hours}}, name.stage]


def _row(final: Final, standing: Document | None) -> HourPlace:
    place, said = final.fields["place"], {**final.fields, "observed_at": final.seen_at}
    bests = [each for each in (place, standing["best_rank"] if standing else 0) if each]
    if not place:
        said = standing or {}
        if said.get("listed") and said["observed_at"] > final.seen_at:
            said = {}  # a row of a list that was never stored as a whole
    return HourPlace(
        hour=final.hour,
        place=place,
        best_place=min(bests, default=0),
        score=said.get("score"),
        delta=said.get("delta"),
        observed_at=said.get("observed_at"),
        seconds_before_close=final.seconds_before_close,
    )
