"""``scrapy enqueue`` as its user meets it: a process, its output, its exit code and the queue."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support import processes
from tests.support.anchors_to_queue import IDS, A, B, C, D, waiting
from tests.support.project import ROOT, scrapy
from tests.support.redis_servers import local_redis
from tests.support.waiting import until

PATIENCE = 120  # seconds until a process that hangs fails its test
KINDS = pytest.mark.parametrize("kind", ["list", "set", "zset"])


@pytest.fixture
def settings(redis_url: str, queue_key: str) -> dict[str, str]:
    return {**os.environ, "REDIS_URL": redis_url, "RANK_QUEUE_KEY": queue_key}


def run(
    settings: dict[str, str], *options: str, lines: bytes | str = b""
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, with ``lines`` on its standard input."""
    data = lines.encode() if isinstance(lines, str) else lines
    ended = processes.run(
        scrapy("enqueue", *options),
        cwd=ROOT,
        env=settings,
        input=data,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
    )


def start(settings: dict[str, str], *options: str, **pipes: Any) -> "subprocess.Popen[bytes]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **pipes}
    return processes.Popen(
        scrapy("enqueue", *options), cwd=ROOT, env=settings, stderr=subprocess.PIPE, **pipes
    )


def text_of(anchors: list[str]) -> str:
    return "".join(f"{anchor}\n" for anchor in anchors)


# --- What becomes of good lines -----------------------------------------------------------------


@KINDS
def test_a_queue_of_each_kind(
    settings: dict[str, str], redis_client: Redis, queue_key: str, kind: str
) -> None:
    ended = run(settings, "--as", kind, "--json", lines=text_of([C, A, B, A]))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {
        "queued": 3,
        "repeated": 1,
        "refused": 0,
        "queue": queue_key,
        "kind": kind,
    }
    assert redis_client.type(queue_key).decode() == kind
    expected = [C, A, B] if kind == "list" else [A, B, C]
    found = waiting(redis_client, queue_key)
    assert (found if kind == "list" else sorted(found)) == (
        expected if kind == "list" else sorted(expected)
    )


@KINDS
def test_without_as_it_stays_what_it_is(
    settings: dict[str, str], redis_client: Redis, queue_key: str, kind: str
) -> None:
    run(settings, "--as", kind, A)
    ended = run(settings, B)
    assert ended.stdout == f"1 queued, 0 repeated, 0 refused ({kind} {queue_key})\n"
    assert sorted(waiting(redis_client, queue_key)) == sorted([A, B])


