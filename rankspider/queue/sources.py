"""Open what a producer reads anchors from: arguments, files, standard input."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import cast

from scrapy.exceptions import UsageError

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, RankspiderError
from rankspider.queue.lines import Batch, read_anchors

_STDIN = "-"
_ARGUMENT = "argument"
_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xls", ".xlsx")

Source = tuple[str, BufferedIOBase]
"""A file, and what to call it."""


def sources_of(command: str, args: list[str], files: list[str], stack: ExitStack) -> list[Source]:
    """Return what ``command`` is to read, each source with its name, opened before anything is
    done."""
    for arg in args:
        if arg.startswith("-") and arg != _STDIN:
            raise UsageError(f"not understood: {arg}")
    sources: list[Source] = []
    anchors = [member_of(arg) for arg in args if arg != _STDIN]
    if anchors:
        sources.append((_ARGUMENT, BytesIO(b"\n".join(anchors))))
    for file in files:
        if file != _STDIN:
            sources.append((file, stack.enter_context(_opened(file))))
    if _STDIN in (*args, *files) or not sources:
        sources.append(("standard input", _standard_input(command, named=bool(args or files))))
    return sources


def member_of(arg: str) -> bytes:
    """Return the anchor that an argument names, as a line of a file. Raises `UsageError` for a
    file's name."""
    given = arg.encode("utf-8", "surrogateescape")
    try:
        return sec_uid_of(given).encode()
    except MemberError:
        if Path(arg).is_file():
            raise UsageError(f"{arg} is a file: did you mean --file {arg}?") from None
        if Path(arg).suffix.lower() in _SUFFIXES and "://" not in arg:
            raise UsageError(f"{arg}: no such file, and no anchor") from None
        return given


def _opened(file: str) -> BufferedIOBase:
    if not file:
        raise UsageError("--file: name a file")
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise UsageError(f"--file: cannot read {file}: {error.strerror}") from error


def _standard_input(command: str, *, named: bool) -> BufferedIOBase:
    if sys.stdin is None or (not named and sys.stdin.isatty()):
        raise UsageError(
            f"no anchors: name some, as in 'scrapy {command} MS4wLjABAAAA...', or a file of them "
            f"with --file, or pipe them in, as in 'cat anchors.txt | scrapy {command}'"
        )
    return cast("BufferedIOBase", sys.stdin.buffer)


def batches_of(
    sources: list[Source], column: str | None, certain: Callable[[], str]
) -> Iterator[tuple[str, Batch]]:
    """Yield what ``sources`` say, each batch with the name of its source. Raises `RankspiderError`
    for one that cannot be read, and adds what is ``certain`` by then."""
    for name, file in sources:
        try:
            # What was named as an argument stands in no table.
            for batch in read_anchors(file, None if name == _ARGUMENT else column):
                yield name, batch
        except MemberError as error:
            raise MemberError(f"{name}: {error}; {certain()}") from None
        except OSError as error:
            raise RankspiderError(
                f"{name} cannot be read to its end: {error.strerror}; {certain()}"
            ) from error
