"""The harness measures what it says, and a short run of it works from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT


@pytest.mark.long
def test_a_short_run_fills_all_three_columns(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "never-seen", "--json", str(out)]
    small = ["--rows", "3", "--answers", "512", "--reference-answers", "64", "--repeats", "1"]
    ended = subprocess.run(
        [*command, *small, "--no-default-logs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    rate, cpu, closing, wire = json.loads(out.read_text())["lines"]
    for line in (rate, cpu):
        assert min(line["reference"], line["ours"], line["limit"]) > 0
    assert min(closing["reference"], closing["ours"], closing["limit"]) >= 0
    assert wire["runs"]["wire"][0]["writes"] >= 4 * 512


def test_an_unknown_scenario_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks", "nonsense"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "asked-again" in ended.stderr
