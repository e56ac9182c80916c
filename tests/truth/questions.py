"""Every question of a list, beside what plain Python works out from the endpoint's log.

Of a life that nothing disturbed: then each answer is in the lake, and each call on record.
"""

import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

from pymongo.database import Database

from rankspider.moments import Period
from rankspider.questions import lists
from rankspider.questions.concentration import concentration
from rankspider.questions.coverage import hours_covered
from rankspider.questions.curve import curve
from rankspider.questions.movers import movers
from rankspider.questions.overtakes import overtakes
from rankspider.questions.sessions import sessions
from rankspider.questions.streaks import leaders, streaks_of
from rankspider.questions.tags import tags
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from tests.truth.differences import Differences
from tests.truth.expected import Expected
from tests.truth.facts import Row, Said
from tests.truth.market import HOUR

_WITHIN = 300
_MOST_SELLERS = 40
Shown = tuple[Any, ...]
Stay = tuple[int, int, int, int, int]
"""Place, points, points behind the next, first and last, Unix milliseconds."""


class Watched:
    """What was seen of the one list, each answer within its own hour."""

    def __init__(self, expected: Expected) -> None:
        self.hours: dict[int, list[Said]] = defaultdict(list)
        for said, _ in sorted(expected.answers, key=lambda each: each[0].observed):
            if said.begin * 1000 <= said.observed < (said.begin + HOUR) * 1000:
                self.hours[said.begin].append(said)
        self.name = expected.answers[0][0].name

    def sellers(self, seed: int) -> list[str]:
        """Some of those that anything was said of."""
        everybody = sorted(
            {row.profile.user_id for said in self.answers for row in _rows(said) if row}
        )
        most = min(_MOST_SELLERS, len(everybody))
        return sorted(random.Random(f"sellers {seed}").sample(everybody, most))

    @property
    def answers(self) -> Iterator[Said]:
        return (said for hour in sorted(self.hours) for said in self.hours[hour])

    def last(self, hour: int) -> Said:
        return self.hours[hour][-1]

    def trend(self, user_id: str) -> Iterator[Shown]:
        """Hour, place and best place on the list, points."""
        for hour, answers in sorted(self.hours.items()):
            listed = [_listed(said, user_id) for said in answers]
            own = [row for said in answers if (row := _standing(said, user_id))]
            places = [row.rank for row in listed if row]
            final = listed[-1]
            score = (final or (own[-1] if own else None)) and own[-1].score
            yield hour, final.rank if final else 0, min(places, default=0), score

    def stays(self, hour: int, user_id: str) -> list[Stay]:
        stays: list[Stay] = []
        is_over = False
        for said in self.hours[hour]:
            row = _standing(said, user_id)
            if row is None:  # whoever was on the list is not any more
                is_over = is_over or bool(stays and stays[-1][0])
                continue
            same = stays and stays[-1][:3] == (row.rank, row.score, row.delta)
            if same and not is_over:
                stays[-1] = (*stays[-1][:4], said.observed)
            else:
                stays.append((row.rank, row.score, row.delta, said.observed, said.observed))
            is_over = False
        return stays

    def listed_hours(self) -> dict[str, dict[int, int]]:
        """The best place of each seller in each hour."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for said in self.answers:
            for row in said.rows:
                places = found[row.profile.user_id]
                places[said.begin] = min(row.rank, places.get(said.begin, row.rank))
        return found

    def overtakes(self, hour: int) -> Iterator[Shown]:
        """When the new order was seen and the old one last, who passed whom."""
        ahead: dict[frozenset[str], str] = {}
        for before, after in pairwise([None, *self.hours[hour]]):
            assert after is not None
            pairs: dict[frozenset[str], str] = {}
            rows = after.rows
            for place, one in enumerate(rows):
                for other in rows[place + 1 :]:
                    first, second = one.profile.user_id, other.profile.user_id
                    pair = frozenset((first, second))
                    known = ahead.get(pair, first)
                    pairs[pair] = known if one.score == other.score else first
                    if before is not None and pairs[pair] != known:
                        yield after.observed, before.observed, first, second
            ahead = pairs

    def sessions(self) -> dict[tuple[str, str], Shown]:
        """By seller and room: peak, when, when first on the list, best place, hours."""
        rooms: dict[tuple[str, str], list[tuple[Said, Row]]] = defaultdict(list)
        for said in self.answers:
            for row in _rows(said):
                if row is not None and row.room:
                    rooms[row.profile.user_id, row.room].append((said, row))
        found: dict[tuple[str, str], Shown] = {}
        for key, seen in rooms.items():
            peak = max(row.score for _, row in seen)
            peak_at = min(said.observed for said, row in seen if row.score == peak)
            on_list = [(said.observed, row.rank) for said, row in seen if row.rank]
            entered = min((at for at, _ in on_list), default=None)
            best = min((rank for _, rank in on_list), default=None)
            found[key] = peak, peak_at, entered, best, len({said.begin for said, _ in seen})
        return found

    def coverage(self, hour: int) -> Shown:
        """Distinct states, seconds before the close, the longest gap."""
        times = [said.observed for said in self.hours[hour]]
        edges = [hour * 1000, *times, (hour + HOUR) * 1000]
        gap = max(after - before for before, after in pairwise(edges))
        states = {_state(said) for said in self.hours[hour]}
        return len(states), _left(self.last(hour)), round(gap / 1000)


def compare_questions(
    database: Database[Any], expected: Expected, seed: int, found: Differences
) -> int:
    """How many answers were compared."""
    watched = Watched(expected)
    name = lists.ListName(*(getattr(watched.name, part) for part in lists.ListName._fields))
    hours = sorted(watched.hours)
    period = Period(_utc(hours[0] * 1000), _utc((hours[-1] + HOUR) * 1000))
    answers = list(_answers(database, name, period, watched, seed))
    for question, actual, truth in answers:
        if actual != truth:
            found.add(question, "answers otherwise", _unequal(actual, truth))
    return len(answers)


def _answers(
    database: Database[Any], name: lists.ListName, period: Period, watched: Watched, seed: int
) -> Iterator[tuple[str, Any, Any]]:
    """Each with its question, and the truth."""
    hours = sorted(watched.hours)
    for user_id in watched.sellers(seed):
        rows = trend(database, name, period, user_id)
        shown = [(_ms(row.hour) // 1000, row.place, row.best_place, row.score) for row in rows]
        yield f"trend {user_id}", shown, list(watched.trend(user_id))
        for hour in hours:
            points = curve(database, name, _utc(hour * 1000), user_id)
            stays = [
                (each.place, each.score, each.delta, _ms(each.since), _ms(each.until))
                for each in points
            ]
            yield f"curve {user_id} {hour}", stays, watched.stays(hour, user_id)
    yield from _of_hours(database, name, period, watched)
    listed = watched.listed_hours()
    best = {user_id: (len(each), min(each.values())) for user_id, each in listed.items()}
    everybody = leaders(database, name, period)
    yield "streaks", {row.user_id: (row.hours_listed, row.best_place) for row in everybody}, best
    for row in everybody[:5]:
        yield f"streaks {row.user_id}", streaks_of(database, name, period, row.user_id), [row]
    found = {
        (each.user_id, each.room_id): (
            each.peak_score,
            _ms(each.peak_at),
            each.entered_at and _ms(each.entered_at),
            each.best_rank,
            each.hours,
        )
        for each in sessions(database, name, period, most=100_000)
    }
    yield "sessions", found, watched.sessions()


def _of_hours(
    database: Database[Any], name: lists.ListName, period: Period, watched: Watched
) -> Iterator[tuple[str, Any, Any]]:
    hours = sorted(watched.hours)
    for before, hour in pairwise([None, *hours]):
        assert hour is not None
        begin = _utc(hour * 1000)
        seen = {
            (_ms(each.seen_at), _ms(each.not_before), each.user_id, each.passed_user_id)
            for each in overtakes(database, name, begin, minutes=60)
        }
        yield f"overtakes {hour}", seen, set(watched.overtakes(hour))
        moved = movers(database, name, begin)
        if before is not None and before + HOUR == hour:
            here, there = _places(watched.last(hour)), _places(watched.last(before))
            truth = {who: (here.get(who), there.get(who)) for who in {*here, *there}}
            assert moved is not None
            shown = {row.user_id: (row.place, row.place_before) for row in moved.rows}
            yield f"movers {hour}", shown, truth
    now = period.end + dt.timedelta(hours=1)
    covered = {
        _ms(each.hour) // 1000: (
            each.states,
            each.seconds_before_close,
            each.largest_gap_seconds,
        )
        for each in hours_covered(database, name, period, now)
        if each.state != "missing"
    }
    yield "coverage", covered, {hour: watched.coverage(hour) for hour in hours}
    rows = [
        (_ms(each.hour) // 1000, each.places, each.points, each.seconds_before_close)
        for each in concentration(database, name, period)
    ]
    finals = [watched.last(hour) for hour in hours]
    yield (
        "concentration",
        rows,
        [(f.begin, len(f.rows), sum(row.score for row in f.rows), _left(f)) for f in finals],
    )
    yield (
        "tags",
        {(each.tag, each.places, each.points) for each in tags(database, name, period)},
        {*_tags(finals)},
    )
    yield (
        "thresholds",
        {
            (each.hour_of_day, each.place): (each.hours, each.minimum, each.median, each.maximum)
            for each in thresholds(database, name, period, dt.UTC, within_seconds=_WITHIN)
        },
        _thresholds(finals),
    )


def _tags(finals: Iterable[Said]) -> Iterator[Shown]:
    places: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for said in finals:
        for row in said.rows:
            for tag in row.tags or ("",):
                places[tag] += 1
                points[tag] += row.score
    return ((tag, places[tag], points[tag]) for tag in places)


def _thresholds(finals: Iterable[Said]) -> dict[tuple[int, str], Shown]:
    scores: dict[tuple[int, str], list[int]] = defaultdict(list)
    for said in finals:
        if (said.begin + HOUR) * 1000 - said.observed > _WITHIN * 1000 or not said.rows:
            continue
        hour = _utc(said.begin * 1000).hour
        for place in (1, 3, 10):
            if place <= len(said.rows):
                scores[hour, str(place)].append(said.rows[place - 1].score)
        scores[hour, "last"].append(said.rows[-1].score)
    return {key: (len(all_), min(all_), median(all_), max(all_)) for key, all_ in scores.items()}


def _rows(said: Said) -> tuple[Row | None, ...]:
    return *said.rows, said.unlisted


def _listed(said: Said, user_id: str) -> Row | None:
    return next((row for row in said.rows if row.profile.user_id == user_id), None)


def _standing(said: Said, user_id: str) -> Row | None:
    return next((row for row in _rows(said) if row and row.profile.user_id == user_id), None)


def _places(said: Said) -> dict[str, int]:
    return {row.profile.user_id: row.rank for row in said.rows}


def _state(said: Said) -> Shown:
    return tuple((row.profile.user_id, row.score) for row in said.rows)


def _left(said: Said) -> int:
    return round(((said.begin + HOUR) * 1000 - said.observed) / 1000)


def _unequal(actual: Any, truth: Any) -> str:
    """The first of what differs."""
    if isinstance(actual, dict):
        actual, truth = list(actual.items()), list(truth.items())
    wrong = [each for each in actual if each not in truth][:2]
    lacking = [each for each in truth if each not in actual][:2]
    return f"{wrong} of {len(actual)}, not {lacking} of {len(truth)}"[:600]


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def _utc(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=ms)
