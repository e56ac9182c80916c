"""What the benchmarks' figures are made of."""

import pytest

from benchmarks.figures import figures_of, rss_at, skipped
from benchmarks.observe import Run, Sample
from benchmarks.report import Line, table


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
