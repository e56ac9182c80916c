"""docs/questions.md defines every column of every answer, under the names that they have."""

import dataclasses
import re
from importlib import import_module

from rankspider.questions.board import Board, Place
from rankspider.questions.calls import KEYS, CallMade, CallsCounted
from rankspider.questions.command import QuestionCommand
from rankspider.questions.compare import Compared
from rankspider.questions.concentration import Concentration
from rankspider.questions.coverage import HourCovered, Unseen
from rankspider.questions.curve import Point
from rankspider.questions.day import DaySession
from rankspider.questions.events import Event
from rankspider.questions.leaders import Leader, Riser
from rankspider.questions.movers import Mover
from rankspider.questions.names import ProfilePeriod
from rankspider.questions.overtakes import Overtake
from rankspider.questions.sessions import Session
from rankspider.questions.streaks import Streaks
from rankspider.questions.tags import TagShare
from rankspider.questions.thresholds import Threshold
from rankspider.questions.trend import HourPlace
from rankspider.questions.versus import Ahead, Share
from tests.support.project import ROOT

TEXT = (ROOT / "docs" / "questions.md").read_text()
ROWS = {
    "board": Board,
    "A place of scrapy board": Place,
    "calls": CallsCounted,
    "calls --list": CallMade,
    "compare": Compared,
    "concentration": Concentration,
    "coverage": HourCovered,
    "coverage --anchors": Unseen,
    "curve": Point,
    "day": DaySession,
    "events": Event,
    "leaders": Leader,
    "movers": Mover,
    "names": ProfilePeriod,
    "overtakes": Overtake,
    "rising": Riser,
    "sessions": Session,
    "share": Share,
    "streaks": Streaks,
    "tags": TagShare,
    "thresholds": Threshold,
    "trend": HourPlace,
    "versus": Ahead,
}


def sections() -> dict[str, list[list[str]]]:
    """The cells of each table's rows, by its title."""
    columns = TEXT.partition("## Columns\n")[2]
    parts = re.split(r"^####? (.+)\n", columns, flags=re.MULTILINE)[1:]
    return {
        title.replace("`", "").removeprefix("scrapy "): [
            [cell.strip() for cell in line.strip("|").split(" | ")]
            for line in text.splitlines()
            if line.startswith("| `")
        ]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_column_has_its_definition() -> None:
    defined = sections()
    assert defined.keys() == ROWS.keys()
    for title, row in ROWS.items():
        names = [cells[0].strip("| `") for cells in defined[title]]
        assert names == [field.name for field in dataclasses.fields(row)], title
        assert all(len(cells) == 3 and cells[2].strip(" |") for cells in defined[title]), title
        if "board" in title:
            continue  # whose table has its own heads
        heads = [cells[1] for cells in defined[title]]
        shown = [
            each.metadata.get("head", each.name.replace("_", " ")) or "—"
            for each in dataclasses.fields(row)
        ]
        assert heads == shown, title


def test_what_calls_are_counted_by_is_named() -> None:
    text = TEXT.partition("### `scrapy calls`\n")[2]
    assert all(f"`{key}`" in text for key in KEYS)


def test_no_question_is_left_out() -> None:
    files = (ROOT / "rankspider" / "commands").glob("*.py")
    modules = [import_module(f"rankspider.commands.{each.stem}") for each in files]
    asked = {
        command.name
        for module in modules
        if (command := getattr(module, "Command", None)) and issubclass(command, QuestionCommand)
    }
    assert {title.split(" ")[0] for title in ROWS} - {"A"} == {*asked, "board"}
