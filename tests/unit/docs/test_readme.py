"""The two READMEs: short, and of the same content."""

import re
from pathlib import Path

from rankspider.commands import __path__ as command_folders
from tests.support.documentation import Example, code, examples, links, rows
from tests.support.project import ROOT

README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()


def commands_of_the_project() -> set[str]:
    [folder] = command_folders
    return {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}


def commands_named(text: str) -> set[str]:
    """In tables: ``scrapy board``, and what stands beside it in the same cell."""
    cells = [row[0] for row in rows(text) if "`scrapy " in row[0]]
    return {name.removeprefix("scrapy ").split(" ")[0] for cell in cells for name in code(cell)}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_every_command_is_in_its_tables() -> None:
    assert commands_named(README) == commands_of_the_project()
    assert commands_named(CHINESE) == commands_of_the_project()


def test_both_say_the_same() -> None:
    """The same links, but for the one to each other, and the same commands."""
    assert links(README)[1:] == links(CHINESE)[1:]
    assert [without_remarks(each) for each in examples(README, "sh")] == [
        without_remarks(each) for each in examples(CHINESE, "sh")
    ]


def without_remarks(example: Example) -> list[str]:
    return [re.sub(r"\s+#.*", "", line) for line in example.text.splitlines()]
