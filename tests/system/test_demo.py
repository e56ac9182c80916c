"""``scrapy demo`` as its user meets it, beside settings it must not touch."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rankspider.embedded.locks import FileLock
from tests.support import processes
from tests.support.project import ROOT, scrapy
from tests.support.waiting import until

PATIENCE = 180  # seconds until a demo that hangs fails its test
HOSTILE = {
    "RANK_API_URL": "https://real.invalid",
    "RANK_API_TOKENS": "a-real-licence",
    "RANK_API_TOKENS_FILE": "/no/such/file",
    "REDIS_URL": "redis://127.0.0.1:1",
    "MONGO_URI": "mongodb://127.0.0.1:1",
    "MONGO_DATABASE": "real",
    "RANK_QUEUE_KEY": "real:anchors",
    "http_proxy": "http://127.0.0.1:1",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "kept"
    yield folder
    until(lambda: not left_running(folder))  # a keeper is let go before it has ended


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that work in or on ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if str(folder) in command or Path(process.cwd()).is_relative_to(folder):
                found.append(command)
        except psutil.Error:
            continue  # gone by now, or not ours
    return found


def start(data_dir: Path) -> "subprocess.Popen[str]":
    return processes.Popen(
        scrapy("demo"),
        cwd=ROOT,
        env={**os.environ, **HOSTILE, "RANK_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_the_demo_ends_well_and_says_so_again(data_dir: Path) -> None:
    for _ in range(2):
        demo = start(data_dir)
        stdout, stderr = demo.communicate(timeout=PATIENCE)
        assert demo.returncode == 0, stderr
        assert stderr == ""
        assert "made-up data" in stdout
        assert "200 of 200 anchors done, 0 waiting, 0 in flight" in stdout
        assert "全站 小时榜 热度" in stdout
        assert "   20  模拟主播" in stdout
        assert "\n   21  " not in stdout
        assert "距上榜还差" in stdout
        assert "agrees with what the endpoint served at" in stdout
        assert "100 places and 5 own standings" in stdout
        assert "MONGO_URI= MONGO_DATABASE=rankspider_demo" in stdout
        until(lambda: not left_running(data_dir))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_cut_short_leaves_nothing_running(data_dir: Path, number: signal.Signals) -> None:
    demo = start(data_dir)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "anchors done" in line:
            break
    children = psutil.Process(demo.pid).children(recursive=True)
    assert len(children) >= 2  # the simulator and the crawl
    demo.send_signal(number)
    _, stderr = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert stderr == ""
    assert not [child for child in children if child.is_running()]


def test_one_demo_at_a_time_in_a_folder(data_dir: Path) -> None:
    data_dir.mkdir()
    with FileLock.open(data_dir / "demo.lock") as lock:
        assert lock.try_exclusive()
        demo = start(data_dir)
        _, stderr = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 3
    assert stderr == "scrapy demo: another demo runs in this folder: let it end first\n"
