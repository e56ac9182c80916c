"""No licence in a log record, whoever logs it and whichever handler writes it."""

import io
import logging
import logging.handlers
import pickle
import queue
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from rankspider import log_filter

ADDRESS = "https://host/rank?sec_id=1&token=S3cr3t%2F&x=2"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    before = logging.getLogRecordFactory()
    yield logging.Logger("of a library", logging.DEBUG)  # noqa: LOG001  # without pytest's handlers
    logging.setLogRecordFactory(before)


def written(logger: logging.Logger, handler: logging.StreamHandler[Any] | None = None) -> Any:
    """What a handler that is added now writes."""
    handler = handler or logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    return handler.stream


def test_a_handler_that_is_added_later_writes_none(logger: logging.Logger) -> None:
    log_filter.install()
    stream = written(logger)
    logger.warning("asked %s", ADDRESS)
    logger.warning(ADDRESS)
    logger.warning("%(url)s", {"url": ADDRESS})
    logger.warning("%s", {"url": ADDRESS}, stack_info=True)
    text = stream.getvalue()
    assert text.count("token=***&x=2") == 4
    assert "Stack (most recent call last)" in text
    assert "S3cr3t" not in text


def test_it_is_installed_once(logger: logging.Logger) -> None:
    log_filter.install()
    factory = logging.getLogRecordFactory()
    log_filter.install()
    assert logging.getLogRecordFactory() is factory


def test_the_text_of_an_exception_holds_none(logger: logging.Logger) -> None:
    log_filter.install()
    first, second = written(logger), written(logger)
    try:
        try:
            raise OSError(ADDRESS)
        except OSError as error:
            raise RuntimeError(f"in {error}") from error
    except RuntimeError:
        logger.exception("it failed")
    for stream in (first, second):
        assert stream.getvalue().count("token=***&x=2") == 2
        assert "S3cr3t" not in stream.getvalue()


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("%d", (ADDRESS,)),
        ("%s", (ADDRESS, {"url": ADDRESS})),
        ("%(other)s", ({"url": ADDRESS},)),
        (f"{ADDRESS} %d", ("x",)),
        ("token=%s %d", ("S3cr3t", "x")),
    ],
)
def test_a_malformed_call_is_told_of_by_the_handler_alone(
    logger: logging.Logger,
    message: str,
    arguments: tuple[object, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_filter.install()
    streams = written(logger), written(logger)
    logger.warning(message, *arguments)
    assert [stream.getvalue() for stream in streams] == ["", ""]
    said = capsys.readouterr().err
    assert said.count("--- Logging error ---") == 2
    assert said.count("***") >= 2
    assert "S3cr3t" not in said


class Own(logging.LogRecord):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tag = "own"


@pytest.mark.parametrize("is_wrapped_again", [False, True])
def test_a_factory_of_the_users_own_stays(logger: logging.Logger, is_wrapped_again: bool) -> None:
    logging.setLogRecordFactory(Own)
    log_filter.install()
    if is_wrapped_again:
        ours = logging.getLogRecordFactory()
        logging.setLogRecordFactory(lambda *args, **kwargs: ours(*args, **kwargs))
        log_filter.install()
    stream = written(logger)
    logger.handlers[-1].setFormatter(logging.Formatter("%(tag)s: %(message)s"))
    logger.warning("%s", ADDRESS)
    assert stream.getvalue() == "own: https://host/rank?sec_id=1&token=***&x=2\n"


def test_a_record_goes_to_another_thread_or_process(logger: logging.Logger) -> None:
    log_filter.install()
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger.addHandler(logging.handlers.QueueHandler(records))
    try:
        raise OSError(ADDRESS)
    except OSError:
        logger.exception("%s", ADDRESS)
    there = pickle.loads(pickle.dumps(records.get()))
    stream = io.StringIO()
    logging.StreamHandler(stream).handle(there)
    assert stream.getvalue().count("token=***") == 2
    assert "S3cr3t" not in stream.getvalue()


def test_what_is_written_nowhere_costs_no_text(logger: logging.Logger) -> None:
    class Costly:
        def __str__(self) -> str:
            raise AssertionError("somebody wanted its text")

    log_filter.install()
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.debug("%s", Costly())


FORGED = "x\n2026-11-27 03:00:00 [rankspider] ERROR: forged\x1b[2J\u202e\u2028\x85\r\u200b"


def _raise_it() -> None:
    raise OSError(FORGED)


@pytest.mark.parametrize("name", ["of a library", "scrapy.core.scraper", "goods_rank"])
def test_what_others_say_starts_no_line_of_the_log(name: str) -> None:
    before = logging.getLogRecordFactory()
    log_filter.install()
    try:
        logger = logging.Logger(name, logging.DEBUG)  # noqa: LOG001
        stream = written(logger)
        logger.warning("it said %s", FORGED)
        logger.warning("it said %(said)r, %(number)05.1f", {"said": FORGED, "number": 2})
        logger.warning("%s", OSError(FORGED))
        logger.warning("%d of %s", Decimal(7), FORGED)
        try:
            _raise_it()
        except OSError:
            logger.exception("it failed")
    finally:
        logging.setLogRecordFactory(before)
    text = stream.getvalue()
    assert not any(line.startswith("2026") for line in text.splitlines())
    assert text.count("forged") == 5
    assert "7 of x" in text
    assert "002.0" in text
    assert not set("\x1b\u202e\u2028\x85\r\u200b") & set(text)


def test_lines_of_ones_own_stay_lines(logger: logging.Logger) -> None:
    log_filter.install()
    logger.name = "scrapy.middleware"
    stream = written(logger)
    logger.warning("Enabled:\n%(parts)s", {"parts": "['a',\n 'b\x1b']"})
    assert stream.getvalue() == "Enabled:\n['a',\n 'b\\x1b']\n"
    logger.name = "asyncio"
    logger.warning("Task died\n2026 forged")
    assert stream.getvalue().endswith("Task died\n    2026 forged\n")


def test_an_error_that_nobody_catches_tells_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "excepthook", sys.__excepthook__)
        patch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
        patch.setattr(threading, "excepthook", threading.__excepthook__)
        log_filter.install()
        try:
            raise OSError(f"http://u:S3cr3t@proxy:1\x1b {ADDRESS}")
        except OSError as error:
            sys.excepthook(type(error), error, error.__traceback__)
            thread = threading.Thread(target=_raise_it)
            thread.start()
            thread.join()
    said = capsys.readouterr().err
    assert "http://***@proxy:1\\x1b" in said
    assert "S3cr3t" not in said
    assert "\x1b" not in said
    assert not any(line.startswith("2026") for line in said.splitlines())
