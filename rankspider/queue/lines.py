"""Anchors from text, one a line, read as they come."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase

from rankspider.endpoint.sec_uid import LONGEST_MEMBER, sec_uid_of
from rankspider.errors import MemberError

_CHUNK_BYTES = 256 * 1024
_COMMENT = b"#"


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that names no anchor."""

    line: int
    """From 1."""
    reason: str
    text: bytes
    """Cut when it is longer than a member may be."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read brought: at once from a slow pipe, thousands of lines from a file."""

    last_line: int
    anchors: list[str]
    """In order, each in its normal form, the bare ``sec_id``."""
    refused: list[Refused]


def read_anchors(file: BufferedIOBase) -> Iterator[Batch]:
    """Read ``file`` to its end; blank lines and those that begin with ``#`` are skipped."""
    last = 0
    for lines in _whole_lines(file):
        anchors, refused = [], []
        for number, line in enumerate(lines, last + 1):
            # Files with a byte order mark may have been joined, so it can stand before any line.
            text = line.removeprefix(codecs.BOM_UTF8)
            try:
                anchors.append(sec_uid_of(text))
            except MemberError as error:
                if not _is_skipped(text):
                    refused.append(Refused(number, str(error), text))
        last += len(lines)
        yield Batch(last, anchors, refused)


def _is_skipped(text: bytes) -> bool:
    # One that was cut may go on with anything.
    is_blank = len(text) <= LONGEST_MEMBER and not text.strip()
    return is_blank or text.lstrip().startswith(_COMMENT)


def _whole_lines(file: BufferedIOBase) -> Iterator[list[bytes]]:
    rest = b""
    while chunk := file.read1(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        # Enough to tell that it is too long, however much of it comes.
        rest = rest[: LONGEST_MEMBER + 1]
        if lines:
            yield lines
    if rest:
        yield [rest]
