"""`scrapy export` as a process, also when it is killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pymongo.database import Database

from tests.support import processes
from tests.support.exported_lake import (
    ID,
    NOW,
    Document,
    exported,
    files_of,
    hours_of,
    with_indexes,
)
from tests.support.project import ROOT, scrapy


@pytest.fixture
def lake(database: Any, mongo_uri: str) -> Database[Document]:
    return with_indexes(database, mongo_uri)


def killed(
    mongo_uri: str, lake: Database[Document], out: Path, form: str, point: str, nth: int
) -> int:
    arguments = [mongo_uri, lake.name, str(out), form, NOW.isoformat(), point, str(nth)]
    command = [sys.executable, "-m", "tests.support.self_killing_export", *arguments]
    return processes.run(command, cwd=ROOT, timeout=120, check=False).returncode


@pytest.mark.parametrize(
    ("form", "deaths"),
    [
        ("parquet", [("row", 4), ("before the rename", 6), ("after the rename", 5)]),
        ("jsonl", [("torn line", 3), ("before the rename", 1), ("row", 11)]),
    ],
)
def test_killed_and_run_again_is_as_if_run_once(
    lake: Any, mongo_uri: str, tmp_path: Path, form: str, deaths: list[tuple[str, int]]
) -> None:
    hours_of(lake, 3)
    once, often = tmp_path / "once", tmp_path / "often"
    exported(lake, once, form=form)
    whole = {name: text for name, text in files_of(once).items() if not name.startswith("_")}
    for point, nth in deaths:
        assert killed(mongo_uri, lake, often, form, point, nth) == -signal.SIGKILL
        for name, text in files_of(often).items():
            assert name.startswith("_") or whole[name] == text  # nothing but whole files
    done = len([name for name in files_of(often) if not name.startswith("_")])
    assert 0 < done < len(whole)
    assert killed(mongo_uri, lake, often, form, "none", 0) == 0
    found = files_of(often)
    assert parts(found.pop("_manifest.jsonl")) == parts(files_of(once)["_manifest.jsonl"])
    assert {name: text for name, text in found.items() if name != "_lock"} == whole


def parts(manifest: bytes) -> dict[tuple[str, str], Document]:
    """What it says last of each file."""
    _head, *lines = map(json.loads, manifest.splitlines())
    return {(line["collection"], line["hour"]): line for line in lines}


def run(environment: dict[str, str], *options: str) -> "subprocess.CompletedProcess[bytes]":
    return processes.run(
        scrapy("export", *options),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_the_command(lake: Any, environment: dict[str, str], tmp_path: Path) -> None:
    hours_of(lake, 3)
    out = str(tmp_path / "out")
    # 20:00 in China is 12:00 UTC.
    options = ["ranks", "users", "--from", "2026-01-31T20", "--out", out, "--json"]
    ended = run(environment, *options)
    assert (ended.returncode, ended.stderr) == (0, b"")
    counts = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(each["collection"], each["rows_written"]) for each in counts] == [
        ("ranks", 4),
        ("users", 2),
    ]
    assert len(pd.read_parquet(f"{out}/ranks")) == 4
    streamed = run(
        environment, "users", "--format", "csv", "--bom", "--out", "-", "--to", "2026-01-31T20:30"
    )
    assert streamed.returncode == 0
    head, *rows = streamed.stdout.decode("utf-8-sig").split("\r\n")
    assert head.startswith("_id,user_id,sec_uid,")
    assert [row.split(",")[0] for row in rows] == [f'"{ID}"', f'"{ID + 1}"', ""]
