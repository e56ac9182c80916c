"""A table in a text file, with a head: its rows, and the column that names anchors."""

import csv
import re
from dataclasses import dataclass, field

from rankspider.endpoint.sec_uid import is_known_name, sec_uid_in
from rankspider.errors import MemberError

_DELIMITERS = ",\t;|"
_BEGINS_A_SEC_UID = "MS4wLjABAAAA"
_LONGEST_ROW = 64 * 1024
# What stands in a row, or is meant to name an anchor, and in no head.
_NO_HEAD = re.compile(r"MS4w|[{}]|://|douyin\.com")
# Heads of a column that stands alone, where any other word may be a slip.
_HEAD = re.compile(r"(?i)[^\d]*(uid|\bids?\b|sec_?id|url|link|anchor|member|主播|主页|链接)[^\d]*")

Line = tuple[int, str]
"""Its number from 1, and what it says."""


@dataclass(slots=True)
class Table:
    """The rows that follow a head. A row may take several lines, within quotes."""

    delimiter: str
    column: int
    """From 0."""
    name: str
    """Of the column, for people."""
    head: list[str] | None
    _open: list[Line] = field(default_factory=list)

    @property
    def open_line(self) -> int | None:
        """Return the number of the first line of a row that has not ended."""
        return self._open[0][0] if self._open else None

    def add(self, line: Line) -> list[Line]:
        """Return the rows that end with ``line``, each with the number of its first line."""
        self._open.append(line)
        if sum(_BEGINS_A_SEC_UID in text for _, text in self._open) > 1:
            return self.end()  # a quote that never ends must not hide the rows after it
        row = "\n".join(text for _, text in self._open)
        if not row.count('"') % 2:
            number, self._open = self._open[0][0], []
            return [(number, row)]
        return self.end() if len(row) > _LONGEST_ROW else []

    def end(self) -> list[Line]:
        """Return each of the lines of a row that has not ended, as a row by itself."""
        lines, self._open = self._open, []
        return lines

    def anchors_in(self, row: str) -> list[str]:
        """Return the one anchor of ``row``, or none for one of empty cells, and for the head, which
        joined files repeat. Raises `MemberError`."""
        cells = _cells(row, self.delimiter)
        if cells == self.head or not any(cells):
            return []
        if len(cells) <= self.column:
            raise MemberError(f"{len(cells)} columns, without {self.name}")
        if not cells[self.column]:
            raise MemberError(f"nothing in the column {self.name}")
        return [sec_uid_in(cells[self.column])]


def table_by(column: str, first: str) -> Table:
    """Return the table of which ``first`` is the first line: its head, unless ``column`` is a
    number and this row names an anchor there. Raises `MemberError`."""
    delimiter, cells = _split(first)
    names = [cell.casefold() for cell in cells]
    if column.strip().casefold() in names:
        place = names.index(column.strip().casefold())
        return Table(delimiter, place, cells[place], cells)
    if not (column.isdecimal() and 1 <= int(column) <= len(cells)):
        raise MemberError(f"--column {column}: its columns are {', '.join(cells)}")
    table = Table(delimiter, int(column) - 1, f"number {column}", None)
    try:
        table.anchors_in(first)
    except MemberError:
        table.head = cells
    return table


def table_under(head: str) -> Table | None:
    """Return the table whose ``head`` says which column names anchors, as programs write it. Raises
    `MemberError` if several do."""
    delimiter, cells = _split(head)
    exact = [place for place, cell in enumerate(cells) if is_known_name(cell)]
    ending = [place for place, cell in enumerate(cells) if is_known_name(cell[-7:])]
    return _table(delimiter, cells, exact or ending)


def may_be_head(line: str) -> bool:
    """Return whether ``line`` may be a head, if the next line names an anchor."""
    _, cells = _split(line)
    if _NO_HEAD.search(line):
        return False
    if len(cells) == 1:
        return _HEAD.fullmatch(cells[0]) is not None
    return all(cell and not re.fullmatch(r"[\d.,\s]+", cell) for cell in cells)


def table_with(head: str, row: str) -> Table | None:
    """Return the table whose first ``row`` has one cell that names an anchor. Raises `MemberError`
    if several do."""
    delimiter, cells = _split(head)
    return _table(
        delimiter,
        cells,
        [
            place
            for place, cell in enumerate(_cells(row, delimiter)[: len(cells)])
            if _is_anchor(cell)
        ],
    )


def _table(delimiter: str, head: list[str], columns: list[int]) -> Table | None:
    if len(columns) > 1:
        names = ", ".join(head[column] for column in columns)
        raise MemberError(f"each of the columns {names} may be meant: say which with --column")
    return Table(delimiter, columns[0], head[columns[0]], head) if columns else None


def _is_anchor(cell: str) -> bool:
    try:
        return bool(sec_uid_in(cell))
    except MemberError:
        return False


def _split(head: str) -> tuple[str, list[str]]:
    """Split ``head`` by the delimiter that makes the most of it, without what trails."""
    delimiter = max(_DELIMITERS, key=lambda each: len(_cells(head, each)))
    cells = _cells(head, delimiter)
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return delimiter, cells


def _cells(row: str, delimiter: str) -> list[str]:
    reader = csv.reader(
        [row],
        delimiter=delimiter,
        # A quote by itself is a part of the text.
        quoting=csv.QUOTE_NONE if row.count('"') % 2 else csv.QUOTE_MINIMAL,
        skipinitialspace=True,
    )
    return [cell.strip() for cell in next(reader, [])]
