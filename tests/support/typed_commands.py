"""Commands as a reader of the documentation types them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.commands_in_process import asked
from tests.support.project import ROOT


class Terminal:
    """Runs the lines of an example, one after the other, in ``folder``.

    What `scrapy` does without a crawl is asked within this process, which spares it Python's start;
    the shell has the rest.
    """

    def __init__(self, environment: dict[str, str], folder: Path, capsys: Any) -> None:
        self._environment = {
            **environment,
            "SCRAPY_SETTINGS_MODULE": "rankspider.settings",
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self._folder = folder
        self._capsys = capsys
        command = folder / "bin" / "scrapy"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scrapy "$@"\n')
        command.chmod(0o755)

    def type(self, line: str) -> str:
        """What ``line`` writes to both outputs; it must succeed."""
        line = re.sub(r"\s+#.*", "", line)
        if re.fullmatch(r"scrapy (?!crawl)[^|>]*", line):
            words = [self._with_values(word) for word in shlex.split(line)[1:]]
            own = ("REDIS_URL", "RANK_QUEUE_KEY", "RANK_API_URL", "RANK_API_TOKENS")
            options = [part for name in own for part in ("-s", f"{name}={self._environment[name]}")]
            servers = (self._environment["MONGO_URI"], self._environment["MONGO_DATABASE"])
            code, out, err = asked(self._capsys, *servers, *words, *options)
            assert code == 0, f"{line}: {out}{err}"
            return out + err
        if name := re.match(r"(\w+)=\$\((.*)\)$", line):
            self._environment[name[1]] = self._in_the_shell(name[2]).splitlines()[-1]
            return ""
        if line.startswith("export "):
            self._environment |= dict(word.split("=", 1) for word in line.split()[1:])
            return ""
        return self._in_the_shell(line)

    def _with_values(self, word: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: self._environment[name[1]], word)

    def _in_the_shell(self, line: str) -> str:
        run = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert run.returncode == 0, f"{line}: {run.stdout}"
        return run.stdout
