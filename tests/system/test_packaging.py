"""The package and the egg that others install, and that both hold all they need."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rankspider import __version__
from tests.support.project import ROOT

NEEDED = ("rankspider", "pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE")
# As others see it that might be packed by mistake.
BESIDE = ("tests", "benchmarks")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an egg, built as pip and scrapyd-deploy do."""
    source = tmp_path_factory.mktemp("source")
    for name in (*NEEDED, *BESIDE):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    commands = ["bdist_wheel", "-d", "dist", "bdist_egg", "-d", "dist"]
    run = subprocess.run(
        [sys.executable, "setup.py", "-q", *commands], cwd=source, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return source / "dist"


def contents(archive: Path) -> set[str]:
    """Names of what is packed beside metadata."""
    names = zipfile.ZipFile(archive).namelist()
    return {
        name
        for name in names
        if not name.endswith((".pyc", "/")) and "-info/" not in name and "-INFO/" not in name
    }


@pytest.mark.parametrize("kind", ["whl", "egg"])
def test_it_holds_the_whole_package_and_no_more(built: Path, kind: str) -> None:
    [archive] = built.glob(f"*.{kind}")
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "rankspider").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert contents(archive) == files


def test_its_metadata(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    assert (metadata["Name"], metadata["Version"]) == ("rankspider", __version__)
    assert metadata["License-Expression"] == "MIT"
    said = {Requirement(each) for each in metadata.get_all("Requires-Dist", [])}
    assert {each for each in said if "extra" not in str(each.marker)} == required()
    assert {each.name for each in said - required()} == {each.name for each in extras()}


def required() -> set[Requirement]:
    """What requirements.txt asks for."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return {Requirement(line) for line in lines if line and not line.startswith("#")}


def extras() -> set[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        Requirement(each) for extra in project["optional-dependencies"].values() for each in extra
    }


def test_every_requirement_has_a_tested_version() -> None:
    """constraints.txt pins each of them, within what it asks for."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if line and line[0] != "#")
    for each in required() | extras():
        assert each.specifier.contains(pins[each.name.lower()], prereleases=True), each


def test_the_changelog_has_the_version() -> None:
    assert f"\n## {__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_egg_runs_as_it_is(built: Path, tmp_path: Path) -> None:
    """As scrapyd puts it on the path, without unpacking it."""
    [egg] = built.glob("*.egg")
    environment = {
        **os.environ,
        "PYTHONPATH": str(egg),
        "SCRAPY_SETTINGS_MODULE": "rankspider.settings",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    run = subprocess.run(
        [sys.executable, "-P", "-m", "scrapy", "crawl", "goods_rank", "-a", "_job=1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2, run.stderr
    assert "RANK_API_URL is not set" in run.stderr
