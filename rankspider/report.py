"""An answer as typed rows, and the three ways it is written: a table, JSON Lines, CSV.

A row is a dataclass, and its fields are the columns, in their order. In the table, ``Annotated[…,
Column(…)]`` gives one another head than its name, or leaves it out; JSON and CSV hold all of them,
under their own names.
"""

import csv
import dataclasses
import datetime as dt
import io
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rankspider.moments import hour_text, moment_text
from rankspider.terminal import harmless, shortened, table

_TEXT_COLUMNS = 40
_NUMBERS = {int, float}


@dataclass(frozen=True, slots=True)
class Report:
    """What a question came to."""

    head: str
    """One line above the table."""
    row: type
    """The dataclass of ``rows``."""
    rows: Sequence[Any]
    notes: Sequence[str] = ()
    """Lines under the table."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a field of a row stands in a table."""

    head: str | None = None
    """None: the field's name."""
    is_shown: bool = True
    is_hour: bool = False
    """A time is shown to the minute and with its offset, as the start of a ranked hour."""


Hour = Annotated[dt.datetime, Column(is_hour=True)]
"""The start of a ranked hour."""
Hidden = Annotated[str, Column(is_shown=False)]
"""A text that scripts need and a table has no room for."""


def table_of(report: Report, zone: dt.tzinfo) -> str:
    """What a person reads, times in ``zone``."""
    lines = [report.head, ""]
    if report.rows:
        lines += _table(report, zone)
    else:
        lines.append("Nothing to show.")
    if report.notes:
        lines += ["", *report.notes]
    return "".join(f"{line}\n" for line in lines)


def json_of(report: Report) -> Iterator[str]:
    """One object a line, times in UTC."""
    for row in report.rows:
        yield msgspec.json.encode(row).decode() + "\n"


def csv_of(report: Report, zone: dt.tzinfo, text: Callable[[str], str] = str) -> Iterator[str]:
    """A head and a line a row, times in ``zone`` with their offset; ``text`` is done to texts."""
    names = [field.name for field in dataclasses.fields(report.row)]
    yield _csv_line(names)
    for row in report.rows:
        yield _csv_line([_csv_cell(getattr(row, name), zone, text) for name in names])


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _csv_cell(value: Any, zone: dt.tzinfo, text: Callable[[str], str]) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return text(", ".join(map(str, value)))
    return text(value) if isinstance(value, str) else str(value)


def _table(report: Report, zone: dt.tzinfo) -> list[str]:
    hints = typing.get_type_hints(report.row, include_extras=True)
    shown = {name: each for name, hint in hints.items() if (each := _column(hint)).is_shown}
    heads = [
        (" " if _is_number(hints[name]) else "") + (each.head or name.replace("_", " "))
        for name, each in shown.items()
    ]
    rows = [
        [_cell(getattr(row, name), each, zone) for name, each in shown.items()]
        for row in report.rows
    ]
    return table(heads, rows)


def _column(hint: Any) -> Column:
    marks = getattr(hint, "__metadata__", ())
    return next((mark for mark in marks if isinstance(mark, Column)), Column())


def _is_number(hint: Any) -> bool:
    plain = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    kinds = typing.get_args(plain) if isinstance(plain, types.UnionType) else (plain,)
    return set(kinds) - {types.NoneType} <= _NUMBERS


def _cell(value: Any, column: Column, zone: dt.tzinfo) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, dt.datetime):
        return (hour_text if column.is_hour else moment_text)(value, zone)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return shortened(harmless(text), _TEXT_COLUMNS)
