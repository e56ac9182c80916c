"""What the questions about several hours must answer: see docs/questions.md."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from tests.truth.facts import Profile, Row, Said
from tests.truth.market import HOUR
from tests.truth.watched import Columns, OneOf, Watched, places, rows_of, seconds_left

_TOLD = ("nickname", "display_id", "avatar", "signature")


@dataclass
class _Sums:
    """What the hours came to for one seller."""

    points: int = 0
    places: list[int] = field(default_factory=list)


def _summed(finals: Sequence[Said], tag: str | None = None) -> dict[str, _Sums]:
    found: dict[str, _Sums] = defaultdict(_Sums)
    for said in finals:
        for row in _of_tag(said, tag):
            sums = found[row.profile.user_id]
            sums.points += row.score
            sums.places.append(row.rank)
    return found


def _of_tag(said: Said, tag: str | None) -> list[Row]:
    return [row for row in said.rows if tag is None or tag in row.tags]


ORDERS: dict[str, Callable[[Columns], int]] = {
    "points": lambda row: -row["points"],
    "hours": lambda row: -row["hours_listed"],
    "wins": lambda row: -row["wins"],
    "first-10": lambda row: -row["hours_in_first_10"],
    "place": lambda row: row["best_place"],
}


def leaders(watched: Watched, by: str, tag: str | None) -> list[Columns]:
    rows = [
        {
            "nickname": watched.nicknames[who],
            "user_id": who,
            "points": sums.points,
            "hours_listed": len(sums.places),
            "wins": sum(place == 1 for place in sums.places),
            "hours_in_first_10": sum(place <= 10 for place in sums.places),
            "best_place": min(sums.places),
        }
        for who, sums in _summed([*watched.finals], tag).items()
    ]
    return sorted(rows, key=lambda row: (ORDERS[by](row), -row["points"], row["user_id"]))


def rising(watched: Watched, start: int, hours: int, by: str) -> list[Columns]:
    """Of so many hours from ``start`` on, and as many before."""
    finals = [*watched.finals]
    end, before = start + hours * HOUR, start - hours * HOUR
    now = _summed([said for said in finals if start <= said.begin < end])
    then = _summed([said for said in finals if before <= said.begin < start])
    rows = [
        {
            "nickname": watched.nicknames[who],
            "user_id": who,
            "points_change": now[who].points - then[who].points,
            "points": now[who].points,
            "points_before": then[who].points,
            "hours_change": len(now[who].places) - len(then[who].places),
            "hours_listed": len(now[who].places),
            "hours_before": len(then[who].places),
            "is_new": not then[who].places,
        }
        for who in {*now, *then}
    ]
    first, second = ("hours_change", "points_change")[:: 1 if by == "hours" else -1]
    return sorted(rows, key=lambda row: (-row[first], -row[second], row["user_id"]))


def versus(watched: Watched, first: str, second: str, zone: dt.tzinfo) -> list[Columns]:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for said in watched.finals:
        here = places(said)
        one, other = here.get(first, 10**9), here.get(second, 10**9)
        ahead = "neither" if one == other else "first" if one < other else "second"
        counts[_there(said, zone).hour][ahead] += 1
    return [
        {
            "hour_of_day": hour,
            "hours": count.total(),
            "first_ahead": count["first"],
            "second_ahead": count["second"],
            "neither_listed": count["neither"],
        }
        for hour, count in sorted(counts.items())
    ]


def share(watched: Watched, group: Collection[str], zone: dt.tzinfo | None) -> list[Columns]:
    together: dict[object, list[Said]] = defaultdict(list)
    for said in watched.finals:
        together[_there(said, zone).date() if zone else said.begin].append(said)
    rows = []
    for finals in together.values():
        everybody = [row for said in finals for row in said.rows]
        ours = [row.score for row in everybody if row.profile.user_id in group]
        total = sum(row.score for row in everybody)
        rows.append(
            {
                "since": finals[0].begin * 1000,
                "hours": len(finals),
                "places": len(ours),
                "points": sum(ours),
                "points_of_all": total,
                "percent": 100 * sum(ours) / total if total else None,
            }
        )
    return rows


def thresholds(
    watched: Watched,
    zone: dt.tzinfo,
    within: float,
    by: str = "hour",
    tag: str | None = None,
    numbers: Sequence[int] = (1, 3, 10),
) -> list[Columns]:
    scores: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for said in watched.finals:
        if (said.begin + HOUR) * 1000 - said.observed > within * 1000:
            continue
        there, among = _there(said, zone), [row.score for row in _of_tag(said, tag)]
        weekday = there.isoweekday() if by != "hour" else 0
        hour = there.hour if by != "weekday" else -1
        for number in numbers:
            if number <= len(among):
                scores[weekday, hour, number].append(among[number - 1])
        if among:
            scores[weekday, hour, 10**9].append(among[-1])
    return [
        {
            "weekday": weekday or None,
            "hour_of_day": None if hour < 0 else hour,
            "place": str(number) if number < 10**9 else "last",
            "hours": len(found),
            "minimum": min(found),
            "median": median(found),
            "maximum": max(found),
        }
        for (weekday, hour, number), found in sorted(scores.items())
    ]


def tags(watched: Watched) -> list[Columns]:
    count: Counter[str] = Counter()
    points: Counter[str] = Counter()
    rows = [row for said in watched.finals for row in said.rows]
    for row in rows:
        for tag in row.tags or ("",):
            count[tag] += 1
            points[tag] += row.score
    total = sum(row.score for row in rows)
    return [
        {
            "tag": tag,
            "places": count[tag],
            "places_percent": 100 * count[tag] / len(rows),
            "points": points[tag],
            "points_percent": 100 * points[tag] / total if total else 0,
        }
        for tag in sorted(count, key=lambda tag: (-points[tag], -count[tag], tag))
    ]


def concentration(watched: Watched) -> Iterator[Columns]:
    for said in watched.finals:
        scores = [row.score for row in said.rows]
        total = sum(scores)
        yield {
            "hour": said.begin * 1000,
            "seconds_before_close": seconds_left(said),
            "places": len(scores),
            "points": total,
            "first_3_percent": 100 * sum(scores[:3]) / total if total else None,
            "first_10_percent": 100 * sum(scores[:10]) / total if total else None,
            "hhi": sum((100 * score / total) ** 2 for score in scores) if total else None,
        }


def names(watched: Watched, user_id: str, name: str) -> list[Columns]:
    """Whatever the hours of the answers. That a profile stays the same is not put on record."""
    seen: list[tuple[int, Profile]] = [
        (said.observed, row.profile)
        for said in watched.all
        for row in rows_of(said)
        if row.profile.user_id == user_id
    ]
    in_order = list(dict.fromkeys(profile for _, profile in seen))
    rows = []
    for before, profile in pairwise([None, *in_order]):
        assert profile is not None
        times = [at for at, each in seen if each == profile]
        rows.append(
            {
                "user_id": user_id,
                "since": times[0],
                "until": OneOf(times),
                "nickname": profile.nickname,
                "display_id": profile.display_id,
                "signature": profile.signature,
                "avatar_uri": profile.avatar,
                "changed": [
                    "avatar_uri" if field == "avatar" else field
                    for field in _TOLD
                    if before and getattr(before, field) != getattr(profile, field)
                ],
                "is_called_so": name in (profile.nickname, profile.display_id),
            }
        )
    return rows


def _there(said: Said, zone: dt.tzinfo | None) -> dt.datetime:
    return dt.datetime.fromtimestamp(said.begin, zone or dt.UTC)
