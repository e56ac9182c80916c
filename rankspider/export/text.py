"""JSON Lines and CSV: a line a document, written as it comes."""

import datetime as dt
from typing import Any, BinaryIO

from rankspider.export.rows import Row, json_text, time_text
from rankspider.export.tables import Table


class JsonLines:
    """An object a line; times are ISO 8601 text, lists and the vendor's objects stay what they
    are."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file = file
        self._names = [column.name for column in table.columns]

    def write(self, row: Row) -> None:
        values = map(_cell, row)
        text = json_text(dict(zip(self._names, values, strict=True)))
        self._file.write(text.encode() + b"\n")

    def close(self) -> None:
        """Do nothing: every line is out already."""


class Csv:
    """RFC 4180: text is always quoted and null is nothing at all, so that the two differ."""

    def __init__(self, file: BinaryIO, table: Table, *, mark: bool) -> None:
        """Take ``mark`` to begin with the mark by which Excel knows UTF-8."""
        self._file = file
        names = ",".join(column.name for column in table.columns)
        file.write(("\ufeff" if mark else "").encode() + f"{names}\r\n".encode())

    def write(self, row: Row) -> None:
        self._file.write((",".join(map(_field, row)) + "\r\n").encode())

    def close(self) -> None:
        """Do nothing: every line is out already."""


def _cell(value: Any) -> Any:
    return time_text(value) if isinstance(value, dt.datetime) else value


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, dt.datetime):
        return time_text(value)
    text = value if isinstance(value, str) else json_text(value)
    return '"' + text.replace('"', '""') + '"'
