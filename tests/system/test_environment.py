"""A project of its own, whose .env file is what its user made it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.project import ROOT, scrapy


def run(folder: Path, env: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        scrapy(*command),
        cwd=folder,
        env={**env, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy, since the file's place is fixed."""
    shutil.copytree(ROOT / "rankspider", tmp_path / "rankspider")
    shutil.copy(ROOT / "scrapy.cfg", tmp_path)
    return tmp_path


def test_a_file_that_cannot_be_read_is_named_by_every_command(
    project: Path, environment: dict[str, str]
) -> None:
    (project / ".env").write_bytes("# 许可\nRANK_API_TOKENS=s3cret-licence\n".encode("gbk"))
    named = f"{project / '.env'}: line 1 is not UTF-8 text: save the file as UTF-8"
    for command in (["enqueue", "x"], ["board"], ["crawl", "goods_rank"], ["queue"]):
        ended = run(project, environment, *command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.splitlines()[-1] == f"scrapy {command[0]}: {named}"
        assert "Traceback" not in ended.stderr
    told = run(project, environment, "doctor", "--no-calls")
    assert told.returncode == 2
    assert f"FAILED   .env: {named}" in told.stdout
    assert run(project, dict(os.environ), "list").returncode == 0


def test_a_file_that_can_be_read_sets(project: Path, environment: dict[str, str]) -> None:
    del environment["RANK_QUEUE_KEY"]
    (project / ".env").write_bytes("\ufeffexport RANK_QUEUE_KEY = 'mine'  # 队列\r\n".encode())
    assert run(project, environment, "queue").stdout.startswith("mine (empty)")
