"""An answer as typed rows, and the three ways it is written: a table, JSON Lines, CSV.

A row is a dataclass, ``kw_only``, and its fields are the columns, in their order. In the table,
``column()`` gives one another head than its name, or keeps it out; JSON and CSV hold all of them,
under their own names.
"""

import csv
import dataclasses
import datetime as dt
import io
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from rankspider.moments import hour_text, moment_text
from rankspider.terminal import harmless, harmless_json, shortened, table

_TEXT_COLUMNS = 40
_NUMBERS = {int, float}
# The wide ones are what some spreadsheets take for the same; a tab is escaped by then.
_FORMULA = (*"=+-@\t\r", *"＝＋－＠", "\\t", "\\r")


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a question, as rows and columns."""

    head: str
    """One line above the table."""
    row: type
    """The dataclass of ``rows``."""
    rows: Sequence[Any]
    notes: Sequence[str] = ()
    """Lines under the table."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What JSON and CSV say in every row, behind its own columns, since they have no head line."""


def column(head: str | None, *, is_hour: bool = False) -> Any:
    """Return a field with its ``head`` in the table (None: it is not shown there).

    ``is_hour``: a time shown to the minute and with its offset, as the start of a ranked hour.
    """
    return dataclasses.field(metadata={"head": head, "is_hour": is_hour})


def table_of(report: Report, zone: dt.tzinfo) -> str:
    """Return what a person reads, times in ``zone``."""
    lines = [harmless(report.head), ""]
    if report.rows:
        lines += _table(report, zone)
    else:
        lines.append("Nothing to show.")
    if report.notes:
        lines += ["", *map(harmless, report.notes)]
    return "".join(f"{line}\n" for line in lines)


def json_of(report: Report) -> Iterator[str]:
    """Yield one object a line, times in UTC."""
    for row in report.rows:
        yield _json(_columns(report, row)) + "\n"


def json_object(value: Any) -> str:
    """Return one object over several lines, times in UTC."""
    return msgspec.json.format(_json(value), indent=2) + "\n"


def _json(value: Any) -> str:
    # What MongoDB keeps in 64 bits comes as an integer of its own class.
    return harmless_json(msgspec.json.encode(value, enc_hook=int).decode())


def csv_of(
    report: Report,
    zone: dt.tzinfo,
    *,
    headings: Mapping[str, str] = MappingProxyType({}),
    is_defused: bool = False,
) -> Iterator[str]:
    """Yield a head and a line a row, times in ``zone`` with their offset, texts `harmless`:
    programs that read lines take a newline in a cell for the end of one.

    ``headings``: other heads than the names of the columns. ``is_defused``: an apostrophe stands
    before each text that a spreadsheet would take for a formula.
    """
    names = [*(each.name for each in dataclasses.fields(report.row)), *report.context]
    yield _csv_line([headings.get(name, name) for name in names])
    for row in report.rows:
        values = _columns(report, row).values()
        cells = [(value, _csv_cell(value, zone)) for value in values]
        yield _csv_line(
            [_defused(*each) for each in cells] if is_defused else [cell for _, cell in cells]
        )


def _columns(report: Report, row: Any) -> dict[str, Any]:
    own = {each.name: getattr(row, each.name) for each in dataclasses.fields(row)}
    return {**own, **report.context}


def _defused(value: Any, cell: str) -> str:
    is_text = not isinstance(value, int | float | dt.datetime)
    return f"'{cell}" if is_text and cell.lstrip().startswith(_FORMULA) else cell


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _csv_cell(value: Any, zone: dt.tzinfo) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return harmless(", ".join(map(str, value)))
    return harmless(str(value))


def _table(report: Report, zone: dt.tzinfo) -> list[str]:
    shown = [each for each in dataclasses.fields(report.row) if _head(each) is not None]
    hints = typing.get_type_hints(report.row)
    heads = [(" " if _is_number(hints[each.name]) else "") + (_head(each) or "") for each in shown]
    return table(heads, [[_cell(each, row, zone) for each in shown] for row in report.rows])


def _head(field: "dataclasses.Field[Any]") -> str | None:
    head: str | None = field.metadata.get("head", field.name.replace("_", " "))
    return head


def _is_number(hint: Any) -> bool:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return set(kinds) - {types.NoneType} <= _NUMBERS


def _cell(field: "dataclasses.Field[Any]", row: Any, zone: dt.tzinfo) -> str:
    value = getattr(row, field.name)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, dt.datetime):
        return (hour_text if field.metadata.get("is_hour") else moment_text)(value, zone)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return shortened(text, _TEXT_COLUMNS)
