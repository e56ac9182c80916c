"""`scrapy board` as a process."""

import json
import subprocess
from typing import Any

import pytest

from tests.support import processes
from tests.support.project import ROOT, scrapy
from tests.support.stored_lists import ID, standing, store, user


def show(environment: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    return processes.run(
        scrapy("board", *options),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_on_an_empty_lake(environment: dict[str, str], database_name: str) -> None:
    ended = show(environment)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert database_name in ended.stderr
    assert "make demo" in ended.stderr


def test_the_command(environment: dict[str, str], database: Any) -> None:
    store(
        database,
        *(standing(n, n, 100 - n) for n in range(1, 6)),
        standing(7, 0, 2, listed=False),
        user(1, "陈赫"),
    )
    shown = show(environment, "--limit", "2")
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert "    1  陈赫" in shown.stdout
    assert f"    2  {ID + 2}" in shown.stdout
    assert "    3  " not in shown.stdout
    assert "Asked for and not on the list: 1\n" in shown.stdout
    found = json.loads(show(environment, "--json", "--hour", "2021-01-19T19:30").stdout)
    assert found["begin_time"] == "2021-01-19T11:00:00Z"
    assert [row["user_id"] for row in found["rows"]] == [str(ID + n) for n in range(1, 6)]
    assert found["rows"][0]["nickname"] == "陈赫"
    assert found["own"][0]["score"] == 2


@pytest.mark.parametrize("option", ["--title", "--currency"])
def test_no_list_of_an_empty_name(environment: dict[str, str], database: Any, option: str) -> None:
    store(database, standing(1, 1, 99))
    ended = show(environment, option, "")
    assert ended.returncode == 1
    assert "leave out --at, --hour, --currency and --title" in ended.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--hour", "noon"], "--hour must be like"),
        (["--limit", "-1"], "must be 0 or more"),
        (["colour"], "not understood: colour"),
    ],
)
def test_options_that_make_no_sense(
    environment: dict[str, str], options: list[str], complaint: str
) -> None:
    ended = show(environment, *options)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_is_not_there(environment: dict[str, str]) -> None:
    ended = show({**environment, "MONGO_URI": "mongodb://127.0.0.1:1"})
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert "MongoDB cannot be reached" in ended.stderr
