"""Log records and tracebacks fit to be read, whoever logs them and whichever handler writes them.

None holds a licence or a password. What a server, a member of the queue or a file said is text in
them and no more: it starts no line of the log, and steers no terminal.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from numbers import Number
from types import TracebackType
from typing import Any

from rankspider.secrecy import HIDDEN, discreet
from rankspider.terminal import harmless

# What Scrapy lays out over several lines: the names of its parts and settings.
_LAID_OUT = ("scrapy.addons", "scrapy.crawler", "scrapy.middleware", "scrapy.statscollectors")
_INDENT = "    "


def install() -> None:
    """Filter all logging for as long as the process lives: what ends last may still tell of a call.

    It covers handlers that are there and those to come. To call it again changes nothing.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))
    # Python's own; others have their reasons.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda its: _log_uncaught(
            its.exc_type, its.exc_value, its.exc_traceback
        )
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda its: _log_uncaught(
            its.exc_type, its.exc_value, its.exc_traceback
        )


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Log what Python says of an error that nobody has caught."""
    lines = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(f"{_indented(lines)}\n")


class _Factory:
    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        record.__class__ = _masking_class(type(record))  # type: ignore[arg-type]
        return record


def _laid_out(name: str) -> Any:
    def get(record: logging.LogRecord) -> str | None:
        text: str | None = record.__dict__[name]
        return text and _INDENT + _indented(text)

    def put(record: logging.LogRecord, text: str | None) -> None:
        record.__dict__[name] = text

    return property(get, put)


class _MaskingRecord(logging.LogRecord):
    """Made so when a handler asks for its text: most records are never written."""

    exc_text = _laid_out("exc_text")
    stack_info = _laid_out("stack_info")

    def getMessage(self) -> str:  # noqa: N802  # logging's
        """Return the message without secrets. Raises what `logging.LogRecord` raises for arguments
        that do not fit; the handler then shows them, and so they are made fit as well."""
        try:
            message = super().getMessage()
        except Exception:
            hidden = discreet(str(self.msg)) != str(self.msg) or "token=" in str(self.msg)
            shown = _hidden if hidden else _masked_argument
            self.msg = _masked_argument(self.msg)
            self.args = _each(self.args, shown)
            raise
        if harmless(message) == message == discreet(message):
            return message
        if self.name not in _LAID_OUT:
            self.args = _each(self.args, _OneLine)
        fit = _lines if self.name.startswith("scrapy.") else _indented
        message = fit(super().getMessage())
        self.msg, self.args = message, None
        return message


@cache
def _masking_class(kind: type[logging.LogRecord]) -> type[logging.LogRecord]:
    """Return a record class fit to hide secrets. ``kind`` may be one of the user's own, whose
    factory may call the one installed here."""
    if issubclass(kind, _MaskingRecord):
        return kind
    if kind is logging.LogRecord:
        return _MaskingRecord  # which another process can unpickle
    return type(kind.__name__, (_MaskingRecord, kind), {})


class _OneLine:
    """An argument whose text is on one line."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return harmless(str(self._value))

    def __repr__(self) -> str:
        return harmless(repr(self._value))


def _each(args: Any, change: Callable[[object], object]) -> Any:
    if isinstance(args, Mapping):
        return {name: _changed(value, change) for name, value in args.items()}
    return tuple(_changed(value, change) for value in args) if isinstance(args, tuple) else args


def _changed(value: object, change: Callable[[object], object]) -> object:
    return value if isinstance(value, Number) else change(value)


def _lines(text: str) -> str:
    return "\n".join(map(harmless, discreet(text).rstrip("\n").split("\n")))


def _indented(text: str) -> str:
    """Return all lines of the traceback but the first."""
    return _lines(text).replace("\n", f"\n{_INDENT}")


def _masked_argument(value: object) -> object:
    """Return ``value``, or if a secret shows in it, its text without that."""
    text = value if isinstance(value, str) else repr(value)
    fit = harmless(discreet(text))
    return fit if fit != text else value


def _hidden(_: object) -> str:
    """Return what stands in place of an argument that may be the licence itself."""
    return HIDDEN
