"""Log records without a licence, whoever logs them and whichever handler writes them."""

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any

_MARK = "token="
_TOKEN = re.compile(r"(\btoken=)[^&\s\"'<>]+")


def install() -> None:
    """From now on, for as long as the process lives: what ends last may still tell of a call.

    It covers handlers that are there and those to come. To call it again changes nothing.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))


class _Factory:
    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        record.__class__ = _unlicensed(type(record))  # type: ignore[arg-type]
        return record


def _cleaned(name: str) -> Any:
    def get(record: logging.LogRecord) -> str | None:
        text: str | None = record.__dict__[name]
        return text and _clean(text)

    def put(record: logging.LogRecord, text: str | None) -> None:
        record.__dict__[name] = text

    return property(get, put)


class _Unlicensed(logging.LogRecord):
    """Cleaned when a handler asks for its text: most records are never written."""

    exc_text = _cleaned("exc_text")
    stack_info = _cleaned("stack_info")

    def getMessage(self) -> str:  # noqa: N802  # logging's
        """Raises what `logging.LogRecord` raises for arguments that do not fit. The handler then
        shows them, and so they are cleaned as well."""
        try:
            message = super().getMessage()
        except Exception:
            shown = _hidden if _MARK in str(self.msg) else _shown
            self.msg = _shown(self.msg)
            if isinstance(self.args, tuple):
                self.args = tuple(shown(each) for each in self.args)
            elif self.args:
                self.args = {name: shown(each) for name, each in self.args.items()}
            raise
        if _MARK in message:
            message = self.msg = _clean(message)
            self.args = None
        return message


@cache
def _unlicensed(kind: type[logging.LogRecord]) -> type[logging.LogRecord]:
    """``kind`` may be one of the user's own, whose factory may call the one installed here."""
    if issubclass(kind, _Unlicensed):
        return kind
    if kind is logging.LogRecord:
        return _Unlicensed  # which another process can unpickle
    return type(kind.__name__, (_Unlicensed, kind), {})


def _clean(text: str) -> str:
    return _TOKEN.sub(r"\1***", text) if _MARK in text else text


def _shown(value: object) -> Any:
    """``value``, or if a licence shows in it, its text without that."""
    text = value if isinstance(value, str) else repr(value)
    return _clean(text) if _MARK in text else value


def _hidden(_: object) -> str:
    """For an argument that may be the licence itself."""
    return "***"
