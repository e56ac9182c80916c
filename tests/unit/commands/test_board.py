"""How a list is shown."""

import datetime as dt
from dataclasses import replace

import pytest

from rankspider.commands.board import board_text
from rankspider.questions.board import Board, Place
from rankspider.terminal import columns, harmless, shortened, table
from tests.support.stored_lists import CHINA, HOUR, ID


def example(*rows: Place, own: int = 0) -> Board:
    observed_at = HOUR + dt.timedelta(minutes=59, seconds=29)
    return Board(
        "热度", "全站", "小时榜", "", "", HOUR, observed_at, 31, True, list(rows), [], own, []
    )


def place(number: int, nickname: str, score: int = 49232) -> Place:
    return Place(number, str(ID), "MS4w", nickname, score, 20147, "", ["综合", "女装"], HOUR)


def test_the_table_says_when_in_the_lists_own_zone() -> None:
    head = board_text(example(), CHINA).splitlines()[0]
    assert head == (
        "全站 小时榜 热度, hour of 2021-01-19 19:00+08:00, observed at 19:59:29, "
        "31 s before the close (final)"
    )


@pytest.mark.parametrize(
    ("left", "is_final", "said"),
    [
        (0, True, "0 s before the close (final)"),
        (120, True, "120 s before the close (final)"),
        (121, True, "121 s before the close (over, its end was not seen)"),
        (3035, True, "3,035 s before the close (over, its end was not seen)"),
        (3035, False, "3,035 s before the close (live)"),
    ],
)
def test_only_a_list_that_was_seen_at_the_end_is_final(
    left: int, is_final: bool, said: str
) -> None:
    found = replace(example(), seconds_before_close=left, is_final=is_final)
    assert board_text(found, CHINA).splitlines()[0].endswith(said)


def test_own_standings_that_nobody_wants_to_see_are_counted_alone() -> None:
    found = replace(example(own=3), own=[place(0, "a"), place(0, "b")])
    assert "Asked for and not on the list: 3, the 2 with the most points\n" in board_text(
        found, CHINA
    )
    assert board_text(example(own=1), CHINA).endswith("\nAsked for and not on the list: 1\n")


def test_columns_stand_under_each_other_whatever_the_names() -> None:
    names = ["陈赫", "ab", "👩‍👧 好物", "❤️x", "👍🏽", "ñandú", "e\u0301", "x" * 99, "陈" * 99, ""]
    lines = board_text(
        example(*(place(n, name) for n, name in enumerate(names, 1))), CHINA
    ).splitlines()
    assert {columns(line[: line.index("20,147")]) for line in lines[3:]} == {
        columns(lines[3][: lines[3].index("20,147")])
    }
    assert str(ID) in lines[-1]
    assert lines[2].split() == ["place", "nickname", "points", "behind", "next", "tags"]
    assert lines[3].endswith("综合, 女装")


def test_no_nickname_steers_the_terminal() -> None:
    text = board_text(example(place(1, "a\nb\x1b[2J\u202e\u2028\ud800")), CHINA)
    assert "a\\nb\\x1b[2J\\u202e\\u2028\\ud800" in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("", 0),
        ("abc", 3),
        ("陈赫", 4),
        ("👩‍👧", 2),
        ("❤️", 2),
        ("👍🏽", 2),
        ("e\u0301", 1),
        ("ｱ", 1),
    ],
)
def test_columns(text: str, wide: int) -> None:
    assert columns(text) == wide


def test_shortened_to_the_column() -> None:
    assert shortened("陈赫朱梓骁", 10) == "陈赫朱梓骁"
    assert shortened("陈赫朱梓骁", 9) == "陈赫朱梓…"
    assert shortened("陈赫朱梓骁", 8) == "陈赫朱…"
    assert shortened("ab👩‍👧x", 4) == "ab…"


def test_harmless_text_is_left_alone() -> None:
    assert harmless("陈赫 ✨ 👩‍👧 שלום") == "陈赫 ✨ 👩‍👧 שלום"


def test_an_empty_table_is_its_head() -> None:
    assert table(("a", " b"), []) == ["a  b"]
