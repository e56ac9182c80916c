"""For tests that start processes."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.crawls import end_workers
from tests.support.unwanted_calls import Elsewhere


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_test() -> Iterator[None]:
    yield
    end_workers()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