def test_every_form_becomes_the_bare_sec_id(
    settings: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    lines = (
        f"\ufeff# bought 2030-01-01\r\n\r\n   \n  {A}  \r\n"
        f"https://www.douyin.com/user/{B}?from_tab_name=main\r\n"
        f'\ufeff{{"sec_id": "{C}"}}\n\t# {A}\n{D}'
    )
    ended = run(settings, lines=lines)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert waiting(redis_client, queue_key) == IDS


def test_arguments_then_files_then_standard_input(
    settings: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path
) -> None:
    for name, anchor in (("one", B), ("two", C)):
        (tmp_path / name).write_text(anchor)
    files = ("--file", str(tmp_path / "one"), "--file", str(tmp_path / "two"))
    assert run(settings, "-", *files, A, lines=D).returncode == 0
    assert waiting(redis_client, queue_key) == IDS
    redis_client.delete(queue_key)
    # Standard input is left alone once something else is named.
    assert run(settings, A, lines=D).returncode == 0
    assert waiting(redis_client, queue_key) == [A]


def test_higher_priority_goes_first(
    settings: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    run(settings, "--priority", "-1", A)
    run(settings, "--priority", "7.5", B)
    run(settings, C, B)  # without a priority: 0, and what waits keeps its own
    assert redis_client.zrange(queue_key, 0, -1, desc=True, withscores=True) == [
        (B.encode(), 7.5),
        (C.encode(), 0.0),
        (A.encode(), -1.0),
    ]
    ended = run(settings, "--priority", "9", "--json", A)
    assert json.loads(ended.stdout)["repeated"] == 1
    assert waiting(redis_client, queue_key) == [A, B, C]


# --- Lines that name no anchor ------------------------------------------------------------------


def test_refused_lines_are_named_and_the_rest_is_queued(
    settings: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.txt"
    bad = [b"MS4w\x1b[2Jx", b"\xff\xfe", b'{"sec": 1}', b"https://example.com/user/" + A.encode()]
    lines = [A.encode(), *bad, b"y" * 300_000, B.encode()]
    file.write_bytes(b"\r\n".join(lines))
    ended = run(settings, "--file", str(file))
    assert ended.returncode == 2
    assert ended.stdout == f"2 queued, 0 repeated, 5 refused (list {queue_key})\n"
    assert waiting(redis_client, queue_key) == [A, B]
    named = ended.stderr.splitlines()
    assert [line.removeprefix(f"{file}:")[0] for line in named] == ["2", "3", "4", "5", "6"]
    assert "no sec_id" in named[0]
    assert named[0].endswith(r": MS4w\x1b[2Jx")
    assert named[1] == rf"{file}:3: not UTF-8 text: \xff\xfe"
    assert named[2] == f'{file}:4: JSON without a "sec_uid" text: {{"sec": 1}}'
    assert named[3].startswith(f"{file}:5: a link, but not to a profile on douyin.com: https:")
    assert named[4] == f"{file}:6: longer than 65536 bytes: {'y' * 80}…"


def test_a_table_by_its_column(
    settings: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.csv"
    rows = f"昵称,邀请人,主播,粉丝\r\n张三,{C},{A},10\r\n李四,{C},,20\r\n王五,,{B},30\r\n"
    file.write_bytes(rows.encode("gbk"))
    ended = run(settings, "--file", str(file))
    assert ended.returncode == 2
    assert "each of the columns 邀请人, 主播 may be meant: say which with --column" in ended.stderr
    assert not redis_client.exists(queue_key)
    ended = run(settings, "--file", str(file), "--column", "主播")
    assert (ended.returncode, ended.stdout) == (
        2,
        f"2 queued, 0 repeated, 1 refused (list {queue_key})\n",
    )
    assert ended.stderr.splitlines() == [
        f"{file}: read by the column 主播",
        f"{file}:3: nothing in the column 主播: 李四,{C},,20",
    ]
    assert waiting(redis_client, queue_key) == [A, B]
    ended = run(settings, "--file", str(file), "--column", "房间")
    assert ended.returncode == 2
    assert f"{file}: --column 房间: its columns are 昵称, 邀请人, 主播, 粉丝" in ended.stderr


@pytest.mark.parametrize("name", ["anchors.csv", "anchors"])
def test_the_name_of_a_file_is_no_anchor(
    settings: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(A)
    ended = run(settings, B, str(tmp_path / name))
    assert ended.returncode == 2
    assert f"did you mean --file {tmp_path / name}?" in ended.stderr
    assert not redis_client.exists(queue_key)


def test_shared_text_over_several_lines_is_one_argument(
    settings: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    ended = run(settings, f"在抖音，记录美好生活！\nhttps://www.douyin.com/user/{A} 很棒")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert waiting(redis_client, queue_key) == [A]


def test_complaints_come_to_an_end(settings: dict[str, str]) -> None:
    ended = run(settings, lines="junk\n" * 150)
    named = ended.stderr.splitlines()
    assert len(named) == 101
    assert named[99].startswith("standard input:100: no sec_id")
    assert named[100] == "… and 50 more"


# --- What stops it ------------------------------------------------------------------------------


def test_another_kind_is_left_alone(
    settings: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    run(settings, "--as", "set", A)
    for options in (["--as", "list"], ["--priority", "1"]):
        ended = run(settings, *options, B)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert f"RANK_QUEUE_KEY: {queue_key} is a set already" in ended.stderr
    redis_client.delete(queue_key)
    redis_client.hset(queue_key, "a", "b")
    ended = run(settings, A)
    assert ended.returncode == 2
    assert "holds a Redis hash" in ended.stderr
    assert redis_client.hgetall(queue_key) == {b"a": b"b"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--priority", "1", "--as", "list", A], "--priority needs --as zset"),
        (["--priority", "nan", A], "--priority must be a number"),
        (["--file", "no/such/file"], "cannot read no/such/file: No such file"),
        (["--file", "."], "cannot read .: Is a directory"),
        (["--file", ""], "--file: name a file"),
        (["no-such-file.txt"], "no-such-file.txt: no such file, and no anchor"),
        (["--piority", "5", A], "not understood: --piority"),
        (["-s", "REDIS_URL=localhost:6379", A], "REDIS_URL must begin with redis://"),
        (["-s", "RANK_LEASE_SECONDS=soon", A], "RANK_LEASE_SECONDS must be a number"),
    ],
)
def test_what_makes_no_sense(
    settings: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    options: list[str],
    complaint: str,
) -> None:
    ended = run(settings, *options)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not redis_client.exists(queue_key)


def test_nothing_named_at_a_terminal_is_taught(settings: dict[str, str]) -> None:
    ours, its = pty.openpty()
    try:
        process = start(settings, stdin=its)
        _, stderr = process.communicate(timeout=PATIENCE)
    finally:
        os.close(ours)
        os.close(its)
    assert process.returncode == 2
    assert b"cat anchors.txt | scrapy enqueue" in stderr


def test_redis_that_cannot_be_reached(settings: dict[str, str]) -> None:
    ended = run({**settings, "REDIS_URL": "redis://:s3cret@127.0.0.1:1"}, A)
    assert ended.returncode == 3
    assert ended.stderr.startswith("scrapy enqueue: Redis cannot be reached")
    assert ended.stderr.count("\n") == 1
    assert "s3cret" not in ended.stderr


def test_redis_lost_on_the_way(settings: dict[str, str], queue_key: str, tmp_path: Path) -> None:
    with local_redis(tmp_path / "redis", []) as server:
        settings = {**settings, "REDIS_URL": f"redis://127.0.0.1:{server.port}"}
        process = start(settings, "--json")
        assert process.stdin is not None
        process.stdin.write(text_of([A, B, C]).encode())
        process.stdin.flush()
        # What has come is queued, though more may come.
        until(lambda: server.call("LLEN", queue_key) == 3)
        server.kill()
        stdout, stderr = process.communicate(D.encode(), timeout=PATIENCE)
    assert process.returncode == 3
    assert stderr.count(b"\n") == 1
    assert b"all up to line 3 of standard input is queued" in stderr
    assert json.loads(stdout)["queued"] == 3


def test_interrupted(settings: dict[str, str], redis_client: Redis, queue_key: str) -> None:
    with start(settings) as process:
        assert process.stdin is not None
        process.stdin.write(text_of([A, B]).encode())
        process.stdin.flush()
        until(lambda: redis_client.llen(queue_key) == 2)
        # That the next one was sent says that it has heard of those; of that one it may not have.
        process.stdin.write(text_of([C]).encode())
        process.stdin.flush()
        until(lambda: redis_client.llen(queue_key) == 3)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    known = 3 if b"line 3" in stderr else 2
    assert stderr == b"interrupted: all up to line %d of standard input is queued\n" % known
    assert stdout.startswith(b"%d queued, 0 repeated, 0 refused" % known)


# --- Much of it, and no server ------------------------------------------------------------------

# Of a process of its own: on Linux a child's peak begins with that of the process that made it.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def peak_memory(settings: dict[str, str], file: Path) -> int:
    command = [sys.executable, "-c", MEASURED, *scrapy("enqueue", "--file", str(file))]
    ended = processes.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert ended.returncode in (0, 2), ended.stderr
    return int(ended.stdout.split()[-1])


def test_memory_does_not_grow_with_the_input(
    settings: dict[str, str], redis_client: Redis, queue_key: str, tmp_path: Path
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    ids = [f"MS4wLjABAAAA{index:043}" for index in range(200_000)]
    few.write_text(text_of(ids[:10_000]))
    many.write_text(text_of(ids) + "z" * 50_000_000)
    at_first = peak_memory(settings, few)
    redis_client.delete(queue_key)
    assert peak_memory(settings, many) < 1.3 * at_first
    assert redis_client.llen(queue_key) == 200_000
    assert redis_client.lindex(queue_key, 0).decode() == ids[0]
    assert redis_client.lindex(queue_key, -1).decode() == ids[-1]
    redis_client.delete(queue_key)


def test_without_a_server_an_embedded_one_keeps_the_queue(
    settings: dict[str, str], tmp_path: Path
) -> None:
    settings = {**settings, "RANK_DATA_DIR": str(tmp_path)}
    del settings["REDIS_URL"]
    first = run(settings, "--priority", "3", A)
    assert first.returncode == 0
    assert "(embedded)" in first.stderr
    second = run(settings, "--json", A, B)
    counts = json.loads(second.stdout)
    assert (counts["queued"], counts["repeated"], counts["kind"]) == (1, 1, "zset")


def test_help_teaches() -> None:
    text = " ".join(run(dict(os.environ), "--help").stdout.split())
    for taught in ("cat *.txt | scrapy enqueue --priority 5", '{"sec_uid": "..."}', "Exit codes"):
        assert taught in text
