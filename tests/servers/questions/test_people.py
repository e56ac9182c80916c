"""An anchor is found by whatever somebody has of it."""

import datetime as dt
from typing import Any

import pytest
from pymongo import IndexModel

from rankspider.errors import NotInTheLake, SeveralAnchors
from rankspider.lake.collections import CALLS, RANKS, USERS
from rankspider.moments import HOUR
from rankspider.questions.people import anchors_named, the_anchor
from rankspider.simulator.world import synthetic_sec_uid

FIRST, SECOND, THIRD, UNPROFILED, CALLED = (synthetic_sec_uid(1, index) for index in range(5))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = [
    ("6000000000000000001", FIRST, 12345678901, "first.anchor", "陈赫 Live"),
    ("6000000000000000002", SECOND, 0, "6000000000000000001", "陈\x1b[2J"),
    ("6000000000000000003", THIRD, 77, "third", "Ñandú (a.b)"),
]


@pytest.fixture
def people(database: Any) -> Any:
    names = ("user_id", "sec_uid", "short_id", "display_id", "nickname")
    database[USERS].create_indexes([IndexModel([("nickname", 1)], name="nickname")])
    database[USERS].insert_many(
        {"_id": person[0], **dict(zip(names, person, strict=True))} for person in PEOPLE
    )
    standings = (("8", CALLED, NOON - HOUR), ("9", UNPROFILED, NOON))
    database[RANKS].insert_many(
        {"user_id": f"600000000000000000{n}", "sec_uid": sec_uid, "begin_time": hour, "rank": 1}
        for n, sec_uid, hour in standings
    )
    database[CALLS].insert_many(
        {"anchor": CALLED, "user_id": user_id} for user_id in (None, "6000000000000000008")
    )
    return database


@pytest.mark.parametrize(
    ("text", "user_ids"),
    [
        (FIRST, [1]),
        (f"https://www.douyin.com/user/{SECOND}?from=web", [2]),
        (f'{{"sec_id": "{THIRD}"}}', [3]),
        ("12345678901", [1]),
        ("77", [3]),
        ("first.anchor", [1]),
        ("陈赫 Live", [1]),
        ("  陈赫 Live ", [1]),
        ("live", [1]),
        ("(A.B)", [3]),
        ("a(b", []),
        ("6000000000000000003", [3]),
        # The id of one is the chosen name of another.
        ("6000000000000000001", [1, 2]),
        ("陈", [1, 2]),
        # No profile of it is in the lake.
        (UNPROFILED, [9]),
        (CALLED, [8]),
        ("6000000000000000009", [9]),
        ("0", []),
        ("9" * 40, []),
        ("nobody", []),
        ("", []),
        ("\udcff", []),
        (synthetic_sec_uid(1, 99), []),
    ],
)
def test_whom_a_text_names(people: Any, text: str, user_ids: list[int]) -> None:
    found = [int(person.user_id) % 10 for person in anchors_named(people, text, most=9)]
    assert sorted(found) == user_ids


def test_no_more_than_were_asked_for(people: Any) -> None:
    assert len(anchors_named(people, "陈", most=1)) == 1


def test_one_or_an_error_that_says_what_to_do(people: Any) -> None:
    assert the_anchor(people, "77").nickname == "Ñandú (a.b)"
    with pytest.raises(NotInTheLake, match=r"called no\\nbody: give a user_id") as nobody:
        the_anchor(people, "no\nbody")
    assert nobody.value.exit_code == 1
    with pytest.raises(SeveralAnchors) as several:
        the_anchor(people, "陈")
    assert several.value.exit_code == 2
    lines = str(several.value).splitlines()
    assert lines[0] == "2 anchors are called 陈: name one by its user_id or sec_id"
    assert "6000000000000000001" in lines[2]
    assert FIRST in lines[2]
    assert "陈\\x1b[2J" in lines[3]


def test_nobody_is_in_a_lake_that_is_not_there(database: Any) -> None:
    with pytest.raises(NotInTheLake, match="no anchor in the lake"):
        the_anchor(database, "somebody")
