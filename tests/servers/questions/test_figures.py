"""Places, points and tags over hours, against the simulator's own record of what it served."""

import csv
import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rankspider.items import ListItem
from rankspider.moments import HOUR, Period
from rankspider.questions.concentration import concentration
from rankspider.questions.coverage import hours_covered, unseen
from rankspider.questions.lists import ListName
from rankspider.questions.overtakes import overtakes
from rankspider.questions.sessions import sessions
from rankspider.questions.tags import tags
from rankspider.questions.thresholds import thresholds
from rankspider.simulator.world import World
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.simulated_market import FIRST_HOUR, Market, Served, listing
from tests.support.stored_lists import list_of, standing, state, store

LIST = ListName("热度", "全站", "小时榜", "")
SHANGHAI = ZoneInfo("Asia/Shanghai")
WATCHED = Period(FIRST_HOUR, FIRST_HOUR + 7 * HOUR)
CLOSED = Period(FIRST_HOUR, FIRST_HOUR + 6 * HOUR)
AFTERWARDS = FIRST_HOUR + 9 * HOUR


def test_thresholds_of_the_market(market: Market) -> None:
    rows = thresholds(market.database, LIST, WATCHED, SHANGHAI)
    expected = {}
    for hour in market.hours[:-1]:  # the last one was left long before it closed
        last = market.last_of(hour).rows
        scores = {"1": last[0].score, "3": last[2].score, "10": last[9].score}
        for place, score in {**scores, "last": last[-1].score}.items():
            expected[(hour + 8 * HOUR).hour, place] = score
    assert {(row.hour_of_day, row.place): row.median for row in rows} == expected
    assert all(row.hours == 1 and row.minimum == row.median == row.maximum for row in rows)
    everything = thresholds(market.database, LIST, WATCHED, SHANGHAI, within_seconds=3600)
    assert len(everything) == len(rows) + 4


def test_thresholds_by_hour_of_day(database: Any) -> None:
    """Four days at nine in the evening, and lists of seven: there is no tenth place."""
    world = World(seed=3, anchors=60, rows=7)
    hours = [FIRST_HOUR + 3 * HOUR + dt.timedelta(days=day) for day in range(4)]
    served = []
    for hour in hours:
        for minute in (5, 30, 59):  # only the last of them counts
            at = hour + dt.timedelta(minutes=minute)
            rows = listing(world, round(at.timestamp() * 1000))
            ids, scores = [row.user_id for row in rows], [row.score for row in rows]
            store(database, ListItem(list_of(hour), ids, scores, 60, {}, at))
        served.append(scores)
    period = Period(hours[0], hours[-1] + HOUR)
    found = thresholds(database, LIST, period, SHANGHAI, places=(1, 3, 10))
    assert [(row.hour_of_day, row.place, row.hours) for row in found] == [
        (21, "1", 4),
        (21, "3", 4),
        (21, "last", 4),
    ]
    for row, index in zip(found, (0, 2, 6), strict=True):
        scores = [each[index] for each in served]
        assert (row.minimum, row.median, row.maximum) == (
            min(scores),
            median(scores),
            max(scores),
        )
    assert thresholds(database, LIST, period, SHANGHAI, within_seconds=59) == []
    assert thresholds(database, LIST, period, ZoneInfo("UTC"))[0].hour_of_day == 13


def test_concentration(market: Market) -> None:
    rows = concentration(market.database, LIST, WATCHED)
    assert [row.hour for row in rows] == market.hours
    for row in rows:
        last = market.last_of(row.hour)
        scores = [each.score for each in last.rows]
        total = sum(scores)
        assert (row.places, row.points) == (len(scores), total)
        assert row.first_3_percent == pytest.approx(100 * sum(scores[:3]) / total)
        assert row.first_10_percent == pytest.approx(100)
        assert row.hhi == pytest.approx(sum((100 * score / total) ** 2 for score in scores))
        assert row.seconds_before_close == round((row.hour + HOUR - last.at).total_seconds())


