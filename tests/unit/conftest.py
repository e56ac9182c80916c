"""For tests without a server and without a process."""

from typing import NoReturn

import pytest


@pytest.fixture(scope="session")
def servers() -> NoReturn:
    pytest.fail("a test that needs Redis or MongoDB belongs in tests/servers")
