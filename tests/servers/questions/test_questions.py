"""Questions of the hour and of anchors, against the simulator's own record of what it served."""

import datetime as dt
import json
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankspider.moments import HOUR, Period, hour_of
from rankspider.questions.board import Board, board
from rankspider.questions.coverage import unseen
from rankspider.questions.curve import curve, overall_speed
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.movers import movers
from rankspider.questions.people import anchors_named, the_anchor
from rankspider.questions.states import state_at
from rankspider.questions.streaks import leaders, streaks_of
from rankspider.questions.trend import trend
from rankspider.questions.which import chosen, newest_hour
from rankspider.simulator.world import Standing, synthetic_sec_uid
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.simulated_market import FIRST_HOUR, HOURS_WATCHED, Market

LIST = ListName("热度", "全站", "小时榜", "")
PERIOD = Period(FIRST_HOUR, FIRST_HOUR + (HOURS_WATCHED[-1] + 1) * HOUR)
GAP = FIRST_HOUR + 4 * HOUR
LATER = FIRST_HOUR + 100 * HOUR


def standings(found: Board | None) -> list[Standing]:
    assert found is not None
    return [Standing(row.user_id, row.place, row.score, row.delta) for row in found.rows]


def everybody(market: Market) -> list[str]:
    """Whoever an answer said something of."""
    rows = [row for each in market.served for row in each.rows]
    own = [each.own for each in market.served if each.own is not None]
    return sorted({standing.user_id for standing in (*rows, *own)})


def test_the_list_of_every_hour_and_when_it_was_seen_last(market: Market) -> None:
    for hour in market.hours:
        found = board(market.database, hour, now=LATER)
        last = market.last_of(hour)
        assert standings(found) == last.rows
        assert found is not None
        left = (hour + HOUR - last.at).total_seconds()
        assert 0 <= found.seconds_before_close - left < 1
        assert found.is_final


def test_the_newest_hour_is_live_until_it_is_over(market: Market) -> None:
    newest = market.hours[-1]
    for now, is_final in ((newest + HOUR - dt.timedelta(seconds=1), False), (newest + HOUR, True)):
        found = board(market.database, now=now)
        assert found is not None
        assert (found.begin_time, found.is_final) == (newest, is_final)
    # A clock that is behind: the lake knows better.
    earlier = board(market.database, market.hours[0], now=market.hours[0])
    assert earlier is not None
    assert earlier.is_final


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(milliseconds=st.integers(-5000, len(PERIOD) * 3_600_000 + 5000))
def test_the_list_at_any_moment_is_the_one_served_last(market: Market, milliseconds: int) -> None:
    moment = FIRST_HOUR + dt.timedelta(milliseconds=milliseconds)
    found = board_at(market.database, moment, now=LATER)
    served = market.at(moment)
    if served is None or served.begin_time < hour_of(moment) - HOUR:
        assert found is None
        return
    assert standings(found) == served.rows
    assert found is not None
    assert (found.begin_time, found.own) == (served.begin_time, [])
    assert found.is_final == (moment >= served.begin_time + HOUR)
    assert found.observed_at == served.at


def test_at_the_moment_of_each_answer_and_just_before(market: Market) -> None:
    for before, after in zip([None, *market.served], market.served, strict=False):
        found = board_at(market.database, after.at, now=LATER)
        assert standings(found) == after.rows
        assert found is not None
        assert found.observed_at == after.at
        if before is not None and before.begin_time == after.begin_time:
            just_before = after.at - dt.timedelta(milliseconds=1)
            assert standings(board_at(market.database, just_before)) == before.rows


def test_a_place_at_a_moment_says_who_holds_it(market: Market) -> None:
    served = market.served[40]
    found = board_at(market.database, served.at)
    assert found is not None
    for row in found.rows:
        seller = market.seller(row.user_id)
        assert (row.sec_uid, row.nickname) == (seller.sec_uid, seller.nickname)
        assert row.tags == [seller.shop_tag]


def test_who_dropped_off_the_list_is_not_on_it(market: Market) -> None:
    dropped = 0
    for hour in market.hours:
        final = state_at(market.database, LIST, hour)
        assert final is not None
        assert final.user_ids == [row.user_id for row in market.last_of(hour).rows]
        assert final.deltas == [row.delta for row in market.last_of(hour).rows]
        seen = {row.user_id for each in market.of_hour(hour) for row in each.rows}
        dropped += len(seen - set(final.user_ids))
    assert dropped > 5
    assert state_at(market.database, LIST, GAP) is None


