"""A disk that fills up under the embedded MongoDB: real servers on a small tmpfs."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from rankspider.embedded import embedded_servers
from tests.support.embedded_homes import home_in
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import until

ROW = b"x" * 4000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=120) as disk:
        yield disk


def _server(disk: SmallDisk) -> int | None:
    """Its process id."""
    with home_in(disk.path, "mongo").lock("server") as lock:
        return lock.signer()


def _inserted(rows: Any, number: int) -> bool:
    rows.insert_one({"_id": number, "row": ROW})
    return True


def test_a_server_that_can_do_nothing_more_is_started_again(disk: SmallDisk) -> None:
    """SecantusDB stays after its storage has stopped, and answers each command with an error."""
    with (
        embedded_servers(disk.path, redis=False, mongo=True) as servers,
        MongoClient[dict[str, Any]](servers.mongo_uri) as client,
    ):
        rows = client.lake.rows
        rows.insert_one({"_id": "before"})
        numbers, first = count(), _server(disk)

        def is_started_again() -> bool:  # the log has no room to say so
            with suppress(PyMongoError):
                _inserted(rows, next(numbers))
            return _server(disk) != first

        with disk.full():
            until(is_started_again)
        until(lambda: _inserted(rows, -1))
        assert rows.find_one({"_id": "before"})
