"""Fingerprints, and the licences that a setting or a file names."""

import asyncio
import os
from pathlib import Path

import pytest
from redis.crc import key_slot

from rankspider.configuration import tokens_in, tokens_in_file, tokens_problem
from rankspider.connections.redis_keys import Keys
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.watch import TokensFile


def test_fingerprints() -> None:
    assert fingerprint("secret-1") == fingerprint("secret-1") != fingerprint("secret-2")
    assert len(fingerprint("half a pair: \udc80")) == 12


def test_the_key_shares_the_queues_slot() -> None:
    for key in ("goods_rank:anchors", "shop:{cn}:anchors"):
        assert key_slot(Keys.of(key).licences.encode()) == key_slot(key.encode())
    assert Keys.of("goods_rank:anchors").licences == "{goods_rank:anchors}:licences"


# --- The file of licences -----------------------------------------------------------------------


def test_tokens_in() -> None:
    assert tokens_in(" a,b\n c,,\tb\n#d") == ("a", "b", "c", "#d")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_tokens_in_a_file(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(mark + b"# ours, since May\r\na#1,b'\r\n  #c\r\n'd\"")
    assert tokens_in_file(path) == ("a#1", "b'", "'d\"")
    assert tokens_problem(tokens_in_file(path)) is None


@pytest.fixture
def tokens_file(tmp_path: Path) -> TokensFile:
    path = tmp_path / "tokens"
    path.write_text("one, two")
    watched = TokensFile(path, ("one", "two"), poll_seconds=0.01)
    assert [watched.poll() for _ in range(3)] == [False] * 3
    return watched


def test_a_change_counts_when_it_stands_still(tokens_file: TokensFile, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("thr")
    assert not tokens_file.poll()
    path.write_text("three")
    assert not tokens_file.poll()
    assert tokens_file.poll()
    assert tokens_file.tokens == ("three",)
    assert not tokens_file.poll()
    replacement = tmp_path / "new"
    replacement.write_text("four!")
    os.utime(replacement, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    replacement.replace(path)
    assert [tokens_file.poll() for _ in range(3)] == [False, True, False]
    assert tokens_file.tokens == ("four!",)


NO_LICENCES = [
    b"",
    b" ,\n",
    b"# one\n  # another",
    b"\xff\xfe",
    b"'quoted'",
    b'sound, "quoted"',
    b'"',
    "licen\u0441e".encode(),
    b"a\x7f",
]


@pytest.mark.parametrize("content", [*NO_LICENCES, None])
def test_a_file_that_cannot_be_used_is_said_once(
    tokens_file: TokensFile,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
) -> None:
    path = tmp_path / "tokens"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert [tokens_file.poll() for _ in range(5)] == [False] * 5
    assert tokens_file.tokens == ("one", "two")
    assert len(caplog.records) == 1
    assert "quoted" not in caplog.text
    path.write_text("three")
    assert [tokens_file.poll() for _ in range(2)] == [False, True]


async def test_watch_tells_of_a_change(tokens_file: TokensFile, tmp_path: Path) -> None:
    told: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
    watching = asyncio.create_task(tokens_file.watch(told.put_nowait))
    (tmp_path / "tokens").write_text("three")
    async with asyncio.timeout(10):
        assert await told.get() == ("three",)
    watching.cancel()
