"""Commands in the documentation exist, with the options that they are shown with."""

import argparse
import re
from importlib import import_module
from pathlib import Path

import pytest
from scrapy.settings import Settings

from tests.support.documentation import examples, markdown_files
from tests.support.project import ROOT

# Scrapy's own that the documentation speaks of.
SCRAPYS = {"shell", "fetch", "parse"}
COMMAND = re.compile(r"(?<![\w-])scrapy ([a-z][a-z-]*)([^|`'\n]*)")
FILES = [path for path in markdown_files() if path.name != "CHANGELOG.md"]


def options_of(name: str) -> set[str]:
    """All that ``scrapy name`` takes, in their long form."""
    command = import_module(f"rankspider.commands.{name}").Command()
    command.settings = Settings()
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    return {option for action in parser._actions for option in action.option_strings}


def shown(text: str) -> list[tuple[str, set[str]]]:
    """Each command that ``text`` shows in code, with its options."""
    inline = re.findall(r"`([^`\n]+)`", text)
    blocks = [line.partition(" #")[0] for each in examples(text) for line in each.text.splitlines()]
    return [
        (name, set(re.findall(r"(?<![\w-])--[a-z-]+", rest)))
        for code in (*inline, *blocks)
        for name, rest in COMMAND.findall(code)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options(path: Path) -> None:
    folder = ROOT / "rankspider" / "commands"
    ours = {each.stem for each in folder.glob("*.py")}
    for name, options in shown(path.read_text()):
        assert name in ours | SCRAPYS, f"scrapy {name}"
        if name in ours:
            assert options <= options_of(name), f"scrapy {name}"


def test_some_are_shown() -> None:
    assert len(shown((ROOT / "README.md").read_text())) > 20
