"""One thing that was looked at, and what all of them come to."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

ERROR: Final = 1
SETTING: Final = 2
SERVER: Final = 3
LICENCES: Final = 4
# Of several, a run would end with the first.
_PRECEDENCE: Final = (SETTING, SERVER, LICENCES, ERROR)


class Level(enum.Enum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    """A run would fail, or bring nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``about`` is a setting's name, a server, a licence; ``remedy`` what mends it, if need be."""

    level: Level
    about: str
    what: str
    remedy: str = ""
    exit_code: int = 0
    """Of the command, if this is what a run would fail for."""
    facts: dict[str, Any] = field(default_factory=dict)
    """For scripts; values of JSON."""
    wait: str = ""
    """For what a run would wait before it begins, if it would."""


def ok(about: str, what: str, **facts: Any) -> Finding:
    return Finding(Level.OK, about, what, facts=facts)


def warning(about: str, what: str, remedy: str, **facts: Any) -> Finding:
    return Finding(Level.WARNING, about, what, remedy, facts=facts)


def failed(exit_code: int, about: str, what: str, remedy: str = "", **facts: Any) -> Finding:
    return Finding(Level.FAILED, about, what, remedy, exit_code, facts)


def exit_code_of(findings: Iterable[Finding]) -> int:
    """Return 0 unless one of them failed."""
    codes = {finding.exit_code for finding in findings if finding.level is Level.FAILED}
    return next((code for code in _PRECEDENCE if code in codes), 0)
