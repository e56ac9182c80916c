"""`scrapy calls` as a process."""

import csv
import datetime as dt
import io
import json
from typing import Any

import pytest

from rankspider.lake.call import OK
from tests.support import processes
from tests.support.project import ROOT, scrapy
from tests.support.stored_calls import FIGURES, FROM_TO, MADE, SHANGHAI, counted, lake_with_calls

FIGURES_SHOWN = ["no", "own", "ok", "%", "bytes", "mean", "ms", "first", "last"]


@pytest.fixture
async def lake(async_database: Any, database: Any) -> Any:
    return await lake_with_calls(async_database, database)


def run(environment: dict[str, str], *options: str) -> str:
    """What the command prints, as a process of its own."""
    command = scrapy("calls", *options)
    ended = processes.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_the_command(lake: Any, environment: dict[str, str]) -> None:
    lines = [json.loads(line) for line in run(environment, *FROM_TO, "--json").splitlines()]
    assert [list(line) for line in lines] == [["hour", *FIGURES]] * 8
    hours = counted(MADE, "hour")
    for line, ((hour,), expected) in zip(lines, sorted(hours.items()), strict=True):
        times = [dt.datetime.fromisoformat(line.pop(name)) for name in ("hour", *FIGURES[-2:])]
        assert [*line.values(), *times[1:]] == expected
        assert times[0] == hour

    rows = list(csv.reader(io.StringIO(run(environment, "--by=day,licence", *FROM_TO, "--csv"))))
    assert rows[0] == ["day", "licence", *FIGURES]
    assert {(row[0], row[1] or None): int(row[2]) for row in rows[1:]} == {
        group: figures[0] for group, figures in counted(MADE, "day", "licence").items()
    }

    shown = run(environment, *FROM_TO, "--by", "outcome").splitlines()
    assert shown[0] == "Calls, 2026-03-01 20:00+08:00 to 2026-03-02 04:00+08:00 (8 hours)"
    assert shown[2].split() == ["outcome", "calls", "ok", "failed", *FIGURES_SHOWN]
    ok = counted(MADE, "outcome")[(OK,)]
    assert ok[3] > 0
    assert shown[3].split()[:6] == ["ok", f"{ok[0]}", f"{ok[0]}", "0", f"{ok[3]}", "100.0"]
    assert shown[3].endswith(f"  {ok[-1].astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}")
    total = counted(MADE)[()]
    said = "calls: {}, ok: {}, failed: {}, without the anchor's own standing: {}, bytes: {:,}"
    assert shown[-1] == said.format(*total[:4], total[5])
