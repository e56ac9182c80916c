"""The tutorial, from its first command to its plot."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands_in_process import asked
from tests.support.documentation import examples, read
from tests.support.project import ROOT

TUTORIAL = read("tutorial.md")
# An evening in less time: the clock is faster, and fewer anchors are asked.
QUICKER = {
    "--speed 300": "--speed 900",
    "RANK_REQUESTS_PER_SECOND=5": "RANK_REQUESTS_PER_SECOND=15",
    "--sec-ids 200": "--sec-ids 120",
}
ANCHORS = 120


def quicker(text: str, own: Mapping[str, str] = {}) -> str:
    """``text`` as this test runs it, with the ``own`` addresses in place of the tutorial's."""
    for slow, quick in {**QUICKER, **own}.items():
        text = text.replace(slow, quick)
    return text


class Terminal:
    """Runs the tutorial's lines, one after the other.

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
        """What ``line`` writes to both outputs."""
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


@pytest.mark.long
def test_the_tutorial(
    environment: dict[str, str], simulate: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "rankspider.settings")
    [endpoint] = [each for each in examples(TUTORIAL, "sh") if each.rest == "terminal=endpoint"]
    url = simulate(*shlex.split(quicker(endpoint.text))[2:]).url
    own = {"http://127.0.0.1:8321": url, "=made_up": f"={environment['MONGO_DATABASE']}"}
    terminal = Terminal(environment, tmp_path, capsys)
    said = {
        line: terminal.type(quicker(line, own))
        for each in examples(TUTORIAL, "sh")
        if each != endpoint
        for line in each.text.splitlines()
    }
    first_crawl, second_crawl = (said[line] for line in said if line.startswith("scrapy crawl"))
    assert f"'rank/anchors/acked': {ANCHORS}," in first_crawl
    assert "'rank/anchors/buried': 1," in second_crawl
    assert f"{ANCHORS} queued" in said["scrapy enqueue --file anchors.txt"]
    assert "live-ended" in said["scrapy dead-letters"]
    assert "live-ended" in said["scrapy calls --by outcome"]
    [plot] = examples(TUTORIAL, "python")
    capsys.readouterr()
    exec(compile(plot.text, "the plot", "exec"), {})
    assert "█" in capsys.readouterr().out
