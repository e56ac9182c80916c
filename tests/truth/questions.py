"""Every question of a list, in every column, beside what plain Python works out from the endpoint's
log.

Of a life that nothing disturbed: then each answer is in the lake, and each call on record.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymongo.database import Database

from rankspider.moments import Period
from rankspider.questions import lists
from rankspider.questions.compare import compare
from rankspider.questions.concentration import concentration
from rankspider.questions.coverage import hours_covered
from rankspider.questions.curve import curve
from rankspider.questions.day import day
from rankspider.questions.events import events
from rankspider.questions.leaders import leaders, rising
from rankspider.questions.movers import movers
from rankspider.questions.names import called, names
from rankspider.questions.overtakes import overtakes
from rankspider.questions.people import Person
from rankspider.questions.sessions import sessions
from rankspider.questions.streaks import leaders as most_hours
from rankspider.questions.streaks import streaks_of
from rankspider.questions.tags import tags
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from rankspider.questions.versus import share, versus
from tests.truth import of_hours, of_periods
from tests.truth.differences import Differences
from tests.truth.expected import Expected
from tests.truth.market import HOUR
from tests.truth.watched import Columns, Watched

_WITHIN = 300
_MINUTES = 10
_FIRST = 5
_TAGS = (None, "综合", "鞋包", "no such tag")
_ZONE = dt.timezone(dt.timedelta(hours=12))
"""Its midnight lies within the shortest life."""
_Answer = tuple[str, Any, Any]
"""The question, what the package says, and the truth."""


def compare_questions(
    database: Database[Any], expected: Expected, seed: int, found: Differences
) -> int:
    """How many answers were compared."""
    asking = _Asking(database, Watched(expected), seed)
    count = 0
    for question, actual, truth in asking.answers():
        count += 1
        rows, true_rows = [_plain(row) for row in actual], [_rounded(row) for row in truth]
        if rows != true_rows:
            found.add(question, "answers otherwise", _unequal(rows, true_rows))
    return count


@dataclass
class _Asking:
    database: Database[Any]
    watched: Watched
    seed: int

    def __post_init__(self) -> None:
        name, hours = self.watched.name, [*self.watched.hours]
        self.name = lists.ListName(*(getattr(name, part) for part in lists.ListName._fields))
        self.hours = hours
        self.period = Period(_utc(hours[0] * 1000), _utc((hours[-1] + HOUR) * 1000))
        self.of_list = (self.database, self.name)
        self.sellers = self.watched.sellers(self.seed)
        # Of some, and those who were listed most, as that is where much happens.
        counts = {who: len(sights) for who, sights in self.watched.sights.items()}
        self.best = sorted(counts, key=lambda who: (-counts[who], who))[:8]

    def answers(self) -> Iterator[_Answer]:
        for user_id in dict.fromkeys([*self.sellers, *self.best]):
            yield from self._of_seller(user_id)
        for before, hour in pairwise([None, *self.hours]):
            assert hour is not None
            yield from self._of_hour(hour, before)
        yield from self._of_events()
        yield from self._of_periods()
        yield from self._of_tags()

    def _of_seller(self, user_id: str) -> Iterator[_Answer]:
        watched = self.watched
        rows = trend(*self.of_list, self.period, user_id)
        yield f"trend {user_id}", rows, of_hours.trend(watched, user_id)
        for hour in self.hours:
            points = curve(*self.of_list, _utc(hour * 1000), user_id)
            yield f"curve {user_id} {hour}", points, of_hours.curve(watched, hour, user_id)
        stretches = day(*self.of_list, self.period, user_id)
        yield f"day {user_id}", stretches, of_hours.day(watched, user_id)
        name = watched.nicknames[user_id]
        profiles = names(self.database, called(self.database, name), name)
        yield f"names {user_id}", profiles, of_periods.names(watched, user_id, name)
        ours = streaks_of(*self.of_list, self.period, user_id)
        theirs = [each for each in of_hours.streaks(watched) if each["user_id"] == user_id]
        yield f"streaks {user_id}", ours, theirs

    def _of_hour(self, hour: int, before: int | None) -> Iterator[_Answer]:
        watched, begin = self.watched, _utc(hour * 1000)
        seen = overtakes(*self.of_list, begin, minutes=60)
        by = _by("seen_at", "user_id", "passed_user_id")
        yield f"overtakes {hour}", by(seen), by(of_hours.overtakes(watched, hour))
        if before is not None and before + HOUR == hour:
            moved = movers(*self.of_list, begin)
            assert moved is not None
            yield f"movers {hour}", moved.rows, of_hours.movers(watched, hour)
        who = [*self.best, *self.sellers]
        people = [Person(each, "", 0, "", watched.nicknames[each]) for each in who]
        compared = compare(*self.of_list, begin, people, minutes=_MINUTES)
        yield f"compare {hour}", compared, of_hours.compare(watched, hour, who, _MINUTES)

    def _of_events(self) -> Iterator[_Answer]:
        start, end = self.period.start, self.period.end
        by = _by("seen_at", "event", "place", "user_id", "other_user_id")
        for since in (start, start + dt.timedelta(minutes=37)):
            told = events(*self.of_list, since, end, first=_FIRST)
            truth = of_hours.events(self.watched, _ms(since), _FIRST)
            yield f"events since {since}", by(told), by(truth)

    def _of_periods(self) -> Iterator[_Answer]:
        watched, of_list, period = self.watched, self.of_list, self.period
        in_order = _by("user_id")
        yield "streaks", in_order(most_hours(*of_list, period)), in_order(of_hours.streaks(watched))
        by_room = _by("user_id", "room_id")
        found = sessions(*of_list, period, most=100_000)
        yield "sessions", by_room(found), by_room(of_hours.sessions(watched))
        now = period.end + dt.timedelta(hours=1)
        covered = hours_covered(*of_list, period, now, within_seconds=_WITHIN)
        there = (each for each in covered if each.state != "missing")
        yield "coverage", there, [of_hours.coverage(watched, hour, _WITHIN) for hour in self.hours]
        yield "concentration", concentration(*of_list, period), of_periods.concentration(watched)
        newest = self.hours[-1]
        for hours in (1, 2):
            last = Period.until(period.end, hours)
            for by in ("points", "hours"):
                true = of_periods.rising(watched, newest - (hours - 1) * HOUR, hours, by)
                yield f"rising {hours} {by}", rising(*of_list, last, by=by), true
        for first, second in pairwise(self.best):
            ahead = versus(*of_list, period, _ZONE, first, second)
            truth = of_periods.versus(watched, first, second, _ZONE)
            yield f"versus {first} {second}", ahead, truth
        for group in (self.best[:1], self.best, self.sellers):
            for zone in (None, _ZONE):
                shares = share(*of_list, period, group, zone)
                truth = of_periods.share(watched, group, zone)
                yield f"share of {len(group)} in {zone}", shares, truth

    def _of_tags(self) -> Iterator[_Answer]:
        watched, of_list, period = self.watched, self.of_list, self.period
        yield "tags", tags(*of_list, period), of_periods.tags(watched)
        for tag in _TAGS:
            for by in of_periods.ORDERS:
                rows = leaders(*of_list, period, by=by, tag=tag)
                yield f"leaders {by} {tag}", rows, of_periods.leaders(watched, by, tag)
            for by in ("hour", "weekday", "both"):
                for numbers in ((1, 3, 10), (2,)):
                    for within in (_WITHIN, 3600):
                        how = {"by": by, "tag": tag}
                        found = thresholds(
                            *of_list, period, _ZONE, places=numbers, within_seconds=within, **how
                        )
                        true = of_periods.thresholds(watched, _ZONE, within, numbers=numbers, **how)
                        yield f"thresholds {by} {tag} {numbers} {within}", found, true


def _by(*names: str) -> Callable[[Iterable[Any]], list[Any]]:
    """Rows of the package or of the truth, ordered by these columns."""

    def key(row: Any) -> list[str]:
        columns = row if isinstance(row, dict) else _plain(row)
        return [f"{columns[name]}" for name in names]

    return lambda rows: sorted(rows, key=key)


def _plain(row: Any) -> Columns:
    return _rounded({each.name: getattr(row, each.name) for each in dataclasses.fields(row)})


def _rounded(columns: Columns) -> Columns:
    return {name: _comparable(value) for name, value in columns.items()}


def _comparable(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return _ms(value)
    return round(value, 6) if isinstance(value, float) else value


def _unequal(actual: list[Columns], truth: list[Columns]) -> str:
    """The first of what differs, and in which columns."""
    wrong = [each for each in actual if each not in truth][:2]
    lacking = [each for each in truth if each not in actual][:2]
    if wrong and lacking and len(actual) == len(truth):
        one, other = next(pair for pair in zip(actual, truth, strict=True) if pair[0] != pair[1])
        columns = [name for name in one if one[name] != other.get(name)]
        return f"{[(name, one[name], other.get(name)) for name in columns]}: {one}"[:900]
    return f"{wrong} of {len(actual)}, not {lacking} of {len(truth)}"[:900]


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def _utc(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=ms)
