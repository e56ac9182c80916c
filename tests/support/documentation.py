"""The project's Markdown files, taken apart: headings, links, tables and examples."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"^ *```(?P<language>\w*)(?P<rest>.*)\n(?P<text>(?:.*\n)*?) *```$", re.MULTILINE
)
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Example:
    """One fenced block."""

    language: str
    rest: str
    """What follows the language on the fence's line."""
    text: str


def markdown_files() -> list[Path]:
    """Those of the project, and no installed package's."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def read(name: str) -> str:
    """The text of a file in ``docs/``, or of one beside it by ``../NAME``."""
    return (DOCS / name).read_text()


def examples(text: str, *languages: str) -> list[Example]:
    """The fenced blocks of ``text`` in some ``languages``, or all of them, in order."""
    found = (
        Example(block["language"], block["rest"].strip(), block["text"])
        for block in _FENCE.finditer(text)
    )
    return [each for each in found if not languages or each.language in languages]


def links(text: str) -> list[str]:
    """The targets of all links outside code."""
    prose = re.sub(r"`[^`\n]*`", "`…`", _FENCE.sub("", text))
    return [link["target"] for link in _LINK.finditer(prose)]


def anchors(text: str) -> set[str]:
    """What may follow ``#`` in a link to ``text``, as GitHub makes it of headings."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {_slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head)) for head in heads}


def _slug(heading: str) -> str:
    kept = (
        char
        for char in heading.lower()
        if char in "-_ " or unicodedata.category(char)[0] in "LN"  # letters and numbers
    )
    return "".join(kept).replace(" ", "-")


def section(text: str, heading: str) -> str:
    """What stands under ``heading``, up to the next heading of its level or above."""
    level = heading.split(" ")[0]
    _, _, after = text.partition(f"\n{heading}\n")
    assert after, f"no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of each line of the tables in ``text``, heads and rulers left out."""
    return [row for table in tables(text) for row in table]


def tables(text: str) -> Iterator[list[list[str]]]:
    """Each table, as the cells of its lines below the head."""
    for block in re.findall(r"(?:^\|.*\n)+", _FENCE.sub("", text) + "\n", re.MULTILINE):
        yield [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            for line in block.splitlines()[2:]
        ]


def code(cell: str) -> list[str]:
    """What a cell has in backquotes."""
    return re.findall(r"`([^`]+)`", cell)
