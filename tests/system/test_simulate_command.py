"""``scrapy simulate`` as its user meets it: a process, its output and its exit code."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import pytest

from rankspider.simulator.world import synthetic_sec_uid
from tests.support import processes
from tests.support.project import ROOT

PATIENCE = 60  # seconds until a process that hangs fails its test


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "scrapy", "simulate", *options]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return processes.run(
        command(*options),
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )


@contextmanager
def simulating(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command on a free port, and its URL."""
    with processes.Popen(
        command("--port", "0", *options), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first, hint = process.stdout.readline(), process.stdout.readline()
            said = re.fullmatch(
                r"rank endpoint \(simulated data\) on (http://127\.0\.0\.1:\d+)\n", first
            )
            assert said, first
            assert f"export RANK_API_URL={said[1]} RANK_API_TOKENS=demo" in hint
            yield process, said[1]
        finally:
            process.kill()


def answer(url: str, query: str = "token=demo") -> dict[str, Any]:
    with urlopen(f"{url}/douyin/webcast/rank_goods?{query}", timeout=PATIENCE) as response:
        document: dict[str, Any] = json.load(response)
    return document


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_told_to_end(number: signal.Signals) -> None:
    with simulating("--rows", "7", "--seed", "3") as (process, url):
        sec_uid = synthetic_sec_uid(3, 0)
        document = answer(url, f"token=demo&sec_anchor_id={sec_uid}")
        assert len(document["data"]["ranks"]) == 7
        assert document["data"]["anchor_info"]["user"]["sec_uid"] == sec_uid
        process.send_signal(number)
        rest, _ = process.communicate(timeout=PATIENCE)
        assert rest == "1 answers served\n"
        assert process.returncode == 0


def test_an_answer_under_way_does_not_hold_up_the_end() -> None:
    with simulating("--slow-seconds", "3600") as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as waiting:
            waiting.sendall(
                b"GET /douyin/webcast/rank_goods?token=fail-slow HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            while not calls(url):
                continue
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0


def test_the_style_it_writes() -> None:
    with (
        simulating("--style", "spaced", "--rows", "2") as (_, url),
        urlopen(f"{url}/douyin/webcast/rank_goods?token=demo", timeout=PATIENCE) as response,
    ):
        assert response.read().startswith(b'{"data": {"ranks": [{"user": {"id": ')


def calls(url: str) -> dict[str, int]:
    with urlopen(f"{url}/_simulator/calls", timeout=PATIENCE) as response:
        counted: dict[str, int] = json.load(response)
    return counted


def test_virtual_time_passes_the_hour() -> None:
    start = "2030-01-01T15:59:00+08:00"
    with simulating("--start", start, "--speed", "600", "--rows", "5") as (_, url):
        data = answer(url)["data"]
        hours = {data["begin_time"]}
        while len(hours) < 2:
            document = answer(url)
            data = document["data"]
            hours.add(data["begin_time"])
            assert 0 <= document["extra"]["now"] / 1000 - data["begin_time"] < 3600
    assert {hour % 3600 for hour in hours} == {0}
    assert max(hours) >= 1_893_484_800 > min(hours)


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in ended.stderr
    assert "--port 0" in ended.stderr


def test_sec_ids_are_those_of_the_world() -> None:
    ended = run("--sec-ids", "12", "--seed", "4")
    assert ended.returncode == 0
    assert ended.stdout.split() == [synthetic_sec_uid(4, index) for index in range(12)]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--fail-rate", "2"], "--fail-rate must be a number from 0 to 1, not 2.0"),
        (["--latency", "-1"], "--latency must be a number at least 0, not -1.0"),
        (["--rows", "0"], "--rows must be"),
        (["--start", "noon"], "--start must be like"),
        (["--port", "70000"], "--port must be"),
        (["--sec-ids", "9", "--anchors", "8"], "--sec-ids must be"),
        (["--change-every", "5", "--change-seconds", "5"], "not allowed with"),
        (["--envelope", "brown"], "invalid choice"),
        (["--style", "loud"], "invalid choice"),
        (["--sample", "no/such/file"], "cannot open no/such/file"),
        (["--colour"], "not understood: --colour"),
    ],
)
def test_options_that_make_no_sense(options: list[str], complaint: str) -> None:
    ended = run(*options)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_teaches() -> None:
    text = " ".join(run("--help").stdout.split())
    for taught in (
        "simulated data",
        "/_simulator/failures",
        "fail-http503",
        "--change-every N",
        "--style",
    ):
        assert taught in text
