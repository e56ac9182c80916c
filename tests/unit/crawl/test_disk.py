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
    # Another test may have hidden a part of the path.
    assert full.startswith("No space left on the disk that holds ") and ": make room" in full
    watch.least_bytes = 0
    for _ in range(3):
        watch.look()
    (room,) = caplog.messages[1:]
    assert room.startswith("The disk that holds ") and room.endswith(" has room again")
