"""Answers as spreadsheets take them: headings, formulas, and what every row says."""

import csv
import dataclasses
import datetime as dt
import importlib
import io
import json
import pkgutil
from dataclasses import dataclass
from typing import Any

import pytest

from rankspider import questions
from rankspider.questions.board import Place
from rankspider.questions.calls import KEYS, counted_by
from rankspider.questions.terms import CHINESE
from rankspider.questions.thresholds import Threshold
from rankspider.report import Report, csv_of, json_of

HOUR = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)


@dataclass(kw_only=True)
class Row:
    nickname: str
    score: int
    tags: list[str]


def report(nickname: str, *tags: str, score: int = -5) -> Report:
    row = Row(nickname=nickname, score=score, tags=list(tags))
    return Report("", Row, [row], context={"hour": HOUR, "list": "全站 热度"})


def cells(text: str, *tags: str, is_defused: bool = True) -> dict[str, str]:
    lines = csv_of(report(text, *tags), dt.UTC, is_defused=is_defused)
    (row,) = csv.DictReader(io.StringIO("".join(lines)))
    return row


@pytest.mark.parametrize("first", [*"=+-@\t\r＝＋－＠", " =", "\u3000@"])
def test_a_formula_is_text(first: str) -> None:
    row = cells(f"{first}1+1", f"{first}1")
    assert row["nickname"][0] == row["tags"][0] == "'"
    assert cells(f"{first}1+1", is_defused=False)["nickname"][0] != "'"


def test_what_is_no_formula_stays() -> None:
    row = cells("a=1", "b")
    assert (row["nickname"], row["score"], row["tags"]) == ("a=1", "-5", "b")
    assert row["hour"] == "2026-03-01T10:00:00+00:00"


def test_every_row_says_of_which_hour_and_list() -> None:
    (line,) = json_of(report("a"))
    said = json.loads(line)
    assert (said["hour"], said["list"]) == ("2026-03-01T10:00:00Z", "全站 热度")
    head = next(csv_of(report("a"), dt.UTC, headings=CHINESE))
    assert head == "昵称,热度,类目,小时,榜单\n"


def _rows() -> set[Any]:
    found = {counted_by(KEYS)}
    for module in pkgutil.iter_modules(questions.__path__):
        there = importlib.import_module(f"{questions.__name__}.{module.name}")
        found.update(
            each
            for each in vars(there).values()
            if dataclasses.is_dataclass(each) and each.__module__ == there.__name__
        )
    return found


def test_every_column_has_a_heading_of_its_own() -> None:
    of_rows = [Place, Threshold]
    of_rows += [row for row in _rows() if dataclasses.fields(row)[0].kw_only]
    assert len(of_rows) > 20
    for row in of_rows:
        names = _names(row)
        assert set(names) <= set(CHINESE), row
        assert len({CHINESE[name] for name in names}) == len(names), row


def _names(row: Any) -> list[str]:
    return [each.name for each in dataclasses.fields(row)]
