"""What `scrapy doctor` says of sound servers."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio
from scrapy.settings import Settings

from rankspider.checkup import licences, mongo
from rankspider.checkup.finding import Level, exit_code_of
from rankspider.checkup.fleet import Fleet
from rankspider.commands.doctor import _summary
from rankspider.connections.redis_keys import Keys
from rankspider.lake.collections import TRIAL
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, CallReport, Ledger, Rates
from rankspider.licences.pool import USUAL
from tests.support.findings import NO_SECRETS, SERVERS, TOKEN, bad, by_name, redis_findings
from tests.support.mongo_proxy import (
    Act,
    Command,
    Fault,
    MongoProxy,
    altered,
    whole_command,
    write_concern_error,
    write_errors,
)


@pytest.fixture
def given(redis_url: str, mongo_uri: str, database_name: str, queue_key: str) -> dict[str, str]:
    """The session's servers as ``-s`` would give them."""
    return dict(zip(SERVERS, (redis_url, mongo_uri, database_name, queue_key), strict=True))


def test_a_sound_redis(redis_url: str, queue_key: str, redis_client: Redis) -> None:
    keys = Keys.of(queue_key)
    redis_client.zadd(queue_key, {"a": 1, "b": 2})
    redis_client.zadd(keys.delayed, {"c": 1})
    redis_client.hset(keys.dead, "d", "{}")
    found, findings = redis_findings(redis_url, queue_key, "embedded, data in x")
    assert bad(findings) == {}
    assert found["Redis"].what.endswith("answers: embedded, data in x")
    assert found["Redis kind"].facts["kind"] == "single"
    assert "appendfsync always" in found["Redis persistence"].what
    assert found["queue"].facts == {
        "kind": "zset",
        "waiting": 2,
        "leased": 0,
        "delayed": 1,
        "dead": 1,
    }
    # It changed nothing: what was due is still delayed, and its own key is gone.
    ours = {keys.delayed.encode(), keys.dead.encode(), queue_key.encode()}
    assert set(redis_client.keys(f"*{queue_key}*")) == ours


def test_a_queue_that_is_none(redis_url: str, queue_key: str, redis_client: Redis) -> None:
    redis_client.set(queue_key, "text")
    found, findings = redis_findings(redis_url, queue_key)
    assert bad(findings) == {"queue": "FAILED 2"}
    assert "is a Redis string" in found["queue"].what


# --- MongoDB ------------------------------------------------------------------------------------


def test_a_sound_mongodb(mongo_uri: str, database_name: str, database: Any) -> None:
    findings = list(mongo.look_at(mongo_uri, database_name, "embedded, data in x", NO_SECRETS))
    found = by_name(findings)
    assert bad(findings) == {}
    assert found["MongoDB"].what.endswith("answers: embedded, data in x")
    said = found["MongoDB writable"].what
    assert f"were acknowledged in {database_name} (w: majority, journal) and removed again" in said
    assert found["MongoDB's clock"].level is Level.OK
    assert database.list_collection_names() == []


def test_a_licence_that_cools_down_is_left_alone(redis_url: str, queue_key: str) -> None:
    settings = Settings({"REDIS_URL": redis_url})
    fleet = Fleet(settings, queue_key, Rates())
    (standing,) = fleet.standings([fingerprint(TOKEN)])
    slot = fleet.wait_for_turn(standing)
    assert not isinstance(slot, str)
    fleet.report(standing, slot, CallOutcome.OUT_OF_QUOTA)
    calls: list[str] = []
    findings = licences.look_at([TOKEN], fleet, calls.append, NO_SECRETS)  # type: ignore[arg-type]
    assert calls == []
    found = by_name(findings)
    assert "fleet: out of quota until" in found[f"licence {fingerprint(TOKEN)}"].what
    assert found["licences"].level is Level.WARNING
    assert exit_code_of(findings) == 0
    until = dt.datetime.fromisoformat(found["licences"].facts["until"])
    (standing,) = fleet.standings([fingerprint(TOKEN)])
    assert until.timestamp() == pytest.approx(standing.until, abs=0.001)
    said = f"{until:%H:%M:%S} UTC"
    assert _summary(findings) == (
        f"A run would start, and wait: no licence may be used before {said}; 2 warnings."
    )


