"""The harness measures what it says, and a short run of it works from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import figures_of, rss_at, skipped
from benchmarks.observe import Run, Sample
from benchmarks.report import Line, table

ROOT = Path(__file__).parent.parent


def samples(*looks: tuple[float, int, float]) -> list[Sample]:
    """Of (time, answers, the worker's CPU seconds)."""
    return [Sample(at, answers, {"worker": cpu}, answers * 10) for at, answers, cpu in looks]


def test_a_tenth_is_skipped_in_whole_batches() -> None:
    assert [skipped(n) for n in (64, 320, 330, 3200)] == [32, 32, 48, 320]


def test_start_and_end_of_the_process_are_left_out() -> None:
    # Two seconds to start, ten answers a second at 50 ms each, three seconds to end.
    looks = samples((0, 0, 0), (2, 0, 2), (34, 320, 18), (37, 320, 19))
    figures = figures_of(Run(looks, peak_rss=1), 320)
    assert figures.answers_per_second == pytest.approx(10)
    assert figures.cpu_ms_per_answer == pytest.approx(50)
    assert figures.cores["worker"] == pytest.approx(0.5)
    assert figures.answers == 288


def test_memory_is_read_between_two_looks() -> None:
    run = Run(samples((0, 0, 0), (1, 100, 0), (2, 200, 0)), peak_rss=1)
    assert rss_at(run, 150) == pytest.approx(1500)


def test_the_table_says_what_was_missed() -> None:
    line = Line("asked-again", "answers/s", "", ours=20.0, reference=10.0, target="≥ 40", ok=False)
    assert "missed" in table([line]).splitlines()[1]


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
