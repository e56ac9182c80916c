"""Every private thing of another library that this project relies on, each named once here."""

import inspect
from typing import Any

import aiohttp
import pytest
from scrapy.core.downloader.handlers import _aiohttp
from scrapy.core.engine import ExecutionEngine, _Slot
from scrapy_redis import connection, defaults

HANDLER = _aiohttp.AiohttpDownloadHandler


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_make_request", ["self", "request", "timeout"]),
        ("_read_response", ["self", "response", "request"]),
        ("_iter_body_chunks", ["response"]),
    ],
)
def test_what_the_download_handler_overrides(name: str, parameters: list[str]) -> None:
    method = getattr(HANDLER, name, None)
    assert method is not None, f"Scrapy's aiohttp handler has no {name} any more: see download.py"
    found = [each for each in inspect.signature(method).parameters if each != "cls"]
    assert found == parameters, f"{name} of Scrapy's aiohttp handler takes {found}: see download.py"


def test_what_the_download_handler_reads() -> None:
    source = inspect.getsource(_aiohttp) + inspect.getsource(inspect.getmodule(HANDLER.__mro__[1]))
    for name in ("_session", "_default_maxsize", "_default_warnsize"):
        assert f"self.{name}" in source, (
            f"Scrapy's handlers have no {name} any more: see download.py"
        )


async def test_what_the_download_handler_sets() -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("_read_bufsize", "_retry_connection"):
            assert hasattr(session, name), f"aiohttp's session has no {name} any more: download.py"


def test_what_a_stop_looks_at() -> None:
    assert "self._slot" in inspect.getsource(ExecutionEngine), (
        "Scrapy's engine has no _slot any more, which says that it is closing: see shutdown.py"
    )
    slot = inspect.getsource(_Slot)
    assert "self.closing" in slot, "Scrapy's slot has no closing any more: see shutdown.py"


def test_how_a_look_at_an_hours_end_overtakes() -> None:
    source = inspect.getsource(ExecutionEngine._start_scheduled_request)
    assert "scheduler.next_request()" in source, (
        "Scrapy's engine takes the first request in another way: see goods_rank.py"
    )


def test_the_settings_of_scrapy_redis() -> None:
    names: dict[str, Any] = connection.SETTINGS_PARAMS_MAP
    assert {"REDIS_URL", "REDIS_HOST", "REDIS_PORT"} <= names.keys(), "see connections/redis.py"
    assert isinstance(defaults.REDIS_PARAMS, dict), "see connections/redis.py"