def test_concentration_of_nothing_and_of_too_much(database: Any) -> None:
    at = FIRST_HOUR + dt.timedelta(minutes=1)
    for hours, scores in enumerate(([], [0, 0], [2**63 - 1, 2**63 - 2])):
        ids = [str(number) for number in range(len(scores))]
        begin = FIRST_HOUR + hours * HOUR
        store(database, ListItem(list_of(begin), ids, scores, 60, {}, at + hours * HOUR))
    rows = concentration(database, LIST, WATCHED)
    assert [(row.places, row.points, row.hhi) for row in rows[:2]] == [(0, 0, None), (2, 0, None)]
    assert rows[0].first_3_percent is rows[1].first_10_percent is None
    assert rows[2].points == 2**64 - 3
    assert rows[2].hhi == pytest.approx(5000)
    assert concentration(database, LIST._replace(currency="音浪"), WATCHED) == []


def test_tags(market: Market) -> None:
    places: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for hour in market.hours:
        for row in market.last_of(hour).rows:
            tag = market.seller(row.user_id).shop_tag
            places[tag] += 1
            points[tag] += row.score
    rows = tags(market.database, LIST, WATCHED)
    assert {row.tag: (row.places, row.points) for row in rows} == {
        tag: (places[tag], points[tag]) for tag in places
    }
    assert [row.points for row in rows] == sorted(points.values(), reverse=True)
    assert sum(row.places_percent for row in rows) == pytest.approx(100)
    assert rows[0].points_percent == pytest.approx(100 * rows[0].points / points.total())
    assert rows[0].places_percent == pytest.approx(100 * rows[0].places / places.total())


def test_a_place_with_several_tags_counts_for_each(database: Any) -> None:
    at = FIRST_HOUR + dt.timedelta(minutes=17)
    here = [standing(n, n, 100 - n, ranked_list=list_of(FIRST_HOUR)) for n in (1, 2, 3, 4)]
    tagged = [["女装", "综合", "女装"], ["综合"], [], ["图书"]]
    store(database, *(replace(each, shop_tags=t) for each, t in zip(here, tagged, strict=True)))
    # The fourth has left the list.
    ids = [each.user_id for each in here[:3]]
    store(database, ListItem(list_of(FIRST_HOUR), ids, [99, 98, 0], 60, {}, at))
    rows = tags(database, LIST, WATCHED)
    assert [(row.tag, row.places, row.points) for row in rows] == [
        ("综合", 2, 197),
        ("女装", 1, 99),
        ("", 1, 0),
    ]
    assert sum(row.places_percent for row in rows) == pytest.approx(400 / 3)


def test_overtakes(market: Market) -> None:
    names = {user["_id"]: user["nickname"] for user in market.database["users"].find()}
    count = 0
    for hour in market.hours[:-1]:
        found = overtakes(market.database, LIST, hour)
        expected = set(_overtakes_served(market.of_hour(hour), hour + dt.timedelta(minutes=55)))
        assert {
            (each.seen_at, each.not_before, each.user_id, each.from_place, each.place, each.score)
            + (each.passed_user_id, each.passed_place, each.passed_score)
            for each in found
        } == expected
        assert len(found) == len(expected)
        assert [each.seen_at for each in found] == sorted(each.seen_at for each in found)
        assert all(each.nickname == names[each.user_id] != "" for each in found)
        assert all(each.passed_nickname == names[each.passed_user_id] for each in found)
        first = overtakes(market.database, LIST, hour, places=3)
        assert first == [each for each in found if each.place <= 3]
        count += len(found)
    assert count > 0
    whole = overtakes(market.database, LIST, FIRST_HOUR, minutes=60)
    assert len(whole) == len(list(_overtakes_served(market.of_hour(FIRST_HOUR), FIRST_HOUR)))
    assert overtakes(market.database, LIST, FIRST_HOUR + 4 * HOUR) == []


def _overtakes_served(answers: list[Served], since: dt.datetime) -> Iterator[tuple[Any, ...]]:
    for before, after in pairwise(answers):
        if after.at < since or before.rows == after.rows:
            continue
        was = {row.user_id: row for row in before.rows}
        for one in after.rows:
            for other in after.rows:
                both = one.user_id in was and other.user_id in was
                if (
                    both
                    and one.rank < other.rank
                    and was[one.user_id].rank > was[other.user_id].rank
                ):
                    place = (was[one.user_id].rank, one.rank, one.score)
                    passed = (other.user_id, other.rank, other.score)
                    yield (after.at, before.at, one.user_id, *place, *passed)


