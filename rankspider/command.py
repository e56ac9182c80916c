"""The base of this project's commands. It stands outside `commands/`, where Scrapy would take it
for a command."""

import argparse
import os
import signal
import sys
import threading
from abc import abstractmethod
from typing import ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.settings import BaseSettings

from rankspider import log_filter
from rankspider.configuration import log_level
from rankspider.errors import ConfigurationError, RankspiderError, SeveralAnchors
from rankspider.terminal import as_typed, remark, replace_unencodable

# Options that name something as people call it.
_NAMES = {"anchor", "column", "currency", "reason", "title"}
INTERRUPTED = 130  # the shell's code for a command ended by SIGINT


def complain(command: str, error: RankspiderError) -> int:
    """Write one line about ``error`` to standard error and return its exit code."""
    message = str(error)
    # Only those are meant to have lines of their own.
    first, *more = message.split("\n") if isinstance(error, SeveralAnchors) else [message]
    remark(f"scrapy {command}: {first}")
    for line in more:
        remark(line)
    return error.exit_code


def settle_log_level(command: str, settings: BaseSettings) -> None:
    """Spell ``LOG_LEVEL`` as logging needs it, or end the process with one line about it.

    What is logged from then on is fit to be read. Scrapy sets up logging before a command runs,
    and ends in a traceback for a wrong one.
    """
    log_filter.install()
    try:
        level = log_level(settings)
    except ConfigurationError as error:
        raise SystemExit(complain(command, error)) from None
    settings.set("LOG_LEVEL", level, priority=settings.getpriority("LOG_LEVEL") or 0)


def leave_sigint_to_the_system() -> None:
    """Let Ctrl-C end the process from now on without a word, unless something else is to catch it.

    What is left is Python's own end. There KeyboardInterrupt would become a traceback, and the exit
    code 0. Only the main thread may change this, and only it ends the process.
    """
    is_pythons = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_pythons and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


class RankCommand(ScrapyCommand):
    """The base of a command that runs no crawl: one line for an error, its exit code, and a clean
    Ctrl-C.

    Subclasses say what they are and write `execute`; it returns the exit code.
    """

    name: ClassVar[str]
    synopsis: ClassVar[str] = "[options]"
    """What may follow the name."""
    summary: ClassVar[str]
    """For the list of commands."""
    description: ClassVar[str]
    """For ``--help``, with examples."""
    requires_project = True
    requires_crawler_process = False
    default_settings: ClassVar[dict[str, object]] = {"LOG_LEVEL": "INFO"}

    def syntax(self) -> str:
        return self.synopsis

    def short_desc(self) -> str:
        return self.summary

    def long_desc(self) -> str:
        return self.description

    @property
    def project_settings(self) -> BaseSettings:
        assert self.settings is not None  # set by scrapy.cmdline before run()
        return self.settings

    @abstractmethod
    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        """Do the work and return the exit code."""

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the command with its errors and exit code seen to; Scrapy calls this."""
        log_filter.install()
        is_data = any(getattr(opts, name, False) for name in ("json", "csv", "raw", "follow"))
        replace_unencodable(is_data=is_data)
        for name in _NAMES & vars(opts).keys():
            if isinstance(value := getattr(opts, name), str):
                setattr(opts, name, as_typed(value))
        try:
            self._execute([as_typed(arg) for arg in args], opts)
            leave_sigint_to_the_system()
        except KeyboardInterrupt:
            leave_sigint_to_the_system()
            self.exitcode = INTERRUPTED

    def _execute(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            self.exitcode = self.execute(args, opts)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough; Python flushes once more at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except RankspiderError as error:
            self.exitcode = complain(self.name, error)
