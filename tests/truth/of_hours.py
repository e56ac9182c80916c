"""What the questions about an hour, and about one seller, must answer: see docs/questions.md."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from tests.truth.facts import ListName, Row, Said
from tests.truth.market import HOUR
from tests.truth.watched import (
    Columns,
    OneOf,
    Sight,
    Stay,
    Watched,
    began,
    listed,
    places,
    seconds_left,
)

_MINUTE = 60_000


def trend(watched: Watched, user_id: str) -> Iterator[Columns]:
    for hour, answers in watched.hours.items():
        final = listed(answers[-1], user_id)
        bests = [row.rank for said in answers if (row := listed(said, user_id))]
        stays = watched.stays(hour, user_id)
        last = stays[-1] if stays else None
        seen = OneOf(
            sight.at
            for sight in watched.sights.get(user_id, ())
            if last and (sight.hour, sight.row.score) == (hour, last.score)
        )
        yield {
            "hour": hour * 1000,
            "place": final.rank if final else 0,
            "best_place": min(bests, default=0),
            "score": last and last.score,
            "delta": last and last.delta,
            "observed_at": last and (last.until if final else seen),
            "seconds_before_close": seconds_left(answers[-1]),
        }


def curve(watched: Watched, hour: int, user_id: str) -> Iterator[Columns]:
    before: Stay | None = None
    for stay in watched.stays(hour, user_id):
        minutes = (stay.since - before.since) / _MINUTE if before else 0
        yield {
            **stay._asdict(),
            "points_per_minute": (stay.score - before.score) / minutes
            if before and minutes
            else None,
        }
        before = stay


def movers(watched: Watched, hour: int) -> Iterator[Columns]:
    after, before = watched.last(hour), watched.last(hour - HOUR)
    here, there = places(after), places(before)
    for who in [*here, *(who for who in there if who not in here)]:
        place, old = here.get(who), there.get(who)
        move = "entered" if old is None else "left" if place is None else ""
        if place and old:
            move = "kept" if place == old else "up" if place < old else "down"
        yield {
            "move": move,
            "place": place,
            "place_before": old,
            "nickname": watched.nicknames[who],
            "user_id": who,
            "score": place and after.rows[place - 1].score,
            "score_before": old and before.rows[old - 1].score,
        }


def overtakes(watched: Watched, hour: int) -> Iterator[Columns]:
    ahead: dict[frozenset[str], str] = {}
    for before, after in pairwise([None, *watched.hours[hour]]):
        assert after is not None
        pairs: dict[frozenset[str], str] = {}
        for place, one in enumerate(after.rows):
            for other in after.rows[place + 1 :]:
                first, second = one.profile.user_id, other.profile.user_id
                pair = frozenset((first, second))
                known = ahead.get(pair, first)
                pairs[pair] = known if one.score == other.score else first
                if before is not None and pairs[pair] != known:
                    yield _passing(watched, before, after.observed, one, other)
        ahead = pairs


def _passing(watched: Watched, before: Said, at: int, one: Row, other: Row) -> Columns:
    was = places(before)
    first, second = one.profile.user_id, other.profile.user_id
    return {
        "seen_at": at,
        "not_before": before.observed,
        "user_id": first,
        "nickname": watched.nicknames[first],
        # Two who are level may have changed places before the one has more.
        "from_place": max(was[first], was[second]),
        "place": one.rank,
        "score": one.score,
        "passed_user_id": second,
        "passed_nickname": watched.nicknames[second],
        "passed_place": other.rank,
        "passed_score": other.score,
    }


def coverage(watched: Watched, hour: int, within: float) -> Columns:
    times = [said.observed for said in watched.hours[hour]]
    edges = [hour * 1000, *times, (hour + HOUR) * 1000]
    gaps = [(after - before, -before) for before, after in pairwise(edges)]
    longest, since = max(gaps)
    left = seconds_left(watched.last(hour))
    return {
        "hour": hour * 1000,
        "state": "ok" if left <= within else "no end",
        "states": len({_state(said) for said in watched.hours[hour]}),
        "seconds_before_close": left,
        "largest_gap_seconds": round(longest / 1000),
        "gap_began_at": -since,
    }


def streaks(watched: Watched) -> Iterator[Columns]:
    """In no order."""
    hours = list(watched.hours)
    for user_id, sights in watched.sights.items():
        best = min((sight.row.rank for sight in sights if sight.row.rank), default=0)
        on_list = sorted({sight.hour for sight in sights if sight.row.rank})
        if not on_list:
            continue
        runs: list[list[int]] = []
        for hour in on_list:
            if runs and runs[-1][-1] + HOUR == hour:
                runs[-1].append(hour)
            else:
                runs.append([hour])
        longest = max(runs, key=len)
        yield {
            "nickname": watched.nicknames[user_id],
            "user_id": user_id,
            "hours_listed": len(on_list),
            "longest_streak": len(longest),
            "longest_from": longest[0] * 1000,
            "current_streak": len(runs[-1]) if runs[-1][-1] == hours[-1] else 0,
            "best_place": best,
            "last_hour": on_list[-1] * 1000,
        }


def _rooms(sights: Sequence[Sight]) -> dict[str, list[Sight]]:
    rooms: dict[str, list[Sight]] = defaultdict(list)
    for sight in sights:
        if sight.row.room is not None:
            rooms[sight.row.room].append(sight)
    return rooms


def sessions(watched: Watched) -> Iterator[Columns]:
    """In no order."""
    for user_id, all_sights in watched.sights.items():
        for room, sights in _rooms(all_sights).items():
            start = began(room)
            peak = max(sight.row.score for sight in sights)
            peak_at = min(sight.at for sight in sights if sight.row.score == peak)
            on_list = [sight for sight in sights if sight.row.rank]
            entered = min((sight.at for sight in on_list), default=None)
            yield {
                "nickname": watched.nicknames[user_id],
                "user_id": user_id,
                "sec_uid": sights[0].row.profile.sec_uid,
                "room_id": room,
                "began_at": start,
                "entered_at": entered,
                "minutes_at_entry": None if entered is None else (entered - start) / _MINUTE,
                "peak_score": peak,
                "peak_at": peak_at,
                "minutes_at_peak": (peak_at - start) / _MINUTE,
                "best_rank": min((sight.row.rank for sight in on_list), default=None),
                "hours": len({sight.hour for sight in sights}),
            }


def day(watched: Watched, user_id: str) -> list[Columns]:
    sights = watched.sights.get(user_id, [])
    if not sights:
        return []
    rooms = sorted(_rooms(sights).items(), key=lambda each: int(each[0]))
    return [*(_session(room, its, sights) for room, its in rooms), _whole(sights)]


def _session(room: str, its: list[Sight], sights: list[Sight]) -> Columns:
    last = max(sight.at for sight in its)
    others = [sight for sight in sights if sight.row.room != room]
    after = [sight.at for sight in others if sight.at > last]
    seen: Any = last
    gone: Any = min(after, default=None)
    if {_numbers(sight) for sight in its} & {_numbers(sight) for sight in others}:
        # Lists do not say in which room a seller was, and so the lake need not know the last.
        seen = OneOf(sight.at for sight in its)
        gone = OneOf([None, *(sight.at for sight in others if sight.at > its[0].at)])
    return {
        **_whole(its),
        "room_id": room,
        "began_at": began(room),
        "last_seen_at": seen,
        "gone_by": gone,
    }


def _numbers(sight: Sight) -> Any:
    return sight.hour, sight.row.rank, sight.row.score, sight.row.delta


def _whole(sights: list[Sight]) -> Columns:
    on_list = [sight for sight in sights if sight.row.rank]
    last = {sight.hour: sight.row.score for sight in sights}
    return {
        "room_id": "",
        "began_at": None,
        "last_seen_at": None,
        "gone_by": None,
        "hours": len(last),
        "hours_listed": len({sight.hour for sight in on_list}),
        "best_place": min((sight.row.rank for sight in on_list), default=None),
        "points": sum(last.values()),
    }


def compare(watched: Watched, hour: int, user_ids: Sequence[str], minutes: float) -> list[Columns]:
    rows = [_compared(watched, hour, who, minutes) for who in user_ids]
    return sorted(
        rows, key=lambda row: (row["place"] or 10**9, -(row["score"] or 0), row["user_id"])
    )


def _compared(watched: Watched, hour: int, user_id: str, minutes: float) -> Columns:
    final = watched.last(hour)
    row = listed(final, user_id)
    sights = [sight for sight in watched.sights.get(user_id, []) if sight.hour == hour]
    score, seen_at = (sights[-1].row.score, sights[-1].at) if sights else (None, None)
    place = row.rank if row else 0
    ahead = final.rows[place - 2 if place else -1] if final.rows and place != 1 else None
    speed, next_speed, to_next, passes_in = (
        _speed(watched, hour, user_id, minutes),
        None,
        None,
        None,
    )
    if place == 1:
        to_next = 0
    elif ahead is not None and score is not None:
        to_next = max(0, ahead.score - score)
        next_speed = _speed(watched, hour, ahead.profile.user_id, minutes)
        if speed is not None and next_speed is not None and speed > next_speed:
            passes_in = to_next / (speed - next_speed)
    return {
        "nickname": watched.nicknames[user_id],
        "user_id": user_id,
        "place": place,
        "score": score,
        "to_next": to_next,
        "points_per_minute": speed,
        "next_per_minute": next_speed,
        "minutes_to_pass": passes_in,
        "seen_at": seen_at,
    }


def _speed(watched: Watched, hour: int, user_id: str, minutes: float) -> float | None:
    stays = watched.stays(hour, user_id)
    if not stays:
        return None
    last = stays[-1]
    start = last.until - minutes * _MINUTE
    first = next(stay for stay in stays if stay.until >= start)
    passed = (last.until - max(first.since, start)) / _MINUTE
    return (last.score - first.score) / passed if passed else None


def events(watched: Watched, since: int, first: int) -> list[Columns]:
    """In the order in which they were seen."""
    found: list[Columns] = []
    for hour in watched.hours:
        found += _events_of(watched, hour, first)
    told = [each for each in found if each["seen_at"] >= since]
    return sorted(told, key=lambda each: [each[name] for name in _IN_ORDER])


_IN_ORDER = ("seen_at", "event", "place", "user_id")


def _events_of(watched: Watched, hour: int, first: int) -> Iterator[Columns]:
    def event(said: Said, name: str, user_id: str, other: str | None = None) -> Columns:
        row = listed(said, user_id)
        return {
            "seen_at": said.observed,
            "event": name,
            "user_id": user_id,
            "nickname": watched.nicknames[user_id],
            "place": row.rank if row else 0,
            "score": row.score if row else None,
            "other_user_id": other,
            "not_before": befores.get(said.observed),
            "hour": hour * 1000,
            "list": " ".join(part for part in _parts(watched.name) if part),
        }

    answers = {said.observed: said for said in watched.hours[hour]}
    befores = dict(zip([*answers][1:], answers, strict=False))
    for each in overtakes(watched, hour):
        if each["place"] <= first:
            passed, other = each["passed_user_id"], each["user_id"]
            yield event(answers[each["seen_at"]], "passed", passed, other)
    bests: dict[str, tuple[int, int]] = {}
    for before, said in pairwise([None, *answers.values()]):
        assert said is not None
        was = set(_first(before, first)) if before else set()
        now = _first(said, first)
        if before is not None:
            yield from (event(said, "entered", who) for who in now if who not in was)
            yield from (event(said, "left", who) for who in was if who not in now)
        for who in now:
            best, most = bests.get(who) or _bests_before(watched, hour, who)
            row = listed(said, who)
            assert row is not None
            if best and before is not None:
                if row.rank < best:
                    yield event(said, "best place", who)
                if row.score > most:
                    yield event(said, "most points", who)
            if best:
                bests[who] = min(best, row.rank), max(most, row.score)
    for sights in watched.sights.values():
        for room, its in _rooms(sights).items():
            if its[0].hour == hour and began(room) >= (hour - HOUR) * 1000:
                sight = its[0]
                on_air = event(answers[sight.at], "on air", sight.row.profile.user_id)
                yield {**on_air, "score": sight.row.score, "not_before": began(room)}


def _parts(name: ListName) -> tuple[str, ...]:
    return name.title, name.subtitle, name.city_code, name.currency


def _first(said: Said, first: int) -> list[str]:
    return [row.profile.user_id for row in said.rows[:first]]


def _bests_before(watched: Watched, hour: int, user_id: str) -> tuple[int, int]:
    """Place, and points on the list or off, in the hours before; 0 if it was on no list."""
    before = [sight.row for sight in watched.sights[user_id] if sight.hour < hour]
    on_list = [row for row in before if row.rank]
    if not on_list:
        return 0, 0
    return min(row.rank for row in on_list), max(row.score for row in before)


def _state(said: Said) -> Any:
    return tuple((row.profile.user_id, row.score) for row in said.rows)
