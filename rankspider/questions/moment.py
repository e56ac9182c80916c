"""The list as it stood at any moment, rebuilt from what was stored."""

import datetime as dt
from dataclasses import replace
from typing import Any

from pymongo.database import Database

from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.board import Board, is_over, seen_list
from rankspider.questions.sightings import sightings_by_hour


def board_at(
    database: Database[dict[str, Any]],
    moment: dt.datetime,
    *,
    currency: str | None = None,
    title: str | None = None,
    now: dt.datetime | None = None,
) -> Board | None:
    """Return the list as it was known at ``moment``; None if the lake has none of that hour or the
    one before, which is still the newest until the first answer of an hour.

    As `rankspider.questions.board.board` has it, of those lists and states that had been seen by
    then; its own standings are those of no anchor.
    """
    now = now or dt.datetime.now(dt.UTC)
    for hour in (hour_of(moment), hour_of(moment) - HOUR):
        found = seen_list(database, hour, currency, title, moment)
        if found is not None:
            is_final = moment >= hour + HOUR and is_over(database, hour, now)
            following = _next_after(database, found, moment)
            return replace(found, is_final=is_final, next_observed_at=following)
    return None


def _next_after(
    database: Database[dict[str, Any]], found: Board, moment: dt.datetime
) -> dt.datetime | None:
    """Return the next sighting in the hour of ``found`` or the one after."""
    hour = found.begin_time
    hours = sightings_by_hour(database, found.name, Period(hour, hour + 2 * HOUR))
    seen = (sightings.next_after(moment) for sightings in hours)
    return next((at for at in seen if at is not None), None)
