"""What all commands share: how they end."""

import signal
import subprocess
import sys
from itertools import takewhile
from typing import Any

import pytest

from tests.support import processes
from tests.support.project import ROOT
from tests.support.stored_lists import standing, store


@pytest.mark.parametrize(("options", "holds_a_list"), [(["--limit", "1"], True), ([], False)])
def test_ctrl_c_when_the_work_is_done_ends_it_without_a_word(
    environment: dict[str, str], database: Any, options: list[str], holds_a_list: bool
) -> None:
    """Whether it has answered or complained."""
    if holds_a_list:
        store(database, standing(1, 1, 49232))
    command = processes.Popen(
        [sys.executable, "-m", "tests.support.slow_to_exit", "board", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    shown = "".join(takewhile(lambda line: line != "leaving\n", command.stdout))
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=20)
    assert ("49,232" in shown) == holds_a_list
    assert command.returncode == -signal.SIGINT  # 130 to a shell
    assert "Traceback" not in said
    assert said.count("\n") == (0 if holds_a_list else 1)


def test_sigint_stays_ignored_where_it_was(environment: dict[str, str], database: Any) -> None:
    """As in the background of a shell's script."""
    store(database, standing(1, 1, 49232))
    command = processes.Popen(
        ["sh", "-c", f"trap '' INT; exec {sys.executable} -m tests.support.slow_to_exit board"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert "leaving\n" in iter(command.stdout.readline, "")
    command.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(timeout=1)
    command.kill()
    command.communicate()
