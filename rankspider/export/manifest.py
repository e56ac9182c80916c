"""Keep the list of what an export folder holds: a line a finished file, and first of all how they
were written."""

import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

from rankspider.errors import ExportError
from rankspider.export.rows import time_text

_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Part:
    """One file: what a collection held in one hour."""

    collection: str
    hour: dt.datetime
    rows: int
    """0: it held something once, and its file is gone."""
    bytes: int
    final: bool
    """Whether the hour was over when it was read."""
    seen_ms: int | None = None
    """`rankspider.export.source.Extent.seen_ms` then; None: an earlier release did not note it."""

    @classmethod
    def of(cls, line: dict[str, Any]) -> Self:
        return cls(**{**line, "hour": dt.datetime.fromisoformat(line["hour"])})

    @property
    def line(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**fields, "hour": time_text(self.hour)}) + "\n"


class Manifest:
    """The lines of ``path``, the last of a file being the one that counts.

    They are appended, each durable before the next file is begun: a process that is killed
    leaves at most its last line torn, which is left out when it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[tuple[str, dt.datetime], Part] = {}
        self._file: TextIO | None = None

    def open(self, options: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
        """Begin, or go on if ``options`` and the columns (``schemas``) are those it began with.

        Raises `ExportError` if they are not.
        """
        known: dict[str, Any] = {}
        if self._path.exists():
            known = self._read(options, schemas)
        head = json.dumps({**options, "columns": {**known, **schemas}}, ensure_ascii=False)
        unfinished = self._path.with_name(self._path.name + _UNFINISHED)
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines([head + "\n", *(part.line for part in self._parts.values())])
            os.fsync(file.fileno())
        unfinished.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def part(self, collection: str, hour: dt.datetime) -> Part | None:
        return self._parts.get((collection, hour))

    def parts(self, collection: str) -> list[Part]:
        """Return the files that are there, oldest hour first."""
        mine = (part for part in self._parts.values() if part.collection == collection)
        return sorted(mine, key=lambda part: part.hour)

    def record(self, part: Part) -> None:
        """Keep ``part`` in place of what was known of its hour."""
        assert self._file is not None
        self._remember(part)
        self._file.write(part.line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _remember(self, part: Part) -> None:
        self._parts.pop((part.collection, part.hour), None)
        if part.rows:
            self._parts[part.collection, part.hour] = part

    def _read(self, options: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
        *lines, _torn = self._path.read_text(encoding="utf-8").split("\n")
        try:
            head, *parts = map(json.loads, lines)
            columns: dict[str, Any] = head.pop("columns")
            for part in parts:
                self._remember(Part.of(part))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ExportError(
                f"{self._path} cannot be read: choose another folder, or remove this one"
            ) from None
        self._compare(head, options)
        common = columns.keys() & schemas.keys()
        self._compare(
            {f"columns of {name}": columns[name] for name in common},
            {f"columns of {name}": schemas[name] for name in common},
        )
        return columns

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise ExportError(
                    f"{self._path.parent} was exported with another {name}"
                    f"{_difference(before.get(name), now.get(name))}: choose another folder"
                )


def _difference(before: object, now: object) -> str:
    short = isinstance(before, str | bool) and isinstance(now, str | bool)
    return f" ({before}, now {now})" if short else ""
