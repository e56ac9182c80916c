"""Commands in terminals that lack characters or room, and with readers that go away."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from typing import Any

import pytest
from redis import Redis

from rankspider.terminal import columns
from tests.support import processes
from tests.support.anchors_to_queue import A, B
from tests.support.project import ROOT, scrapy
from tests.support.stored_lists import standing, store, user

PATIENCE = 120  # seconds until a process that hangs fails its test
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = {"ascii": ASCII, "gbk": {"PYTHONIOENCODING": "gbk"}}
NICKNAME = "陈赫✨"


def run(
    environment: dict[str, str], encoding: str, *command: str | bytes
) -> "subprocess.CompletedProcess[bytes]":
    return processes.run(
        [*scrapy(), *command],
        cwd=ROOT,
        env={**environment, **ENCODINGS[encoding]},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


def in_a_terminal(environment: dict[str, str], width: int, *command: str) -> list[str]:
    """What a terminal of ``width`` columns gets, by lines."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in environment.items() if name != "COLUMNS"}
    process = processes.Popen(
        scrapy(*command), cwd=ROOT, env=environment, stdout=its, stderr=subprocess.PIPE
    )
    os.close(its)
    said = b""
    try:
        while more := os.read(ours, 65536):
            said += more
    except OSError:  # how a terminal's end is told
        pass
    finally:
        os.close(ours)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (0, b"")
    return said.decode().splitlines()


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "???"), ("gbk", "陈赫?")], ids=["ascii", "gbk"]
)
def test_a_table_without_all_characters(
    environment: dict[str, str], database: Any, encoding: str, shown: str
) -> None:
    store(database, standing(1, 1, 99), user(1, NICKNAME), standing(2, 2, 98))
    ended = run(environment, encoding, "board")
    assert (ended.returncode, ended.stderr) == (0, b"")
    lines = ended.stdout.decode(encoding).splitlines()
    (head,) = (line for line in lines if "nickname" in line)
    row = lines[lines.index(head) + 1]
    assert row.split()[:2] == ["1", shown]
    # In line with the others.
    assert columns(row[: row.index("99") + 2]) == columns(head[: head.index("points") + 6])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_what_programs_read_is_utf8(
    environment: dict[str, str], database: Any, encoding: str, form: str
) -> None:
    store(database, standing(1, 1, 99), user(1, NICKNAME))
    ended = run(environment, encoding, "board", form)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert NICKNAME in ended.stdout.decode("utf-8")


def test_a_name_that_was_typed_in_utf8(environment: dict[str, str], database: Any) -> None:
    store(database, standing(1, 1, 99), user(1, NICKNAME))
    told = run(environment, "ascii", "curve", "--json", "陈赫".encode())
    assert (told.returncode, told.stderr) == (0, b"")
    unknown = run(environment, "ascii", "curve", "没有".encode())
    assert unknown.returncode == 1
    assert rb"\u6ca1\u6709" in unknown.stderr


def test_a_narrow_terminal_folds_and_loses_nothing(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    redis_client.rpush(queue_key, A, B, "not an anchor")
    wide = in_a_terminal(environment, 200, "queue", "peek")
    assert wide[1].split() == ["1", "-", A]
    folded = in_a_terminal(environment, 70, "queue", "peek")
    assert max(map(columns, folded)) <= 70
    assert folded[0].split()[:2] == ["place", "priority"]
    assert A in "".join(line[17:].split("  ")[0].strip() for line in folded)
    narrow = in_a_terminal(environment, 30, "queue", "peek")
    assert f"member                  {A}" in narrow
    assert narrow.count("") == 2
    piped = run(environment, "gbk", "queue", "peek")
    assert piped.stdout.decode("gbk").splitlines() == wide


@pytest.mark.parametrize("command", [["board"], ["board", "--json"], ["queue", "peek"]])
def test_a_reader_that_has_seen_enough(
    environment: dict[str, str], database: Any, command: list[str]
) -> None:
    store(database, *(standing(n, n, 1000 - n) for n in range(1, 101)))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        ended = processes.run(
            scrapy(*command),
            cwd=ROOT,
            env=environment,
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_json_stays_json(environment: dict[str, str]) -> None:
    ended = run(environment, "ascii", "doctor", "--json", "--no-calls")
    assert json.loads(ended.stdout)["findings"]