def test_an_open_circuit(redis_url: str, queue_key: str) -> None:
    async def fail() -> None:
        async with redis_asyncio.Redis.from_url(redis_url) as client:
            ledger = Ledger(client, Keys.of(queue_key), USUAL)
            name = fingerprint(TOKEN)
            await ledger.report(
                [CallReport(name, CallOutcome.TROUBLE, 10**6 + n) for n in range(30)]
            )

    asyncio.run(fail())
    fleet = Fleet(Settings({"REDIS_URL": redis_url}), queue_key, Rates())
    (standing,) = fleet.standings([fingerprint(TOKEN)])
    assert standing.state == "good"
    fleet.wait_for_turn(standing)  # the probe, which is under way
    findings = licences.look_at([TOKEN], fleet, lambda _: pytest.fail("asked"), NO_SECRETS)
    assert exit_code_of(findings) == 0
    assert by_name(findings)["licences"].facts["usable"] == 0
    assert "wait: most calls of the fleet fail now" in _summary(findings)


async def _nothing_done(command: Command, *_: Any) -> dict[str, Any]:
    return {"n": len(command.statements), "nModified": 0, "ok": 1.0}


@pytest.mark.parametrize(
    ("command", "act", "level", "said"),
    [
        (
            "create",
            whole_command(13, "Unauthorized"),
            Level.FAILED,
            "a collection with a validator",
        ),
        ("createIndexes", whole_command(13, "Unauthorized"), Level.FAILED, "documents expire"),
        ("update", whole_command(40324, "Location40324"), Level.FAILED, "as a worker does"),
        ("update", write_errors(168), Level.FAILED, "as a worker does"),
        ("update", _nothing_done, Level.FAILED, "something else than MongoDB's"),
        ("update", write_concern_error(64), Level.FAILED, "a majority of the replica set"),
        ("collMod", whole_command(13, "Unauthorized"), Level.WARNING, "collMod"),
    ],
)
async def test_what_a_trial_is_refused(
    mongo_uri: str, database_name: str, command: str, act: Act, level: Level, said: str
) -> None:
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(Fault(act, commands=(command,)))
        findings = await asyncio.to_thread(
            lambda: [*mongo.look_at(proxy.uri, database_name, None, NO_SECRETS)]
        )
    (found,) = [each for each in findings if each.level is level and said in each.what]
    assert found.remedy
    assert found.exit_code == (3 if level is Level.FAILED else 0)
    last = [each.name for each in proxy.commands if each.collection.startswith(TRIAL)][-1]
    assert last == "drop"


async def test_an_index_is_made_while_its_collection_is_empty(
    mongo_uri: str, database_name: str
) -> None:
    """Else it waits for each member that votes, one that is down as well."""
    async with MongoProxy(mongo_uri) as proxy:
        await asyncio.to_thread(
            lambda: [*mongo.look_at(proxy.uri, database_name, None, NO_SECRETS)]
        )
        names = [command.name for command in proxy.commands]
    assert names.index("createIndexes") < names.index("update")


@pytest.mark.parametrize(
    ("command", "changed", "said"),
    [
        ("buildInfo", {"version": "4.4.1", "versionArray": [4, 4, 1, 0]}, "is of version 4.4.1"),
        ("buildInfo", {"ferretdb": {}}, "FerretDB"),
        ("hello", {"hosts": ["d.x.eu-west-1.docdb.amazonaws.com:27017"]}, "Amazon DocumentDB"),
    ],
)
async def test_another_server_is_refused(
    mongo_uri: str, database_name: str, command: str, changed: dict[str, Any], said: str
) -> None:
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(Fault(altered(**changed), commands=(command,)))
        (finding,) = await asyncio.to_thread(
            lambda: [*mongo.look_at(proxy.uri, database_name, None, NO_SECRETS)]
        )
    assert (finding.level, finding.exit_code) == (Level.FAILED, 3)
    assert said in finding.what
