"""Anchors from a text file, read as it comes: one a line, a table with a head, or JSON."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BufferedIOBase

from rankspider.endpoint.sec_uid import is_known_name, is_utf16, sec_uid_by, sec_uids_in, text_of
from rankspider.errors import MemberError
from rankspider.queue.table import Line, Table, may_be_head, table_by, table_under, table_with

_CHUNK_BYTES = 256 * 1024
_LONGEST_LINE = 64 * 1024
_COMMENT = b"#"
# Excel's first line of a table: which separator follows.
_SEPARATOR_LINE = re.compile(r"sep=.")
_UTF16 = "UTF-16 text: save the file as UTF-8, as 'iconv -f UTF-16 -t UTF-8' does"
_NOT_TEXT = {
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PK\3\4": "a workbook or another zip file: save its sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save its sheet as CSV UTF-8",
    b"\x1f\x8b": "compressed: unpack it, as in 'zcat FILE | scrapy enqueue'",
    b"\x28\xb5\x2f\xfd": "compressed: unpack it, as in 'zstdcat FILE | scrapy enqueue'",
    b"BZh": "compressed: unpack it, as in 'bzcat FILE | scrapy enqueue'",
    b"\xfd7zXZ": "compressed: unpack it, as in 'xzcat FILE | scrapy enqueue'",
    b"PAR1": "a Parquet file: save its column as CSV",
    b"%PDF": "a PDF file: save what it says as text",
}
# A list, or an object over several lines. `[` begins shared text as well.
_DOCUMENT = re.compile(rb"\s*(\[\s*([\[\]{\"]|$)|\{[ \t]*[\r\n])")
# Between two values, whatever list they stand in.
_BETWEEN = re.compile(r"[\s,\[\]]*")
_VALUES_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that names no anchor."""

    line: int
    """From 1."""
    reason: str
    text: bytes
    """Cut when it is longer than a line may be."""


@dataclass(slots=True)
class Batch:
    """The anchors and the refused lines of one read: at once from a slow pipe, thousands of lines
    from a file."""

    last_line: int = 0
    """All up to it have been seen to."""
    anchors: list[str] = field(default_factory=list)
    """In order, each in its normal form, the bare ``sec_uid``."""
    refused: list[Refused] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """How the file is read, for the person who gave it."""

    def take(self, line: Line, anchors_in: Callable[[str], list[str]]) -> None:
        """Note the anchors of ``line``, or why it is refused."""
        number, text = line
        try:
            self.anchors += anchors_in(text)
        except MemberError as error:
            self.refused.append(Refused(number, str(error), text.encode("utf-8", "replace")))


