"""What the commands of this project share. Outside `commands/`, where Scrapy would take the
base class for a command."""

import argparse
import os
import sys
from abc import abstractmethod
from typing import ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.settings import BaseSettings

from rankspider.errors import RankspiderError

INTERRUPTED = 130  # the shell's code for a command ended by SIGINT


def complain(command: str, error: RankspiderError) -> int:
    """Write one line about ``error`` to standard error and return its exit code."""
    sys.stderr.write(f"scrapy {command}: {error}\n")
    return error.exit_code


class RankCommand(ScrapyCommand):
    """A command that runs no crawl: one line for an error, its exit code, and a clean Ctrl-C.

    Subclasses set ``name`` and write `execute`; it returns the exit code.
    """

    name: ClassVar[str]
    requires_project = True
    requires_crawler_process = False
    default_settings: ClassVar[dict[str, object]] = {"LOG_LEVEL": "INFO"}

    @property
    def project_settings(self) -> BaseSettings:
        assert self.settings is not None  # set by scrapy.cmdline before run()
        return self.settings

    @abstractmethod
    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        """Do the work and return the exit code."""

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Called by Scrapy."""
        try:
            self.exitcode = self.execute(args, opts)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough; Python flushes once more at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except RankspiderError as error:
            self.exitcode = complain(self.name, error)
        except KeyboardInterrupt:
            self.exitcode = INTERRUPTED