def served_standings(market: Market, hour: dt.datetime, user_id: str) -> list[Any]:
    """Each distinct standing the answers of an hour said of a user, and when: first and last."""
    said = [(each.standing_of(user_id), each.at) for each in market.of_hour(hour)]
    runs = groupby((each for each in said if each[0] is not None), key=lambda each: each[0])
    expected = []
    for standing, run in runs:
        moments = [at for _, at in run]
        assert standing is not None
        expected.append((*standing[1:], moments[0], moments[-1]))
    return expected


def test_the_curve_of_everybody_in_every_hour(market: Market) -> None:
    compared = 0
    for hour in market.hours[1:4]:
        for user_id in everybody(market):
            points = curve(market.database, LIST, hour, user_id)
            shown = [(p.place, p.score, p.delta, p.since, p.until) for p in points]
            assert shown == served_standings(market, hour, user_id)
            compared += len(points)
    assert compared > 300


def test_speed_is_points_a_minute(market: Market) -> None:
    hour = market.hours[0]
    leader = market.last_of(hour).rows[0].user_id
    served = served_standings(market, hour, leader)
    points = curve(market.database, LIST, hour, leader)
    assert points[0].points_per_minute is None
    for point, before, after in zip(points[1:], served, served[1:], strict=False):
        seconds = (after[3] - before[3]).total_seconds()
        assert point.points_per_minute == pytest.approx((after[1] - before[1]) * 60 / seconds)
    seconds = (served[-1][3] - served[0][3]).total_seconds()
    expected = (served[-1][1] - served[0][1]) * 60 / seconds
    assert overall_speed(points) == pytest.approx(expected)
    assert overall_speed(points[:1]) is None
    assert overall_speed([]) is None


def test_the_trend_of_everybody(market: Market) -> None:
    off_and_on = 0
    for user_id in everybody(market):
        rows = trend(market.database, LIST, PERIOD, user_id)
        assert [row.hour for row in rows] == market.hours
        for row in rows:
            answers = market.of_hour(row.hour)
            final = [each for each in answers[-1].rows if each.user_id == user_id]
            said = [each for each in (a.standing_of(user_id) for a in answers) if each]
            assert row.place == (final[0].rank if final else 0)
            assert row.best_place == min((s.rank for s in said if s.rank), default=0)
            assert row.score == (said[-1].score if said else None)
            assert row.delta == (said[-1].delta if said else None)
        off_and_on += {bool(row.place) for row in rows} == {True, False}
    assert off_and_on > 5


def test_movers_against_the_hour_before(market: Market) -> None:
    for hour in market.hours:
        found = movers(market.database, LIST, hour)
        if hour - HOUR not in market.hours:
            assert found is None
            continue
        assert found is not None
        places = {row.user_id: row.rank for row in market.last_of(hour).rows}
        before = {row.user_id: row.rank for row in market.last_of(hour - HOUR).rows}
        moves: dict[str, set[str]] = {}
        for row in found.rows:
            moves.setdefault(row.move, set()).add(row.user_id)
            assert (row.place, row.place_before) == (
                places.get(row.user_id),
                before.get(row.user_id),
            )
            assert row.nickname == market.seller(row.user_id).nickname
        assert moves["entered"] == places.keys() - before.keys()
        assert moves["left"] == before.keys() - places.keys()
        both = places.keys() & before.keys()
        assert moves.get("up", set()) == {u for u in both if places[u] < before[u]}
        assert moves.get("kept", set()) == {u for u in both if places[u] == before[u]}
        order = [row.place for row in found.rows if row.place]
        assert order == sorted(order)


def longest_of(hours: list[dt.datetime]) -> int:
    """By counting on from every hour, which is slow and plain."""
    return max(
        next(n for n in range(1, len(hours) + 2) if hour + n * HOUR not in hours) for hour in hours
    )


