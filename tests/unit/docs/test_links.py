"""Links of the documentation lead somewhere, and so do the names of its files in the code."""

import re
from pathlib import Path

import pytest

from tests.support.documentation import anchors, links, markdown_files
from tests.support.project import ROOT

FILES = markdown_files()
ELSEWHERE = ("https://", "http://", "mailto:")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in links(path.read_text()):
        if target.startswith(ELSEWHERE):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(target)
    assert broken == []


def test_every_file_is_within_one_link_of_the_readme() -> None:
    linked = {(ROOT / target.partition("#")[0]).resolve() for target in links_of("README.md")}
    assert {path for path in FILES if path.parent == ROOT / "docs"} <= linked


def test_files_that_the_code_names_are_there() -> None:
    named = {
        name
        for folder in ("rankspider", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"\b(?:docs|benchmarks)/[\w-]+\.md", path.read_text())
    }
    assert "docs/settings.md" in named
    assert {name for name in named if not (ROOT / name).exists()} == set()


def links_of(name: str) -> list[str]:
    return links((ROOT / name).read_text())
