"""Answers that are easily wrong, from answers made by hand."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rankspider.errors import SeveralAnchors
from rankspider.items import ListItem, RankItem
from rankspider.moments import HOUR as ONE_HOUR
from rankspider.moments import Period, clock_text, moment_text
from rankspider.questions.board import board
from rankspider.questions.coverage import hours_covered
from rankspider.questions.curve import curve
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.questions.overtakes import overtakes
from rankspider.questions.people import anchors_named, the_anchor
from rankspider.questions.sessions import sessions
from rankspider.questions.streaks import leaders, streaks_of
from rankspider.questions.thresholds import thresholds
from rankspider.questions.trend import trend
from tests.support.commands_in_process import asked
from tests.support.stored_lists import HOUR, ID, list_of, standing, state, store, user

NAME = ListName("热度", "全站", "小时榜", "")
PERIOD = Period(HOUR, HOUR + 3 * ONE_HOUR)
FIRST, SECOND = str(ID + 1), str(ID + 2)
ROOM, NEXT_ROOM = (str((int(HOUR.timestamp()) + start << 32) + 11 * 256) for start in (0, 1200))


def at(minute: float) -> dt.datetime:
    return HOUR + dt.timedelta(minutes=minute)


def listed(minute: float, *scores: tuple[int, int]) -> list[Any]:
    """A whole answer: who has how many points, in order."""
    ids, points = [str(ID + who) for who, _ in scores], [score for _, score in scores]
    rows: list[Any] = []
    for place, (who, score) in enumerate(scores, 1):
        delta = points[place - 2] - score if place > 1 else 0
        row = replace(standing(who, place, score), delta=delta, observed_at=at(minute))
        rows.append(row)
    return [*rows, ListItem(list_of(), ids, points, 60, {}, at(minute))]


def own(minute: float, rank: int, score: int, *rooms: str) -> RankItem:
    there = standing(1, rank, score, listed=False)
    return replace(there, observed_at=at(minute), room_ids=list(rooms))


@pytest.mark.parametrize("order", [1, -1])
def test_a_peak_is_of_the_room_in_which_it_was_reached(database: Any, order: int) -> None:
    seen = [own(5, 0, 500, ROOM), own(20, 0, 9000, ROOM), own(40, 0, 9000), own(50, 0, 9000, "0")]
    store(database, *seen[::order])
    (found,) = sessions(database, NAME, PERIOD, user_id=FIRST)
    assert (found.room_id, found.peak_score, found.peak_at) == (ROOM, 9000, at(20))


@pytest.mark.parametrize("order", [1, -1])
def test_two_rooms_with_the_same_standing(database: Any, order: int) -> None:
    store(database, *[own(5, 0, 700, ROOM), own(30, 0, 700, NEXT_ROOM)][::order])
    found = sessions(database, NAME, PERIOD, user_id=FIRST)
    assert {each.room_id: each.peak_at for each in found} == {ROOM: at(5), NEXT_ROOM: at(30)}
    # How it fared in the hour is one standing.
    assert [(each.since, each.until) for each in curve(database, NAME, HOUR, FIRST)] == [
        (at(5), at(30))
    ]


def test_a_place_off_the_list_is_none_on_it(database: Any) -> None:
    store(database, *listed(10, (2, 90)), own(11, 37, 40, ROOM))
    assert [row.user_id for row in leaders(database, NAME, PERIOD)] == [SECOND]
    assert streaks_of(database, NAME, PERIOD, FIRST) == []
    (row,) = trend(database, NAME, PERIOD, FIRST)
    assert (row.place, row.best_place, row.score) == (0, 0, 40)
    assert [each.place for each in curve(database, NAME, HOUR, FIRST)] == [0]
    # The list grows, and so it is on it, with the same place, points and distance.
    entered = replace(own(30, 37, 40, ROOM), listed=True)
    store(database, entered)
    (session,) = sessions(database, NAME, PERIOD, user_id=FIRST)
    assert (session.entered_at, session.best_rank) == (at(30), 37)


def test_an_hour_seen_and_empty_is_seen(database: Any, mongo_uri: str, capsys: Any) -> None:
    store(database, *listed(59, (1, 90)))
    empty = list_of(HOUR + ONE_HOUR)
    store(database, state(minute=59, ranked_list=empty))

    def ask(*words: str) -> str:
        code, out, err = asked(capsys, mongo_uri, database.name, *words)
        assert (code, err) == (0, "")
        return out

    assert json.loads(ask("board", "--json"))["rows"] == []
    assert "left: 1" in ask("movers")
    rows = [json.loads(line) for line in ask("trend", FIRST, "--json").splitlines()]
    assert [(row["place"], row["best_place"]) for row in rows] == [(1, 1), (0, 0)]
    (row,) = leaders(database, NAME, PERIOD)
    assert (row.hours_listed, row.current_streak) == (1, 0)
    assert "Hours without this list in the lake: 22" in ask("streaks")
    hours = list(hours_covered(database, NAME, PERIOD, HOUR + 9 * ONE_HOUR))
    assert [each.state for each in hours] == ["ok", "ok", "missing"]
    assert thresholds(database, NAME, PERIOD, ZoneInfo("UTC"))[0].hours == 1


def test_a_text_beside_the_list_makes_no_state(database: Any) -> None:
    for minute in range(5):
        said = state(1, 2, minute=10 + minute)
        store(database, replace(said, other_fields={"rules": f"{minute}"}))
    assert database.snapshots.count_documents({}) == 1
    assert database.snapshots.find_one()["other_fields"] == {"rules": "4"}
    covered = next(hours_covered(database, NAME, PERIOD, HOUR + 9 * ONE_HOUR))
    assert covered.states == 1


def test_a_curve_does_not_bridge_a_list_without_the_seller(database: Any) -> None:
    store(database, *listed(10, (1, 50)), *listed(20, (1, 50)))
    store(database, *listed(30), *listed(40, (1, 50)), *listed(50))
    found = curve(database, NAME, HOUR, FIRST)
    assert [(each.place, each.since, each.until) for each in found] == [
        (1, at(10), at(20)),
        (1, at(40), at(40)),
    ]
    (row,) = trend(database, NAME, PERIOD, FIRST)
    assert (row.place, row.best_place, row.score) == (0, 1, 50)
    # A list without it says nothing of a standing off the list.
    store(database, own(12, 0, 7), own(13, 0, 7))
    assert [each.place for each in curve(database, NAME, HOUR, FIRST)] == [1, 0, 1, 1]


@pytest.mark.parametrize("order", [1, -1])
def test_a_stale_cache_does_not_overrule_the_close(database: Any, order: int) -> None:
    answers = [
        listed(50, (1, 100), (2, 90)),
        listed(59, (1, 100), (2, 90)),
        listed(60.1, (2, 120), (1, 100)),
    ]
    for answer in answers[::order]:
        store(database, *answer)
    final = board(database, HOUR)
    assert final is not None
    assert [row.user_id for row in final.rows] == [FIRST, SECOND]
    assert (final.observed_at, final.seconds_before_close) == (at(59), 60)
    later = board_at(database, at(75))
    assert later is not None
    assert later.observed_at == at(59)
    assert overtakes(database, NAME, HOUR, minutes=60) == []
    (row,) = trend(database, NAME, PERIOD, SECOND)
    assert (row.place, row.best_place, row.score, row.observed_at) == (2, 2, 90, at(59))
    assert [each.until for each in curve(database, NAME, HOUR, SECOND)] == [at(59)]
    best = {row.user_id: row.best_place for row in leaders(database, NAME, PERIOD)}
    assert best == {FIRST: 1, SECOND: 2}
    covered = next(hours_covered(database, NAME, PERIOD, HOUR + 9 * ONE_HOUR))
    assert (covered.states, covered.largest_gap_seconds) == (1, 3000)


def test_a_seller_seen_off_the_list_by_a_stale_cache_alone(database: Any) -> None:
    store(database, *listed(59, (2, 90)), own(58, 0, 20), own(61, 0, 80, ROOM))
    (row,) = trend(database, NAME, PERIOD, FIRST)
    assert (row.score, row.observed_at) == (20, at(58))
    assert sessions(database, NAME, PERIOD, user_id=FIRST) == []


def test_a_list_seen_only_after_the_close(database: Any) -> None:
    """It is all that is known, and no gap is longer than the hour."""
    store(database, *listed(60.1, (1, 90)))
    found = board(database, HOUR)
    assert found is not None
    assert (len(found.rows), found.seconds_before_close) == (1, -6)
    covered = next(hours_covered(database, NAME, PERIOD, HOUR + 9 * ONE_HOUR))
    assert (covered.state, covered.largest_gap_seconds) == ("no end", 3600)
    assert thresholds(database, NAME, PERIOD, ZoneInfo("UTC")) == []


@pytest.mark.parametrize("keeps", [("snapshots", "sightings"), ("snapshots",)])
def test_a_board_says_when_it_was_seen(
    database: Any, keeps: tuple[str, ...], mongo_uri: str, capsys: Any
) -> None:
    store(database, state(1, 2, minute=25), state(1, 2, minute=40))
    if "sightings" not in keeps:
        database.sightings.drop()
    found = board_at(database, at(30))
    assert found is not None
    assert (found.observed_at, found.next_observed_at) == (at(25), at(40))
    assert found.seconds_before_close == 35 * 60
    _, out, _ = asked(capsys, mongo_uri, database.name, "board", "--at", at(30).isoformat())
    assert "observed at 19:25:00 and next at 2021-01-19 19:40:00" in out
    last = board_at(database, at(45))
    assert last is not None
    assert (last.observed_at, last.next_observed_at) == (at(40), None)


def test_who_comes_level_overtakes_nobody(database: Any) -> None:
    store(database, *listed(56, (1, 100), (2, 90)), *listed(57, (2, 100), (1, 100)))
    assert overtakes(database, NAME, HOUR) == []
    store(database, *listed(58, (2, 110), (1, 100)))
    (found,) = overtakes(database, NAME, HOUR)
    assert (found.user_id, found.from_place, found.place) == (SECOND, 2, 1)
    assert (found.seen_at, found.not_before) == (at(58), at(57))


def test_the_hour_that_a_clock_change_repeats() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    shown = [moment_text(first + n * ONE_HOUR, berlin) for n in range(3)]
    assert shown == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-25 02:30:00+01:00",
        "2026-10-25 03:30:00",
    ]
    assert clock_text(first, berlin) == "02:30:00+02:00"


def test_an_answer_says_how_well_its_hours_were_watched(
    database: Any, mongo_uri: str, capsys: Any
) -> None:
    store(database, *listed(5, (1, 90)))
    after = list_of(HOUR + ONE_HOUR)
    store(database, standing(1, 1, 49, minute=59, ranked_list=after))
    store(database, state(1, minute=59, ranked_list=after))
    for words in (["trend", FIRST], ["movers"], ["tags"], ["streaks"], ["sessions"]):
        _, out, _ = asked(capsys, mongo_uri, database.name, *words)
        assert "Hours not seen in their last 120 s (--within): 1" in out, words
        _, out, _ = asked(capsys, mongo_uri, database.name, *words, "--within", "3400")
        assert "--within" not in out, words


def test_a_number_that_is_several_things(database: Any) -> None:
    store(database, user(1, "one"), replace(user(2, "two"), short_id=ID + 1))
    with pytest.raises(SeveralAnchors) as several:
        the_anchor(database, FIRST)
    assert "user_id:NUMBER" in str(several.value)
    for text, who in ((f"user_id:{FIRST}", FIRST), (f"short_id:{FIRST}", SECOND)):
        assert the_anchor(database, text).user_id == who
    assert the_anchor(database, "nickname: two").user_id == SECOND
    assert anchors_named(database, "display_id:two", most=3) == []


def test_a_former_name(database: Any, mongo_uri: str, capsys: Any) -> None:
    store(database, user(1, "old name"), *listed(59, (1, 90)))
    store(database, replace(user(1, "new name"), observed_at=at(30)))
    for name in ("old name", "OLD n"):
        code, out, err = asked(capsys, mongo_uri, database.name, "trend", name)
        assert (code, err) == (0, "")
        assert (
            f"is what new name (user_id {FIRST}) was called, last seen at 2021-01-19 19:00" in out
        )
    code, out, err = asked(capsys, mongo_uri, database.name, "trend", "old name", "--json")
    assert "was called" in err
    assert json.loads(out)["place"] == 1
    assert the_anchor(database, "new name").until is None
    # Somebody else is called so today.
    store(database, user(2, "old name"))
    with pytest.raises(SeveralAnchors, match=r"until 2021-01-19 11:00Z[\s\S]*now"):
        the_anchor(database, "old name")
    assert the_anchor(database, "nickname:old name").user_id == SECOND


def test_a_list_that_was_renamed(database: Any, mongo_uri: str, capsys: Any) -> None:
    store(database, *listed(59, (1, 90)))
    renamed = list_of(HOUR + ONE_HOUR, currency="热度值")
    store(database, standing(1, 1, 49, minute=59, ranked_list=renamed))
    store(database, state(1, minute=59, ranked_list=renamed))
    hint = "In 1 of the hours without this list there is 全站 小时榜 热度."
    for words in (["trend", FIRST], ["streaks"], ["tags"], ["concentration"], ["sessions"]):
        assert hint in asked(capsys, mongo_uri, database.name, *words)[1]
    assert hint in asked(capsys, mongo_uri, database.name, "trend", FIRST, "--csv")[2]
    code, _, err = asked(capsys, mongo_uri, database.name, "movers")
    assert code == 1
    assert hint in err
    span = ("--from", HOUR.isoformat(), "--hours", "2", "--currency", "热度值")
    assert hint in asked(capsys, mongo_uri, database.name, "coverage", *span)[1]


@pytest.mark.parametrize("late_ms", [0, 300, 1700])
def test_what_was_seen_after_the_close_alone(
    database: Any, mongo_uri: str, capsys: Any, late_ms: int
) -> None:
    """However short a time after: its end was not seen, and who stood on it was on the list."""
    store(database, *listed(60 + late_ms / 60_000, (1, 90)))
    left = -max(1, late_ms // 1000)
    (covered,) = hours_covered(database, NAME, Period(HOUR, HOUR + ONE_HOUR), at(600))
    assert (covered.state, covered.seconds_before_close) == ("no end", left)
    (row,) = trend(database, NAME, PERIOD, FIRST)
    assert (row.place, row.seconds_before_close) == (1, left)
    found = board(database)
    assert found is not None
    assert found.seconds_before_close == left
    for rows in (leaders(database, NAME, PERIOD), streaks_of(database, NAME, PERIOD, FIRST)):
        assert [(each.user_id, each.hours_listed, each.best_place) for each in rows] == [
            (FIRST, 1, 1)
        ]
    hour = ("--from", HOUR.isoformat(), "--hours", "1")
    code, out, _ = asked(capsys, mongo_uri, database.name, "trend", FIRST, *hour)
    assert (code, "Hours not seen in their last 120 s (--within): 1" in out) == (0, True)
    assert "its end was not seen" in asked(capsys, mongo_uri, database.name, "board")[1]


def test_every_question_rounds_the_time_before_the_close_alike(database: Any) -> None:
    store(database, *listed(60 - 9.2 / 60, (1, 90)))
    (covered,) = hours_covered(database, NAME, Period(HOUR, HOUR + ONE_HOUR), at(600))
    (row,) = trend(database, NAME, PERIOD, FIRST)
    found = board(database)
    assert found is not None
    answers = (covered, row, found)
    assert [each.seconds_before_close for each in answers] == [10, 10, 10]


def test_a_regional_list_of_the_same_title_goes_by_its_city(
    database: Any, mongo_uri: str, capsys: Any
) -> None:
    region = list_of(city="310000")
    store(database, state(1), state(2, minute=20, ranked_list=region))
    found = board(database)
    assert found is not None
    assert ([row.user_id for row in found.rows], found.other_lists) == (
        [FIRST],
        ["热度 全站 310000"],
    )
    there = board(database, title="310000")
    assert there is not None
    assert [row.user_id for row in there.rows] == [SECOND]
    assert board(database, title="") is None
    words = ("trend", f"user_id:{SECOND}", "--title", "310000", "--hours", "1", "--json")
    store(database, standing(2, 1, 48, ranked_list=region))
    code, out, _ = asked(capsys, mongo_uri, database.name, *words)
    assert (code, json.loads(out)["place"]) == (0, 1)


def test_an_hour_whose_list_has_no_sighting_is_there(
    database: Any, mongo_uri: str, capsys: Any
) -> None:
    """A worker that was killed left its state, and no sighting; the other list of the hour has
    one."""
    store(database, *listed(10, (1, 90)), state(2, ranked_list=list_of(currency="音浪")))
    database.sightings.delete_many({"list.currency": "热度"})
    (found,) = streaks_of(database, NAME, PERIOD, FIRST)
    assert (found.hours_listed, found.current_streak) == (1, 1)
    words = ("trend", FIRST, "--currency", "热度", "--from", HOUR.isoformat(), "--hours", "2")
    code, out, _ = asked(capsys, mongo_uri, database.name, *words)
    assert (code, "Hours without this list in the lake: 1" in out) == (0, True)