def test_time_on_the_list_and_streaks(market: Market) -> None:
    rows = leaders(market.database, LIST, PERIOD)
    listed = {user: hours for user in everybody(market) if (hours := market.listed_hours(user))}
    assert {row.user_id for row in rows} == listed.keys()
    for row in rows:
        hours = listed[row.user_id]
        longest = longest_of(hours)
        assert row.hours_listed == len(hours)
        assert row.longest_streak == longest
        assert all(row.longest_from + n * HOUR in hours for n in range(longest))
        assert row.last_hour == hours[-1]
        goes_on = next(n for n in range(9) if market.hours[-1] - n * HOUR not in hours)
        assert row.current_streak == goes_on
        served = [s for each in market.served for s in each.rows if s.user_id == row.user_id]
        assert row.best_place == min(standing.rank for standing in served)
        assert streaks_of(market.database, LIST, PERIOD, row.user_id) == [row]
    most = [(row.hours_listed, row.longest_streak) for row in rows]
    assert most == sorted(most, reverse=True)
    assert len(set(most)) > 2
    assert leaders(market.database, LIST, PERIOD, 3) == rows[:3]
    never = set(everybody(market)) - listed.keys()
    assert streaks_of(market.database, LIST, PERIOD, never.pop()) == []


def test_which_list_and_hour_are_meant(market: Market) -> None:
    hours = market.hours
    for now in (hours[0], hours[-1], hours[-1] + HOUR, LATER, LATER + 10_000 * HOUR):
        assert newest_hour(market.database, now) == hours[-1]
    assert chosen(market.database, PERIOD.newest_first) == (LIST, hours[-1])
    assert chosen(market.database, [GAP, hours[1]], currency="热度") == (LIST, hours[1])
    assert chosen(market.database, hours, title="上海") is None


def test_every_query_is_answered_by_an_index(market: Market, mongo_uri: str) -> None:
    hour, user_id = market.hours[1], market.last_of(market.hours[1]).rows[0].user_id
    sec_uid = market.seller(user_id).sec_uid
    any_of_the_hour = {"ranks.hour_place", "ranks.hour_best"}
    seen = {"snapshots.hour_time", "sightings.hour_time", "calls.hour_time"}
    state = {*seen, "snapshots._id_", "users._id_"}
    questions: dict[str, tuple[Any, set[str]]] = {
        "newest": (lambda lake: newest_hour(lake, LATER), {"snapshots.hour_time"}),
        "lists": (lambda lake: chosen(lake, [GAP, *PERIOD]), {*seen, *any_of_the_hour}),
        "board": (lambda lake: board(lake, hour), {*state, "ranks._id_", *any_of_the_hour}),
        "board --at": (lambda lake: board_at(lake, hour + HOUR / 2), {*state, "ranks._id_"}),
        "trend": (lambda lake: trend(lake, LIST, PERIOD, user_id), {*state, "ranks.user_hour"}),
        "curve": (
            lambda lake: curve(lake, LIST, hour, user_id),
            {*state, "rank_history.user_hour_time", "calls.user_time"},
        ),
        "movers": (lambda lake: movers(lake, LIST, hour), state),
        "streaks": (
            lambda lake: leaders(lake, LIST, PERIOD),
            {"snapshots.hour_time", "sightings.hour_time", "ranks.hour_best", "users._id_"},
        ),
        "streaks of one": (
            lambda lake: streaks_of(lake, LIST, PERIOD, user_id),
            {"snapshots.hour_time", "sightings.hour_time", "ranks.user_hour", "users._id_"},
        ),
        "anchor": (lambda lake: the_anchor(lake, sec_uid), {"users.sec_uid"}),
        "unknown sec_id": (
            lambda lake: anchors_named(lake, synthetic_sec_uid(99, 99), most=1),
            {"users.sec_uid", "calls.anchor_asked", "ranks.hour_place", "ranks.hour_best"},
        ),
        "coverage of a month": (
            lambda lake: unseen(lake, Period(FIRST_HOUR - 700 * HOUR, LATER), LATER),
            {*any_of_the_hour, "calls.user_time", "users._id_"},
        ),
        "names": (
            lambda lake: (the_anchor(lake, user_id), the_anchor(lake, "访客")),
            {"users._id_", "users.short_id", "users.display_id", "users.nickname"}
            | {"user_history.display_id", "user_history.nickname"},
        ),
    }
    for question, (ask, expected) in questions.items():
        used = indexes_used(mongo_uri, market.database.name, ask)
        assert used, question
        assert used <= expected, question
    read = indexes_used(
        mongo_uri, market.database.name, lambda lake: lake.users.find_one({"gender": 1})
    )
    assert read == {"users.COLLSCAN"}