def _sessions_served(market: Market) -> dict[tuple[str, str], list[tuple[Served, Any]]]:
    """By seller and room: each answer that showed it, with its standing."""
    shown: dict[tuple[str, str], list[tuple[Served, Any]]] = defaultdict(list)
    for each in market.served:
        begin = int(each.begin_time.timestamp())
        for row in each.rows:
            room = market.seller(row.user_id).room_id(begin)
            shown[row.user_id, str(room)].append((each, row))
        if each.own and each.own.rank == 0 and each.asked:
            anchor = market.world.find(each.asked)
            if anchor.is_live_unlisted(begin):
                shown[each.own.user_id, str(anchor.room_id(begin))].append((each, each.own))
    return shown


def test_sessions(market: Market) -> None:
    found = sessions(market.database, LIST, WATCHED, most=1000)
    served = _sessions_served(market)
    assert {(each.user_id, each.room_id) for each in found} == set(served)
    assert any(each.entered_at is None for each in found)
    assert any(each.hours > 1 for each in found)
    for each in found:
        shown = served[each.user_id, each.room_id]
        start = dt.datetime.fromtimestamp(int(each.room_id) >> 32, dt.UTC)
        entries = [answer.at for answer, row in shown if row.rank > 0]
        peak = max(row.score for _, row in shown)
        peak_at = min(answer.at for answer, row in shown if row.score == peak)
        assert each.began_at == start
        assert each.hours == len({answer.begin_time for answer, _ in shown})
        assert each.best_rank == min((row.rank for _, row in shown if row.rank), default=None)
        assert (each.peak_score, each.peak_at) == (peak, peak_at)
        assert each.minutes_at_peak == pytest.approx((peak_at - start).total_seconds() / 60)
        assert each.entered_at == (min(entries) if entries else None)
        if each.entered_at is not None:
            on_air = (each.entered_at - start).total_seconds() / 60
            assert each.minutes_at_entry == pytest.approx(on_air)
    peaks = [each.peak_score for each in found]
    assert peaks == sorted(peaks, reverse=True)
    assert sessions(market.database, LIST, WATCHED, most=3) == found[:3]
    who = found[0].user_id
    assert sessions(market.database, LIST, WATCHED, user_id=who) == [
        each for each in found if each.user_id == who
    ]


def test_a_session_is_read_from_its_start(market: Market) -> None:
    """Also if only its last hour was asked for."""
    whole = {each.room_id: each for each in sessions(market.database, LIST, CLOSED, most=1000)}
    last = market.hours[-2]
    found = sessions(market.database, LIST, Period(last, last + HOUR), most=1000)
    assert any(each.hours > 1 for each in found)
    later = market.hours[-1]
    for each in found:
        if later not in {
            answer.begin_time for answer, _ in _sessions_served(market)[each.user_id, each.room_id]
        }:
            assert each == whole[each.room_id]


def test_two_sessions_within_one_hour(database: Any) -> None:
    begin = int(FIRST_HOUR.timestamp())
    first, second = (str((begin + start << 32) + 11 * 256) for start in (-3600, 1200))
    here = list_of(FIRST_HOUR)
    store(
        database,
        replace(standing(1, 0, 5, minute=1, listed=False, ranked_list=here), room_ids=[first]),
        replace(standing(1, 7, 50, minute=9, ranked_list=here), room_ids=[first]),
        replace(standing(1, 3, 90, minute=40, ranked_list=here), room_ids=[second]),
    )
    user_id = standing(1, 1, 1).user_id
    found = sessions(database, LIST, WATCHED, user_id=user_id)
    assert [(each.room_id, each.peak_score, each.best_rank) for each in found] == [
        (second, 90, 3),
        (first, 50, 7),
    ]
    assert [each.minutes_at_entry for each in found] == [20, 69]
    assert [each.nickname for each in found] == ["", ""]


def test_hours_covered(market: Market) -> None:
    found = list(hours_covered(market.database, LIST, WATCHED, AFTERWARDS))
    assert [each.hour for each in found] == list(WATCHED)
    for each in found:
        times = [answer.at for answer in market.of_hour(each.hour)]
        edges = [each.hour, *times, each.hour + HOUR]
        gaps = [(after - before, before) for before, after in pairwise(edges)]
        longest = max(gap for gap, _ in gaps)
        assert each.largest_gap_seconds == round(longest.total_seconds())
        assert (longest, each.gap_began_at) in gaps
        assert each.states == len({tuple(answer.rows) for answer in market.of_hour(each.hour)})
        if times:
            left = round((each.hour + HOUR - times[-1]).total_seconds())
            assert each.seconds_before_close == left
    assert [each.state for each in found] == ["ok"] * 4 + ["missing", "ok", "no end"]
    assert [each.is_gap for each in found] == [False] * 4 + [True, False, True]
    strict = hours_covered(market.database, LIST, WATCHED, AFTERWARDS, within_seconds=9)
    assert [each.state for each in strict].count("no end") == 6


