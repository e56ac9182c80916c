"""The watch list as JSON Lines, one anchor a line: what an export writes, and an import reads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError
from rankspider.lake.collections import Document
from rankspider.watch.terms import Terms, TermsError


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """Times are seconds; what is not said holds as for an anchor that is added without it."""

    sec_uid: str
    every: float | None = None
    at_most: float | None = None
    steady: bool | None = None
    label: str | None = None
    paused: bool = False


_lines = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class Imported:
    sec_uid: str
    terms: Terms
    paused: bool


def line_of(document: Document) -> str:
    """Return the line of an anchor, by its document."""
    columns = {name: document[name] for name in _Line.__struct_fields__}
    return msgspec.json.encode(columns).decode() + "\n"


def read_lines(lines: Iterable[bytes]) -> Iterator[Imported]:
    """Yield what ``lines`` say; blank ones are skipped. Raises `TermsError`, with the number of the
    line, for one that makes no sense."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            parsed = _lines.decode(line)
            sec_uid = sec_uid_of(parsed.sec_uid.encode())
            terms = Terms(parsed.every, parsed.at_most, parsed.steady, parsed.label)
        except (msgspec.MsgspecError, UnicodeError, MemberError, TermsError) as error:
            raise TermsError(f"line {number}: {error}") from None
        yield Imported(sec_uid, terms, parsed.paused)