def test_the_commands(market: Market, mongo_uri: str, capsys: Any) -> None:
    def ask(*words: str) -> str:
        code, out, err = asked(capsys, mongo_uri, market.database.name, *words)
        assert (code, err) == (0, "")
        return out

    hour = market.hours[3]
    leader = market.seller(market.last_of(hour).rows[0].user_id)
    local = f"{hour + 8 * HOUR:%Y-%m-%dT%H:%M}"
    rows = [json.loads(line) for line in ask("trend", leader.sec_uid, "--json").splitlines()]
    assert [row["hour"] for row in rows] == [f"{hour:%Y-%m-%dT%H:%M:%SZ}" for hour in market.hours]
    shown = ask("curve", f"https://www.douyin.com/user/{leader.sec_uid}", "--hour", local)
    assert f"hour of {hour + 8 * HOUR:%Y-%m-%d %H:%M}+08:00" in shown
    assert "points a minute from the first of these to the last" in shown
    moved = ask("movers", "--hour", local, "--csv").splitlines()
    assert moved[0] == "move,place,place_before,nickname,user_id,score,score_before,hour,list"
    assert moved[1].endswith(f",{local}:00+08:00,全站 小时榜 热度")
    assert any(line.startswith("left,,") for line in moved)
    few, all_of_them = (
        len(moved),
        len(ask("movers", "--hour", local, "--csv", "--all").splitlines()),
    )
    assert few < all_of_them
    assert len(ask("streaks", "--limit", "2", "--json", "--hours", "9").splitlines()) == 2
    only = json.loads(ask("streaks", leader.nickname, "--json"))
    assert only["user_id"] == str(leader.user_id)
    at = market.served[10]
    places = ask("board", "--at", at.at.isoformat(), "--csv").splitlines()[1:]
    assert [line.split(",")[1] for line in places] == [row.user_id for row in at.rows]


def test_commands_that_cannot_answer(market: Market, mongo_uri: str, capsys: Any) -> None:
    def ask(*words: str) -> tuple[int, str]:
        code, out, err = asked(capsys, mongo_uri, market.database.name, *words)
        assert out == ""
        assert "Traceback" not in err
        return code, err

    code, err = ask("trend", "模拟主播")
    assert code == 2
    assert "more than 20 anchors are called 模拟主播" in err
    assert ask("curve", "nobody-of-this-name")[0] == 1
    hour = market.hours[0]
    unseen = next(who for who in everybody(market) if not served_standings(market, hour, who))
    code, err = ask("curve", unseen, "--hour", hour.isoformat())
    assert (code, err.count("\n")) == (1, 1)
    assert f"was not seen in {LIST}, hour of {hour + 8 * HOUR:%Y-%m-%d %H:%M}+08:00" in err
    assert ask("curve", unseen, "--hour", hour.isoformat(), "--json")[0] == 1
    code, err = ask("movers", "--hour", f"{GAP.isoformat()}")
    assert code == 1
    assert err.count("\n") == 1
    for hour in (market.hours[0], GAP + HOUR):
        code, err = ask("movers", "--hour", hour.isoformat())
        before = f"{hour + 7 * HOUR:%Y-%m-%d %H:%M}+08:00"
        assert (code, err) == (
            1,
            f"scrapy movers: the lake does not hold {LIST} of the hour before ({before}): "
            "give another --hour\n",
        )
    assert ask("trend", "77", "--from", "yesterday")[0] == 2
    assert ask("streaks", "--from", "now", "--to", "1h")[0] == 2
    assert ask("streaks", "--currency", "音浪")[0] == 1
    assert ask("board", "--at", "2001-01-01")[0] == 1
    for wrong in (["trend"], ["trend", "a", "b"], ["movers", "a"], ["streaks", "--limit", "0"]):
        assert ask(*wrong)[0] == 2


def test_no_list_at_all(database: Any, mongo_uri: str, capsys: Any) -> None:
    code, _, err = asked(capsys, mongo_uri, database.name, "streaks")
    assert code == 1
    assert "make demo" in err