def read_anchors(file: BufferedIOBase, column: str | None = None) -> Iterator[Batch]:
    """Read ``file`` to its end; blank lines and those that begin with ``#`` are skipped.

    ``column`` is the one to read: its head or its number from 1, or a name in JSON objects.
    Raises `MemberError` if there is none, or without ``column`` if several may be meant.
    """
    chunk = file.read1(_CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
    what = next((_NOT_TEXT[magic] for magic in _NOT_TEXT if chunk.startswith(magic)), None)
    if what is not None or is_utf16(chunk):
        yield Batch(1, refused=[Refused(1, what or _UTF16, b"")])
    elif _DOCUMENT.match(chunk):
        yield from _read_document(chunk + file.read(), column)
    else:
        lines = _Lines(column)
        for some in _whole_lines(chunk, file):
            yield lines.read(some)
        yield lines.end()


class _Lines:
    """Those of one file. Its first says what the others are: see ``_take``."""

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._number = 0
        self._table: Table | None = None
        self._head: Line | None = None
        """What is a table's head if the next line says so."""
        self._batch = Batch()
        self._take: Callable[[Line], None] = self._take_first

    def read(self, lines: list[bytes]) -> Batch:
        for line in lines:
            self._number += 1
            # Files with a byte order mark may have been joined, so it can stand before any line.
            self._read_line(line.removeprefix(codecs.BOM_UTF8))
        return self._take_batch()

    def end(self) -> Batch:
        if self._head is not None:
            self._take_plain(self._head)
            self._head = None
        if self._table is not None:
            self._take_rows(self._table.end())
        return self._take_batch()

    def _take_batch(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        is_open = self._head[0] if self._head else self._table and self._table.open_line
        batch.last_line = is_open - 1 if is_open else self._number
        return batch

    def _read_line(self, raw: bytes) -> None:
        is_in_row = self._table is not None and self._table.open_line is not None
        if not is_in_row and (not raw.strip() or raw.lstrip().startswith(_COMMENT)):
            # One that was cut may go on with anything.
            if len(raw) <= _LONGEST_LINE or raw.strip():
                return
        try:
            if len(raw) > _LONGEST_LINE:
                raise MemberError(f"longer than {_LONGEST_LINE} bytes")
            text = text_of(raw)
        except MemberError as error:
            self._batch.refused.append(Refused(self._number, str(error), raw))
            return
        self._take((self._number, text))

    def _take_first(self, line: Line) -> None:
        _, text = line
        if _SEPARATOR_LINE.fullmatch(text.strip()):
            return
        self._take = self._take_plain
        if text.lstrip().startswith("{"):  # JSON, one object a line
            self._take_plain(line)
        elif self._column is not None:
            self._begin(table_by(self._column, text))
            if self._table is not None and self._table.head is None:
                self._take(line)
        elif _names_anchors(text):
            self._take_plain(line)
        elif is_known_name(text.strip(" \t\r\"',;")):
            pass  # the head of one column: plain lines follow
        elif (table := table_under(text)) is not None:
            self._begin(table)
        elif may_be_head(text):
            self._head, self._take = line, self._take_second
        else:
            self._take_plain(line)

    def _take_second(self, line: Line) -> None:
        assert self._head is not None
        head, self._head, self._take = self._head, None, self._take_plain
        if (table := table_with(head[1], line[1])) is None:
            self._take_plain(head)
        elif len(table.head or ()) > 1:
            self._begin(table)
        else:
            self._batch.remarks.append(f"line {head[0]} is its head: {head[1].strip()}")
        self._take(line)

    def _begin(self, table: Table) -> None:
        self._table, self._take = table, self._take_row
        self._batch.remarks.append(f"read by the column {table.name}")

    def _take_row(self, line: Line) -> None:
        assert self._table is not None
        self._take_rows(self._table.add(line))

    def _take_rows(self, rows: list[Line]) -> None:
        assert self._table is not None
        for row in rows:
            self._batch.take(row, self._table.anchors_in)

    def _take_plain(self, line: Line) -> None:
        self._batch.take(line, self._anchors_in)

    def _anchors_in(self, text: str) -> list[str]:
        if self._column is not None:
            with suppress(ValueError):
                return _anchors_in_json(text, self._column)
        return sec_uids_in(text)


def _anchors_in_json(text: str, column: str | None) -> list[str]:
    return [sec_uid_by(json.loads(text), column)]


def _names_anchors(text: str) -> bool:
    try:
        return bool(sec_uids_in(text))
    except MemberError:
        return False


def _whole_lines(chunk: bytes, file: BufferedIOBase) -> Iterator[list[bytes]]:
    rest = b""
    while chunk:
        *lines, rest = (rest + chunk).split(b"\n")
        # Enough to tell that it is too long, however much of it comes.
        rest = rest[: _LONGEST_LINE + 1]
        if lines:
            yield lines
        chunk = file.read1(_CHUNK_BYTES)
    if rest:
        yield [rest]


def _read_document(raw: bytes, column: str | None) -> Iterator[Batch]:
    """Yield the values of JSON that is no single line an object, those of lists each by itself."""
    batch, line, end = Batch(), 1, 0
    text = text_of(raw)
    while (start := _BETWEEN.match(text, end).end()) < len(text):  # type: ignore[union-attr]
        line += text.count("\n", end, start)
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            rest = text[start : start + _LONGEST_LINE].encode("utf-8", "replace")
            batch.refused.append(Refused(line, "no JSON from here on, so the rest is unread", rest))
            break
        batch.take((line, text[start:end]), partial(_anchors_in_json, column=column))
        line += text.count("\n", start, end)
        batch.last_line = line
        if len(batch.anchors) + len(batch.refused) >= _VALUES_AT_ONCE:
            yield batch
            batch = Batch()
    yield batch
