"""What the lake says of when, from documents as they are defined, whoever wrote them in what order.

`Lake` puts them together from a list of observations, in plain Python: the calls as they were made,
the sightings of every ten seconds, and of each state the first observation and the last that was
news.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any

import pytest

from rankspider.moments import HOUR, Period
from rankspider.questions.coverage import hours_covered, unseen
from rankspider.questions.curve import curve
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.overtakes import overtakes
from rankspider.questions.states import state_at
from tests.support.commands_in_process import asked
from tests.support.returning_list import HOUR_OF_ALL, A, B, C, at, standing_in
from tests.support.stored_lists import list_of, standing, store

LIST = ListName("热度", "全站", "小时榜", "")
KEY = list_of(HOUR_OF_ALL).key
OF_LIST = {
    "list": {**LIST._asdict(), "region_name": ""},
    "begin_time": HOUR_OF_ALL,
    "revision": "",
}
STATES = {"a": A, "b": B, "c": C}
Observation = tuple[float, str]
"""Seconds into the hour, and the name of a state."""


@dataclass
class Lake:
    """The documents of what was observed of one list in one hour."""

    observed: list[Observation]
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    sightings: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.observed.sort()
        in_seen_order = [list(stay) for _, stay in groupby(self.observed, key=lambda each: each[1])]
        for name, state in STATES.items():
            starts = [stay[0][0] for stay in in_seen_order if stay[0][1] == name]
            if starts:
                self.snapshots.append(
                    {
                        "_id": f"{KEY}/{name}",
                        **OF_LIST,
                        "user_ids": [user_id for user_id, _ in state],
                        "scores": [score for _, score in state],
                        "first_observed_at": at(starts[0]),
                        "last_observed_at": at(starts[-1]),
                    }
                )
        for seconds, name in self.observed:
            self.calls.append(
                {
                    "begin_time": HOUR_OF_ALL,
                    "observed_at": at(seconds),
                    "asked_at": at(seconds),
                    "list_state": f"{KEY}/{name}",
                    "user_id": None,
                    "standing": None,
                }
            )
        for (name, bucket), of_one in groupby(
            sorted(self.observed, key=lambda each: (each[1], each[0])),
            key=lambda each: (each[1], int(each[0] // 10)),
        ):
            times = [at(seconds) for seconds, _ in of_one]
            start = int(at(bucket * 10).timestamp())
            self.sightings.append(
                {
                    "_id": f"{KEY}/{start}-{name}",
                    **OF_LIST,
                    "state": f"{KEY}/{name}",
                    "observed_at": times[0],
                    "last_observed_at": times[-1],
                }
            )

    def put(self, database: Any, *without: str) -> None:
        for name in ("snapshots", "sightings", "calls"):
            if name not in without:
                database[name].insert_many(getattr(self, name))

    def newest(self, seconds: float) -> Observation | None:
        return max((each for each in self.observed if each[0] <= seconds), default=None)


def shown_at(database: Any, seconds: float) -> Observation | None:
    """What ``scrapy board --at`` shows, and when that was seen."""
    found = board_at(database, at(seconds))
    if found is None:
        return None
    rows = [(row.user_id, row.score) for row in found.rows]
    (name,) = (name for name, state in STATES.items() if state == rows)
    return round((found.observed_at - HOUR_OF_ALL).total_seconds(), 3), name


@pytest.mark.parametrize("without", [(), ("calls",), ("sightings",)], ids=str)
def test_an_older_answer_that_came_last(database: Any, without: tuple[str, ...]) -> None:
    Lake([(600, "a"), (614, "a"), (628, "a"), (607, "b")]).put(database, *without)
    shown = [shown_at(database, seconds) for seconds in (599, 605, 610, 620, 640)]
    assert shown == [None, (600, "a"), (607, "b"), (614, "a"), (628, "a")]


def by_turns() -> Lake:
    """Of two caches, and a third state: thousandths of a second apart, and minutes."""
    dice = random.Random(13)
    observed: dict[float, str] = {}
    for start in (0.0, 7.5, 300, 1000.25, 2400, 3560):
        for _ in range(30):
            start = round(start + dice.choice((0.001, 0.002, 0.4, 3.1)), 3)
            observed[start] = dice.choice("abab" if start < 1000 else "bcbc")
    return Lake(list(observed.items()))


def moments_of(lake: Lake) -> list[float]:
    """Each observation, just before it, and some time after."""
    return [
        round(seconds + more, 3) for seconds, _ in lake.observed for more in (-0.001, 0, 0.0005, 9)
    ]


@pytest.mark.parametrize("without", [(), ("sightings",)], ids=str)
def test_two_caches_by_turns_at_every_moment(database: Any, without: tuple[str, ...]) -> None:
    lake = by_turns()
    lake.put(database, *without)
    for seconds in moments_of(lake):
        assert shown_at(database, seconds) == lake.newest(seconds), seconds


def test_without_calls_it_is_right_to_within_ten_seconds(database: Any) -> None:
    """Of the states of these ten seconds, the one whose first or last there came latest; or one
    that was news later."""
    lake = by_turns()
    lake.put(database, "calls")
    for seconds in moments_of(lake):
        newest, shown = lake.newest(seconds), shown_at(database, seconds)
        assert (newest is None) == (shown is None)
        if newest is not None and shown is not None:
            assert shown in lake.observed
            assert shown[0] <= newest[0]
            assert shown[0] // 10 == newest[0] // 10
            times = [s for s, name in lake.observed if s // 10 == newest[0] // 10]
            ends = {
                edge
                for name in "abc"
                if (of_one := [s for s, n in lake.observed if n == name and s in times])
                for edge in (of_one[0], of_one[-1])
                if edge <= seconds
            }
            assert shown[0] >= max(ends)


@pytest.mark.parametrize("without", [(), ("sightings",)], ids=str)
def test_each_stay_of_each_state(database: Any, without: tuple[str, ...]) -> None:
    lake = by_turns()
    lake.put(database, *without)
    in_seen_order = [list(stay) for _, stay in groupby(lake.observed, key=lambda each: each[1])]
    expected = sum(
        standing_in(STATES[before[0][1]], one) > standing_in(STATES[before[0][1]], other)
        and standing_in(STATES[after[0][1]], one) < standing_in(STATES[after[0][1]], other)
        for before, after in pairwise(in_seen_order)
        for one in ("1001", "1002", "1003")
        for other in ("1001", "1002", "1003")
    )
    found = overtakes(database, LIST, HOUR_OF_ALL, minutes=60)
    assert len(found) == expected > 50
    times = [(after[0][0], before[-1][0]) for before, after in pairwise(in_seen_order)]
    assert {(each.seen_at, each.not_before) for each in found} <= {
        (at(seen), at(before)) for seen, before in times
    }


def test_when_a_list_was_seen_last_is_the_same_for_all(database: Any) -> None:
    """Though its document in `snapshots` tells when it was news, half an hour before."""
    Lake([(600, "b"), (1800, "a"), *((1800 + n * 7, "a") for n in range(200))]).put(database)
    last = at(1800 + 199 * 7)
    state = state_at(database, LIST, HOUR_OF_ALL)
    shown = board_at(database, at(3600))
    (covered,) = coverage_of(database)
    assert state is not None
    assert shown is not None
    assert (state.seen_at, shown.observed_at) == (last, last)
    assert covered.seconds_before_close == (HOUR_OF_ALL + HOUR - last).total_seconds()


def coverage_of(database: Any) -> list[Any]:
    hour = Period(HOUR_OF_ALL, HOUR_OF_ALL + HOUR)
    return list(hours_covered(database, LIST, hour, HOUR_OF_ALL + 5 * HOUR))


def test_the_longest_time_nobody_looked(database: Any) -> None:
    looked: list[Observation] = [
        (seconds, "a") for seconds in range(0, 3600, 2) if seconds not in (2004, 2006)
    ]
    Lake(looked).put(database)
    (covered,) = coverage_of(database)
    assert (covered.largest_gap_seconds, covered.gap_began_at) == (6, at(2002))
    # Without calls, the firsts and lasts of each ten seconds are known.
    database.calls.drop()
    (covered,) = coverage_of(database)
    assert covered.largest_gap_seconds == 8


def test_how_long_a_standing_was_seen(database: Any) -> None:
    """On the list by its sightings; off it by the calls for the anchor."""
    Lake([(600, "a"), (655, "a"), (1200, "b"), (1260, "b"), (1500, "a"), (1540, "a")]).put(database)
    key = f"{KEY}/1003"
    stood = [(3, 80, 10, 600, 1500), (2, 95, 5, 1200, 1200), (0, 7, 3, 300, 300)]
    for rank, score, delta, first, last in stood:
        database.rank_history.insert_one(
            {
                "_id": f"{key}/{rank}/{score}/{delta}",
                **OF_LIST,
                "user_id": "1003",
                "rank": rank,
                "score": score,
                "delta": delta,
                "listed": rank > 0,
                "first_observed_at": at(first),
                "last_observed_at": at(last),
            }
        )
    own = {"begin_time": HOUR_OF_ALL, "user_id": "1003", "standing": f"{key}/0/7/3"}
    listed = {**own, "standing": f"{key}/3/80/10"}
    other = {**own, "standing": f"{KEY.replace('热度', '音浪')}/1003/0/7/3"}
    for seconds, said in ((300, own), (450, own), (660, listed), (1000, other), (4000, listed)):
        database.calls.insert_one({**said, "observed_at": at(seconds), "list_state": None})

    def shown() -> list[tuple[int, float, float]]:
        times = curve(database, LIST, HOUR_OF_ALL, "1003")
        return [
            (
                point.place,
                (point.since - HOUR_OF_ALL).total_seconds(),
                (point.until - HOUR_OF_ALL).total_seconds(),
            )
            for point in times
        ]

    # The last call was answered after the close, by a stale cache.
    assert shown() == [(0, 300, 450), (3, 600, 660), (2, 1200, 1260), (3, 1500, 1540)]
    database.calls.drop()
    assert shown() == [(0, 300, 300), (3, 600, 655), (2, 1200, 1260), (3, 1500, 1540)]


def test_an_anchor_that_was_answered_for_has_been_seen(database: Any) -> None:
    own = {"listed": False, "rank": 0, "score": 1}
    for number in range(4):
        ids = {"user_id": f"{number}", "sec_uid": f"s{number}"}
        database.ranks.insert_one({**OF_LIST, **own, **ids, "observed_at": at(60)})
    for user_id, seconds in (("1", 3500), ("2", 1800), ("2", 1200)):
        database.calls.insert_one({"user_id": user_id, "observed_at": at(seconds)})
    period = Period(HOUR_OF_ALL, HOUR_OF_ALL + HOUR)
    found = unseen(database, period, HOUR_OF_ALL + HOUR, hours=0.25)
    assert [(each.user_id, each.last_seen_at) for each in found] == [
        ("0", at(60)),
        ("3", at(60)),
        ("2", at(1800)),
    ]


def in_the_hour(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["hour"] == f"{HOUR_OF_ALL:%Y-%m-%dT%H:%M:%SZ}"]


def test_no_command_contradicts_another(database: Any, mongo_uri: str, capsys: Any) -> None:
    """A worker was stopped under a backlog: of the answers of the last forty minutes some rows were
    stored, and no list; of the next hour's first answer too. Their anchors went back."""
    Lake([(1000, "a"), (1080, "b")]).put(database)
    hour_before = HOUR_OF_ALL - HOUR
    database.snapshots.insert_one(
        {
            **OF_LIST,
            "_id": list_of(hour_before).key + "/a",
            "begin_time": hour_before,
            "user_ids": ["1001"],
            "scores": [1],
            "first_observed_at": at(-30),
            "last_observed_at": at(-30),
        }
    )
    here, following = list_of(HOUR_OF_ALL), list_of(HOUR_OF_ALL + HOUR)
    listed = replace(standing(1, 1, 300, minute=59, ranked_list=here), user_id="1003")
    off_the_list = replace(standing(2, 3, 200, minute=59, ranked_list=here), user_id="7007")
    store(database, listed, off_the_list, standing(1, 1, 10, minute=1, ranked_list=following))
    for row, nickname in ((listed, "x"), (off_the_list, "y")):
        profile = {"user_id": row.user_id, "sec_uid": row.sec_uid, "nickname": nickname}
        database.users.insert_one({"_id": row.user_id, **profile})

    def ask(*words: str) -> list[dict[str, Any]]:
        code, out, err = asked(capsys, mongo_uri, database.name, *words, "--json")
        assert (code, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]

    _, out, _ = asked(capsys, mongo_uri, database.name, "board", "--json")
    board = json.loads(out)
    assert board["observed_at"] == f"{at(1080):%Y-%m-%dT%H:%M:%SZ}"
    assert [(row["user_id"], row["score"]) for row in board["rows"]] == B
    assert (board["own"], board["is_whole"]) == ([], True)
    moved = [row for row in ask("movers", "--all") if row["place"]]
    assert [(row["user_id"], row["score"]) for row in moved] == B
    _, out, _ = asked(capsys, mongo_uri, database.name, "movers")
    assert "hour of 2026-03-01 18:00+08:00, seen at 18:18:00" in out
    _, out, _ = asked(capsys, mongo_uri, database.name, "board")
    assert "observed at 18:18:00, 2,520 s before the close (over, its end was not seen)" in out
    (trend,) = in_the_hour(ask("trend", "x"))
    assert (trend["place"], trend["score"], trend["delta"]) == standing_in(B, "1003")
    assert trend["observed_at"] == board["observed_at"]
    (gone,) = in_the_hour(ask("trend", "y"))
    assert (gone["place"], gone["score"]) == (0, None)
    span = ("--from", HOUR_OF_ALL.isoformat(), "--hours", "2")
    hour, next_hour = ask("coverage", *span)
    assert (hour["state"], hour["seconds_before_close"], hour["states"]) == ("no end", 2520, 2)
    assert (next_hour["state"], next_hour["states"]) == ("missing", 0)
    (points,) = ask("concentration", *span)
    assert points["points"] == sum(score for _, score in B)
    assert {row["last_hour"] for row in ask("streaks", *span)} == {trend["hour"]}
