"""A disk that fills up, and is made room on."""

from pathlib import Path

import pytest

from rankspider.crawl.disk import DiskWatch


def test_each_change_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = DiskWatch(tmp_path, least_bytes=0)
    watch.look()
    assert caplog.messages == [], "the disk of the tests is full"
    watch.least_bytes = 1 << 62
    for _ in range(3):
        watch.look()
    (full,) = caplog.messages
    assert full.startswith(f"No space left on the disk that holds {tmp_path}: make room")
    watch.least_bytes = 0
    for _ in range(3):
        watch.look()
    assert caplog.messages[1:] == [f"The disk that holds {tmp_path} has room again"]