def test_an_hour_that_goes_on_is_no_gap(market: Market) -> None:
    now = market.served[-1].at + dt.timedelta(minutes=3)
    *_, last = hours_covered(market.database, LIST, WATCHED, now)
    assert (last.state, last.is_gap) == ("open", False)
    assert last.largest_gap_seconds == 708  # from 612 to 1320
    before = market.hours[-1] - HOUR / 2
    assert len(list(hours_covered(market.database, LIST, WATCHED, before))) == 6


def test_anchors_not_seen(market: Market) -> None:
    last_said: dict[tuple[str, dt.datetime], bool] = {}
    seen: dict[str, dt.datetime] = {}
    for answer in market.served:
        for row in answer.rows:
            last_said[row.user_id, answer.begin_time] = True
            seen[row.user_id] = answer.at
        if answer.own is not None:
            user_id = answer.own.user_id
            last_said[user_id, answer.begin_time] = answer.own.rank > 0
            seen[user_id] = answer.at
    asked = {user_id for (user_id, _), listed in last_said.items() if not listed}
    now = market.served[-1].at
    for hours in (0.5, 2, 4):
        found = unseen(market.database, WATCHED, now, hours=hours)
        expected = {who: seen[who] for who in asked if seen[who] < now - hours * HOUR}
        assert {each.user_id: each.last_seen_at for each in found} == expected
        assert [each.last_seen_at for each in found] == sorted(expected.values())
    some = unseen(market.database, WATCHED, now, hours=0.5)
    assert some
    assert all(each.sec_uid.startswith("MS4wLjABAAAA") and each.nickname for each in some)


def test_each_question_is_answered_from_an_index(market: Market, mongo_uri: str) -> None:
    who = market.last_of(FIRST_HOUR).rows[0].user_id
    questions: dict[str, Callable[[Any], object]] = {
        "thresholds": lambda database: thresholds(database, LIST, WATCHED, SHANGHAI),
        "concentration": lambda database: concentration(database, LIST, WATCHED),
        "tags": lambda database: tags(database, LIST, WATCHED),
        "overtakes": lambda database: overtakes(database, LIST, FIRST_HOUR),
        "sessions": lambda database: sessions(database, LIST, WATCHED, most=2),
        "one seller's": lambda database: sessions(database, LIST, WATCHED, user_id=who),
        "hours": lambda database: list(hours_covered(database, LIST, WATCHED, AFTERWARDS)),
        "anchors": lambda database: unseen(database, WATCHED, AFTERWARDS),
    }
    # Which of two indexes that begin with the hour is the server's own choice.
    used = {
        question: {
            index.replace("hour_best", "hour_place")
            for index in indexes_used(mongo_uri, market.database.name, ask)
        }
        for question, ask in questions.items()
    }
    seen = {"snapshots.hour_time", "sightings.hour_time"}
    assert used == {
        "thresholds": {*seen, "snapshots._id_"},
        "concentration": {*seen, "snapshots._id_"},
        "tags": {*seen, "snapshots._id_", "ranks.hour_place"},
        "overtakes": {*seen, "calls.hour_time", "snapshots._id_", "users._id_"},
        "sessions": {"ranks.hour_place", "rank_history.user_hour_time", "users._id_"},
        "one seller's": {"rank_history.user_hour_time", "users._id_"},
        "hours": seen,
        "anchors": {"ranks.hour_place", "calls.user_time", "users._id_"},
    }


