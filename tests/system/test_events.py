"""``scrapy events --follow`` as a process of its own."""

import asyncio
import datetime as dt
import json
import signal
import sys
from typing import Any

import pytest

from rankspider.moments import hour_of
from tests.support.mongo_proxy import MongoProxy, reads, whole_command
from tests.support.project import ROOT
from tests.support.stored_lists import ID, list_of, state, store

_SHUTTING_DOWN = 91


@pytest.mark.long
async def test_it_waits_for_a_mongodb_that_is_away(
    environment: dict[str, str], mongo_uri: str, database: Any
) -> None:
    hour = list_of(hour_of(dt.datetime.now(dt.UTC)) - dt.timedelta(hours=1))
    store(database, state(1, 2, minute=1, ranked_list=hour))
    store(database, state(2, 1, minute=2, ranked_list=hour))
    async with MongoProxy(mongo_uri) as proxy:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scrapy", "events", "--follow", "--since", "3h"),
            *("--every", "0.1"),
            cwd=ROOT,
            env={**environment, "MONGO_URI": proxy.uri},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None

        async def passed() -> int:
            assert process.stdout is not None
            row = json.loads(await process.stdout.readline())
            assert row["event"] == "passed"
            return int(row["user_id"]) - ID

        assert await passed() == 1
        fault = proxy.add(reads(whole_command(_SHUTTING_DOWN)))
        assert b"MongoDB is away" in await process.stderr.readline()
        store(database, state(1, 2, minute=3, ranked_list=hour))
        proxy.remove(fault)
        assert await process.stderr.readline() == b"MongoDB is back\n"
        assert await passed() == 2
        process.send_signal(signal.SIGINT)
        rest, said = await process.communicate()
    assert (rest, said) == (b"", b"")
    assert process.returncode == 130
