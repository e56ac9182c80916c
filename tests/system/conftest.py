"""For tests that start processes."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.unwanted_calls import Elsewhere


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
