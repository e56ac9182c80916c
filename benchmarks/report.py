"""The table for people and the JSON for scripts."""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_LIBRARIES = ("Scrapy", "Twisted", "scrapy-redis", "pymongo", "redis", "msgspec")


@dataclass(frozen=True)
class Line:
    """One figure in the three columns; None where a column has none."""

    scenario: str
    figure: str
    unit: str
    ours: float
    reference: float | None = None
    limit: float | None = None
    target: str = ""
    """What is to be reached, in words; empty for a figure that is only stated."""
    ok: bool | None = None
    over_reference: float | None = None
    """Median of the ratios of the pairs, not the ratio of the medians."""
    over_limit: float | None = None
    note: str = ""
    runs: dict[str, list[Any]] = field(default_factory=dict)
    """Every run behind it."""


def machine() -> dict[str, Any]:
    """Where this was measured."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(lines: Sequence[Line]) -> str:
    """Aligned columns."""
    heads = ["scenario", "figure", "reference", "this project", "limit"]
    heads += ["÷ reference", "÷ limit", "to reach", ""]
    rows = [heads, *([*_cells(line)] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 1, 7, 8) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(line: Line) -> list[str]:
    verdict = {True: "reached", False: "missed", None: ""}[line.ok]
    return [
        line.scenario,
        f"{line.figure}, {line.unit}" if line.unit else line.figure,
        *(_number(value) for value in (line.reference, line.ours, line.limit)),
        *(_number(value) for value in (line.over_reference, line.over_limit)),
        line.target,
        " ".join(part for part in (verdict, line.note) if part),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write_json(path: Path, lines: Sequence[Line], where: dict[str, Any], how: Any) -> None:
    """All lines with all their runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": where, "options": how, "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
