"""One list of typed rows, written in three ways."""

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import pytest
from bson import Int64

from rankspider.report import Report, column, csv_of, json_object, json_of, table_of
from rankspider.terminal import harmless

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)


@dataclass(kw_only=True)
class Row:
    hour: dt.datetime = column("hour", is_hour=True)
    nickname: str
    user_id: str = column(None)
    score: int = column("points")
    points_per_minute: float | None
    is_live: bool
    tags: list[str]
    seen_at: dt.datetime


ROWS = [
    Row(
        hour=HOUR,
        nickname="陈,\n\x1b[2J",
        user_id="6000000000000000001",
        score=49232,
        points_per_minute=12.25,
        is_live=True,
        tags=["综合", "女装"],
        seen_at=HOUR,
    ),
    Row(
        hour=HOUR,
        nickname='"q"',
        user_id="6000000000000000002",
        score=0,
        points_per_minute=None,
        is_live=False,
        tags=[],
        seen_at=HOUR + dt.timedelta(seconds=7),
    ),
]
REPORT = Report("A list", Row, ROWS, ["A note."])


def test_a_table_for_people() -> None:
    lines = table_of(REPORT, SHANGHAI).splitlines()
    assert lines[0] == "A list"
    assert " ".join(lines[2].split()) == (
        "hour nickname points points per minute is live tags seen at"
    )
    first = "2026-03-01 18:00+08:00  陈,\\n\\x1b[2J  49,232               12.2  yes"
    assert lines[3] == first + "      综合, 女装  2026-03-01 18:00:00"
    assert lines[4].split() == [
        *("2026-03-01", "18:00+08:00", '"q"', "0", "-", "no", "2026-03-01", "18:00:07")
    ]
    assert lines[6:] == ["A note."]


def test_nothing_to_show() -> None:
    assert table_of(Report("A list", Row, []), SHANGHAI) == "A list\n\nNothing to show.\n"
    assert list(json_of(Report("A list", Row, []))) == []
    assert len(list(csv_of(Report("A list", Row, []), SHANGHAI))) == 1


def test_json_holds_everything_as_it_is() -> None:
    first, second = (json.loads(line) for line in json_of(REPORT))
    assert first["nickname"] == "陈,\n\x1b[2J"
    assert first["user_id"] == "6000000000000000001"
    assert first["hour"] == "2026-03-01T10:00:00Z"
    assert first["tags"] == ["综合", "女装"]
    assert second["points_per_minute"] is None


def test_json_of_what_mongodb_keeps_in_64_bits() -> None:
    score = Int64(2**31)  # what pymongo makes of it
    (line,) = json_of(Report("A list", Row, [replace(ROWS[0], score=score)]))
    assert json.loads(line)["score"] == json.loads(json_object({"score": score}))["score"] == score


def test_csv_is_read_back() -> None:
    text = "".join(csv_of(REPORT, SHANGHAI))
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert first["nickname"] == "陈,\\n\\x1b[2J"
    assert first["hour"] == "2026-03-01T18:00:00+08:00"
    assert first["is_live"] == "true"
    assert first["score"] == "49232"
    assert first["tags"] == "综合, 女装"
    assert second["nickname"] == '"q"'
    assert second["points_per_minute"] == ""
    assert second["user_id"] == "6000000000000000002"


# What steers a terminal, turns the direction of what follows, cannot be seen, or breaks lines.
NASTY = "\x00\x07\x1b\x7f\x9b\u2028\u2029\u202e\u2066\u200b\u2060\ufeff\xad\u3164\U000e0041\r\n\t"


@pytest.mark.parametrize("char", NASTY)
def test_what_others_say_is_only_text(char: str) -> None:
    rows = [replace(ROWS[1], nickname=f"陈{char}赫", tags=[f"a{char}"])]
    report = Report(f"of {char}", Row, rows, [f"note {char}"])
    json_lines = "".join(json_of(report))
    assert json.loads(json_lines)["nickname"] == f"陈{char}赫"
    assert json.loads(json_object({"name": f"陈{char}赫"}))["name"] == f"陈{char}赫"
    for text in (
        table_of(report, SHANGHAI),
        "".join(csv_of(report, SHANGHAI)),
        json_lines,
        json_object([char]),
    ):
        assert char not in text.replace("\n", "" if char == "\n" else "\n")


def test_every_line_is_one_of_ours() -> None:
    rows = [replace(ROWS[1], nickname="x\nforged\u2028forged\x85forged", tags=["y\nforged"])]
    report = Report("of\nforged", Row, rows, ["note\nforged"])
    lines = [
        *table_of(report, SHANGHAI).splitlines(),
        *"".join(csv_of(report, SHANGHAI)).splitlines(),
        *"".join(json_of(report)).splitlines(),
    ]
    assert len(lines) == 6 + 2 + 1
    assert not any(line.startswith("forged") for line in lines)


@pytest.mark.parametrize("text", ["👩‍👧", "🏳️‍🌈", "❤️", "1️⃣", "👩🏽‍⚕️", "陈赫 ✨", "שלום", "\u3000"])
def test_what_people_write_stays(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["陈\u200d赫", "a\ufe0f", "\u200d👩", "👩\u200d"])
def test_what_joins_nothing_is_shown(text: str) -> None:
    assert harmless(text).isascii() or "\\u" in harmless(text)