def test_the_commands(market: Market, mongo_uri: str, capsys: Any) -> None:
    def ask(*words: str) -> tuple[int, str, str]:
        return asked(capsys, mongo_uri, market.database.name, *words)

    code, out, err = ask("thresholds", "--csv")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 20
    assert rows[0]["hour_of_day"] == "18"
    assert rows[0]["minimum"] == str(market.last_of(FIRST_HOUR).rows[0].score)
    code, out, _ = ask("tags", "--from", "2026-03-01T18:00", "--hours", "1", "--json")
    tagged = [json.loads(line) for line in out.splitlines()]
    assert sum(row["places"] for row in tagged) == 10
    code, out, _ = ask("concentration", "--hours", "3")
    span_text = "2026-03-01 22:00+08:00 to 2026-03-02 01:00+08:00 (3 hours)"
    assert out.splitlines()[0] == f"全站 小时榜 热度: concentration, {span_text}"
    assert len(out.splitlines()) == 5  # nobody watched at 22:00
    assert "HHI" in out.splitlines()[2]
    code, out, _ = ask("overtakes", "--hour", "2026-03-01T18:10", "--minutes", "60")
    assert "hour of 2026-03-01 18:00+08:00" in out
    assert "模拟主播" in out
    heads = out.splitlines()[2].split("  ")
    assert [each.strip() for each in heads if each][:3] == ["seen at", "old order last seen", "who"]
    code, out, _ = ask("sessions", "--limit", "2", "--json")
    best = [json.loads(line) for line in out.splitlines()]
    assert len(best) == 2
    code, out, _ = ask("sessions", best[0]["sec_uid"], "--json")
    assert {json.loads(line)["user_id"] for line in out.splitlines()} == {best[0]["user_id"]}
    span = ("--from", "2026-03-01T18:00", "--to", "2026-03-02T01:00")
    code, out, _ = ask("coverage", *span)
    assert code == 0
    assert out.count("missing") == out.count("no end") == 1
    assert "(--within): 2\n" in out
    code, out, _ = ask("coverage", *span, "--fail-on-gaps")
    assert code == 1
    assert "missing" in out
    code, out, _ = ask("coverage", *span, "--anchors", "--json", "--fail-on-gaps")
    assert code == 1
    assert {json.loads(line)["user_id"] for line in out.splitlines()} == {
        each.user_id for each in unseen(market.database, WATCHED, dt.datetime.now(dt.UTC))
    }
    whole = ("--to", "2026-03-01T22:00", "--hours", "4", "--unseen", "100000")
    assert ask("coverage", *whole, "--fail-on-gaps")[0] == 0


def test_nobody_passed_anybody_or_nobody_looked(database: Any, mongo_uri: str, capsys: Any) -> None:
    """The first hour was seen up to its end, the second one was not; the third only in part."""
    for hour, minute in ((0, 50), (0, 58), (1, 20)):
        there = list_of(FIRST_HOUR + hour * HOUR)
        store(database, state(1, 2, minute=minute, ranked_list=there))
        store(database, standing(1, 1, 49, minute=minute, ranked_list=there))
    store(database, standing(1, 1, 49, ranked_list=list_of(FIRST_HOUR + 2 * HOUR)))

    def note(hour: int, *options: str) -> str:
        at = ("overtakes", "--hour", (FIRST_HOUR + hour * HOUR).isoformat(), *options)
        code, out, err = asked(capsys, mongo_uri, database.name, *at)
        assert (code, err) == (0, "")
        assert "Nothing to show.\n\n" in out
        assert asked(capsys, mongo_uri, database.name, *at, "--json") == (0, "", "")
        return out.splitlines()[-1]

    passed_by_nobody = "and nobody passed anybody: the list was seen last at 18:58:00."
    assert note(0) == f"The list was seen in these minutes, {passed_by_nobody}"
    nobody_looked = "The list was not seen in these minutes: the list was seen last at"
    assert note(0, "--minutes", "1") == f"{nobody_looked} 18:58:00."
    assert note(1) == f"{nobody_looked} 19:20:00."
    assert note(1, "--minutes", "60").endswith(
        "nobody passed anybody: the list was seen last at 19:20:00."
    )
    assert note(2).startswith("The lake holds no state of the list as a whole")


def test_options_that_make_no_sense(market: Market, mongo_uri: str, capsys: Any) -> None:
    for words, complaint in (
        (("overtakes", "--minutes", "61"), "--minutes must be above 0"),
        (("sessions", "--limit", "0"), "--limit must be 1 or more"),
        (("coverage", "--within", "-1"), "must be 0 or more"),
        (("coverage", "--unseen", "1e6"), "from 0 to 100000"),
        (("thresholds", "--within", "nan"), "--within must be 0 or more"),
        (("thresholds", "--hours", "0"), "--hours must be from 1"),
    ):
        code, out, err = asked(capsys, mongo_uri, market.database.name, *words)
        assert (code, out) == (2, "")
        assert complaint in err
