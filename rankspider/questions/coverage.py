"""What the lake missed: hours without a list or without its end, and anchors not seen."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pymongo.database import Database

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.moments import HOUR, Period
from rankspider.questions.finals import is_end_seen, seconds_before_close
from rankspider.questions.lists import ListName
from rankspider.questions.people import nicknames
from rankspider.questions.sightings import BUCKET, Sighting, Sightings, sightings_by_hour
from rankspider.report import column

State = Literal["ok", "missing", "no end", "open"]
_Interval = tuple[dt.datetime, dt.datetime]
# In an hour with more of them, gaps are shorter than anybody asks for.
_MOST_CALLS = 10_000
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCovered:
    """How well one hour's list was watched."""

    hour: dt.datetime = column("hour", is_hour=True)
    state: State
    """``missing``: there is none; ``no end``: none was seen shortly before it closed; ``open``:
    it goes on, and how it ends is not known yet."""
    states: int
    """How many distinct ones were seen."""
    seconds_before_close: int | None = column("last seen, s before close")
    """Below 0: only after it."""
    largest_gap_seconds: int = column("largest gap, s")
    """The longest time without an observation, also from the start of the hour and up to its end
    (or to now). Without `calls`, one shorter than ten seconds may be less."""
    gap_began_at: dt.datetime = column("since")

    @property
    def is_gap(self) -> bool:
        return self.state in ("missing", "no end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """An anchor that was asked for, and then neither answered for nor listed for long."""

    nickname: str
    """As it came; "" if the lake has no profile."""
    user_id: str
    sec_uid: str
    last_seen_at: dt.datetime


def hours_covered(
    database: Database[Document],
    name: ListName,
    period: Period,
    now: dt.datetime,
    *,
    within_seconds: float = 120,
) -> Iterator[HourCovered]:
    """Yield every hour of ``period`` that has begun, the earliest first.

    ``within_seconds``: how long before the close the last state may have been seen. When it was
    seen, say `rankspider.questions.sightings.sightings_by_hour`, an hour at a time.
    """
    there = sightings_by_hour(database, name, period)
    sightings = next(there, None)
    for hour in period:
        if hour > now:
            return
        if sightings is None or sightings.hour != hour:
            yield _hour_covered(Sightings(database, name, hour), now, within_seconds)
        else:
            yield _hour_covered(sightings, now, within_seconds)
            sightings = next(there, None)


def _hour_covered(seen: Sightings, now: dt.datetime, within_seconds: float) -> HourCovered:
    close, newest = seen.hour + HOUR, seen.newest()
    gap, since = _gap_in(seen, newest, min(close, now))
    left = None if newest is None else seconds_before_close(seen.hour, newest.at)
    state: State = "missing" if left is None else "ok"
    if now < close:
        state = "open"
    elif newest is not None and not is_end_seen(seen.hour, newest.at, within_seconds):
        state = "no end"
    return HourCovered(
        hour=seen.hour,
        state=state,
        states=len(seen.seen_states),
        seconds_before_close=left,
        largest_gap_seconds=round(gap.total_seconds()),
        gap_began_at=since,
    )


def _gap_in(
    seen: Sightings, newest: Sighting | None, end: dt.datetime
) -> tuple[dt.timedelta, dt.datetime]:
    """Return the longest time up to ``end`` in which nobody looked, and when it began.

    In hours from before there were sightings, a state that was seen twice counts as watched in
    between. Within ten seconds of which sightings have the ends, the first calls of the hour tell.
    """
    if newest is None or not seen.buckets:
        within = sorted(
            (span.first, span.last if span.last < seen.hour + HOUR else span.first)
            for span in seen.states
        )
        return _largest_gap(seen.hour, end, within)
    moments = {newest.at, *(sighting.at for sighting in seen.known())}
    found = _largest_gap(seen.hour, end, _each(moments))
    if found[0] >= BUCKET:
        return found
    called = seen.called(seen.hour, end, {"$limit": _MOST_CALLS})
    return _largest_gap(seen.hour, end, _each(moments.union(call.at for call in called)))


def _each(moments: Iterable[dt.datetime]) -> list[_Interval]:
    return [(moment, moment) for moment in sorted(moments)]


def _largest_gap(
    start: dt.datetime, end: dt.datetime, seen: Iterable[_Interval]
) -> tuple[dt.timedelta, dt.datetime]:
    """Return the longest time between ``start`` and ``end`` that is in no interval, and when it
    began."""
    largest, since, seen_to = dt.timedelta(0), start, start
    for begun, last in [*seen, (end, end)]:
        first = min(begun, end)
        if first - seen_to > largest:
            largest, since = first - seen_to, seen_to
        seen_to = max(seen_to, last)
    return largest, since


def unseen(
    database: Database[Document], period: Period, now: dt.datetime, *, hours: float = 3
) -> list[Unseen]:
    """Yield the anchors asked in ``period`` that no standing and no answer has shown for ``hours``.

    Who was asked for shows in a standing of its own, off the list: whoever stood on the list at the
    end of every hour it was asked for in cannot be told from one that never was. One pass on
    ``hour_place``; the server holds one entry an anchor::

        db.ranks.aggregate([
          {$match: {begin_time: {$gte: …, $lt: …}}},
          {$group: {_id: "$user_id", sec_uid: {$last: "$sec_uid"},
                    listed: {$min: "$listed"}, seen: {$max: "$observed_at"}}},
          {$match: {listed: false, seen: {$lt: …}}}])

    A standing that stays as it is tells when it was news; when those anchors were answered for
    last, stands in ``calls``. On ``user_time``, a thousand anchors at a time::

        db.calls.aggregate([
          {$match: {user_id: {$in: […]}}}, {$match: {observed_at: {$gte: …}}},
          {$group: {_id: "$user_id", seen: {$max: "$observed_at"}}}])
    """
    before = now - hours * HOUR
    group = {
        "_id": "$user_id",
        "sec_uid": {"$last": "$sec_uid"},
        "listed": {"$min": "$listed"},
        "seen": {"$max": "$observed_at"},
    }
    pipeline: list[Document] = [
        {"$match": {"begin_time": {"$gte": period.start, "$lt": period.end}}},
        {"$group": group},
        {"$match": {"listed": False, "seen": {"$lt": before}}},
    ]
    with database[collections.RANKS].aggregate(pipeline, allowDiskUse=True) as found:
        anchors = {group["_id"]: group for group in found}
    answered = _answered(database, list(anchors), period.start)
    seen = {who: max(anchors[who]["seen"], answered.get(who, period.start)) for who in anchors}
    missed = sorted((at, who) for who, at in seen.items() if at < before)
    names = nicknames(database, (who for _, who in missed))
    return [
        Unseen(nickname=names[who], user_id=who, sec_uid=anchors[who]["sec_uid"], last_seen_at=at)
        for at, who in missed
    ]


def _answered(
    database: Database[Document], user_ids: Sequence[str], since: dt.datetime
) -> dict[str, dt.datetime]:
    """Return when each anchor was answered for last; only those who were."""
    answered: dict[str, dt.datetime] = {}
    for start in range(0, len(user_ids), _AT_ONCE):
        some = {"$in": user_ids[start : start + _AT_ONCE]}
        pipeline: list[Document] = [
            {"$match": {"user_id": some}},
            {"$match": {"observed_at": {"$gte": since}}},
            {"$group": {"_id": "$user_id", "seen": {"$max": "$observed_at"}}},
        ]
        with database[collections.CALLS].aggregate(pipeline) as found:
            answered.update((group["_id"], group["seen"]) for group in found)
    return answered
