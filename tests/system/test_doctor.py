"""What ``scrapy doctor`` finds: on real servers, over real sockets, and in settings."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import asyncio as redis_asyncio

from rankspider.checkup.finding import Level, exit_code_of
from rankspider.commands.doctor import _summary, checkup
from rankspider.connections.redis_keys import Keys
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, CallReport, Ledger
from rankspider.licences.pool import USUAL
from tests.support import processes
from tests.support.findings import (
    OTHER_TOKEN,
    PASSWORD,
    SERVERS,
    TOKEN,
    Found,
    bad,
    by_name,
    environment_of,
    redis_findings,
    settings_of,
)
from tests.support.project import ROOT, scrapy
from tests.support.redis_servers import HOST, free_port, local_redis
from tests.support.simulators import Simulator
from tests.support.waiting import until


@pytest.fixture
def given(redis_url: str, mongo_uri: str, database_name: str, queue_key: str) -> dict[str, str]:
    """The session's servers as ``-s`` would give them."""
    return dict(zip(SERVERS, (redis_url, mongo_uri, database_name, queue_key), strict=True))


def test_a_redis_that_forgets(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", ["maxmemory-policy allkeys-lru"]) as server:
        url = f"redis://{HOST}:{server.port}"
        found, findings = redis_findings(url)
        assert bad(findings) == dict.fromkeys(("Redis persistence", "Redis memory"), "warning 0")
        assert "a restart loses" in found["Redis persistence"].what
        assert "drop queue and leases" in found["Redis memory"].what
        server.call("CONFIG", "SET", "save", "900 1")
        assert "snapshots only (save 900 1)" in redis_findings(url)[0]["Redis persistence"].what
        server.call("CONFIG", "SET", "appendonly", "yes")
        assert "the last second" in redis_findings(url)[0]["Redis persistence"].what
        rules = ["on", f">{PASSWORD}", "~*", "+@read", "+info", "+client", "+time"]
        server.call("ACL", "SETUSER", "reader", *rules)
        _, findings = redis_findings(f"redis://reader:{PASSWORD}@{HOST}:{server.port}")
        assert bad(findings)["Redis writable"] == "FAILED 3"
        assert PASSWORD not in str(findings)
        server.call("REPLICAOF", HOST, free_port())
        found, findings = redis_findings(url)
        assert bad(findings)["Redis writable"] == "FAILED 3"
        assert "replica" in found["Redis writable"].what


def test_a_cluster(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", ["cluster-enabled yes"]) as server:
        server.call("CLUSTER", "ADDSLOTS", *range(16384))
        until(lambda: server.call("CLUSTER INFO")["cluster_state"] == "ok")
        found, _ = redis_findings(f"redis+cluster://{HOST}:{server.port}")
        assert found["Redis kind"].facts["kind"] == "cluster"
        assert found["Redis writable"].level is Level.OK
        assert found["queue"].facts["waiting"] == 0
        found, _ = redis_findings(f"redis://{HOST}:{server.port}")
        assert found["Redis kind"].level is Level.WARNING


def test_a_master_of_sentinel(tmp_path: Path) -> None:
    with ExitStack() as stack:
        master = stack.enter_context(local_redis(tmp_path / "m", []))
        rules = [f"sentinel monitor main {HOST} {master.port} 1"]
        sentinel = stack.enter_context(local_redis(tmp_path / "s", rules))
        found, _ = redis_findings(f"redis+sentinel://{HOST}:{sentinel.port}/main")
    assert found["Redis kind"].facts["kind"] == "sentinel"
    assert found["Redis writable"].level is Level.OK


# --- Licences -----------------------------------------------------------------------------------

OUTCOMES = {
    "good": (Level.OK, "a list of"),
    "fail-params": (Level.OK, "taken, without an anchor"),
    "fail-ended": (Level.OK, "taken, without an anchor"),
    "fail-token-invalid": (Level.WARNING, "licence-refused"),
    "fail-quota": (Level.WARNING, "licence-used-up"),
    "fail-http402": (Level.WARNING, "licence-used-up"),
    "fail-logged-out": (Level.WARNING, "not-logged-in"),
    "fail-captcha": (Level.WARNING, "soft-ban"),
    "fail-too-fast": (Level.WARNING, "too-fast"),
    "fail-http503": (Level.WARNING, "server-error"),
    "fail-cut": (Level.WARNING, "network"),
    "fail-not-json": (Level.WARNING, "malformed"),
}


def whole(given: dict[str, str], url: str, *tokens: str, calls: bool = True) -> Found:
    given = {**given, "RANK_API_URL": url, "RANK_API_TOKENS": ",".join(tokens)}
    environment = environment_of({})
    return by_name(list(checkup(settings_of(environment, **given), environment, calls=calls)))


def states(key: str, redis_url: str, *tokens: str, refuse: str = "") -> list[str]:
    """As the fleet has them; ``refuse`` is refused for good first."""

    async def ask() -> list[str]:
        async with redis_asyncio.Redis.from_url(redis_url) as client:
            ledger = Ledger(client, Keys.of(key), USUAL)
            for turn in (10**6, 10**6 + 1) if refuse else ():
                await ledger.report([CallReport(fingerprint(refuse), CallOutcome.REFUSED, turn)])
            known = await ledger.states([fingerprint(token) for token in tokens])
            return [licence.state for licence in known.licences]

    return asyncio.run(ask())


def test_the_settings_are_those_of_a_run(given: dict[str, str]) -> None:
    url = f"https://{HOST}:{free_port()}"
    assert "endpoint's TLS" not in whole(given, url, TOKEN)
    found = whole({**given, "DOWNLOAD_VERIFY_CERTIFICATES": "0", "JOBDIR": "x"}, url, TOKEN)
    assert "is off" in found["endpoint's TLS"].what
    assert (found["JOBDIR"].level, found["JOBDIR"].exit_code) == (Level.FAILED, 2)


def test_each_licence_gets_one_call(
    given: dict[str, str], simulate: Callable[..., Simulator], queue_key: str, redis_url: str
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "9", "--start", "2030-01-31T19:58:00+08:00")
    found = whole(given, simulator.url, *OUTCOMES)
    for token, (level, text) in OUTCOMES.items():
        finding = found[f"licence {fingerprint(token)}"]
        assert (finding.level, text in finding.what) == (level, True), finding
    assert simulator.get("/_simulator/stats")["tokens"] == dict.fromkeys(OUTCOMES, 1)
    assert found["endpoint's clock"].level is Level.WARNING
    assert found["endpoint's clock"].facts["ahead_seconds"] > 3600
    assert exit_code_of(found.values()) == 0
    assert set(states(queue_key, redis_url, *OUTCOMES)) == {"good"}

    # Only bad ones: a run would end at once. And what was wished is done: no call.
    refused = ["fail-token-invalid", "fail-logged-out"]
    found = whole(given, simulator.url, *refused)
    assert exit_code_of(found.values()) == 4
    assert simulator.get("/_simulator/stats")["tokens"]["fail-logged-out"] == 2
    found = whole(given, simulator.url, *OUTCOMES, calls=False)
    assert simulator.get("/_simulator/stats")["tokens"]["good"] == 1
    assert found["endpoint"].level is Level.OK
    assert "endpoint's clock" not in found


def test_a_refused_licence_that_answers_is_taken_up_again(
    given: dict[str, str], simulate: Callable[..., Simulator], queue_key: str, redis_url: str
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "9")
    both = ("renewed", "fail-token-invalid")
    for token in both:
        states(queue_key, redis_url, refuse=token)
    assert exit_code_of(whole(given, simulator.url, *both, calls=False).values()) == 4
    found = whole(given, simulator.url, *both)
    assert found[f"licence {fingerprint('renewed')}"].what.startswith("fleet: refused; call: a")
    assert found["licences"].facts["usable"] == 1
    assert simulator.get("/_simulator/stats")["tokens"] == dict.fromkeys(both, 1)
    assert states(queue_key, redis_url, *both) == ["good", "refused"]


# --- An endpoint that brings nothing --------------------------------------------------------------

SOUND_SUMMARY = "Nothing found that would keep a run from working"
FRUITLESS = [
    (["fail-reset"], 3, "network"),
    (["fail-http503", "fail-http502"], 3, "server-error: HTTP 503"),
    (["fail-busy"], 3, "vendor-busy"),
    (["fail-empty", "fail-captcha"], 1, "soft-ban: empty body"),
    (["fail-captcha", "fail-token-invalid"], 1, "soft-ban: a page"),
]


@pytest.mark.parametrize(("tokens", "code", "said"), FRUITLESS)
def test_no_licence_gets_an_answer(
    given: dict[str, str],
    simulate: Callable[..., Simulator],
    tokens: list[str],
    code: int,
    said: str,
) -> None:
    found = whole(given, simulate("--rows", "3", "--anchors", "9").url, *tokens)
    assert exit_code_of(found.values()) == code
    assert (found["endpoint"].level, said in found["endpoint"].what) == (Level.FAILED, True)
    assert found["licences"].facts == {"usable": 0}
    assert _summary(list(found.values())).startswith("A run would fail, or bring nothing: 1 ")


WAITING = [
    (["fail-http429"], "no licence may be used before "),
    (
        ["fail-too-fast", "fail-http503"],
        "no licence may be used now, and it is not known",
    ),
    (["fail-quota", "fail-token-invalid"], "no licence may be used now"),
]


@pytest.mark.parametrize(("tokens", "said"), WAITING)
def test_a_run_that_would_wait(
    given: dict[str, str], simulate: Callable[..., Simulator], tokens: list[str], said: str
) -> None:
    found = whole(given, simulate("--rows", "3", "--anchors", "9").url, *tokens)
    assert exit_code_of(found.values()) == 0
    assert _summary(list(found.values())).startswith(f"A run would start, and wait: {said}")


def test_one_licence_that_works_is_enough(
    given: dict[str, str], simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "9")
    found = whole(given, simulator.url, "good", "fail-http503", "fail-captcha")
    assert exit_code_of(found.values()) == 0
    assert found["licences"].facts == {"usable": 1}
    assert _summary(list(found.values())).startswith(SOUND_SUMMARY)


# --- What its rows say ----------------------------------------------------------------------------


def test_rows_that_nobody_can_read(
    given: dict[str, str], simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "9")
    found = whole(given, simulator.url, "fail-no-rank", "fail-no-rank~2")
    assert exit_code_of(found.values()) == 1
    assert found["endpoint"].what == (
        "it has changed: a list of 3 rows, none of which can be stored: "
        "unreadable row: Object missing required field `rank`"
    )
    licence = found[f"licence {fingerprint('fail-no-rank')}"]
    assert licence.level is Level.OK
    assert licence.what.endswith(", nothing of which pass the checks: see the endpoint")
    hour = whole(given, simulator.url, "fail-bad-begin-time")
    assert hour["endpoint"].what.endswith(
        "none of which can be stored: begin_time is not on an hour"
    )
    # Another licence's list is sound: a run would bring something.
    found = whole(given, simulator.url, "fail-no-rank", "good")
    assert (exit_code_of(found.values()), found["endpoint"].level) == (0, Level.WARNING)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("fail-dup-user", "2 of its rows would be rejected: user stands in the list more than"),
        ("fail-negative-score", "1 of its rows would be rejected: score is not from 0"),
    ],
)
def test_some_rows_that_cannot_be_stored(
    given: dict[str, str], simulate: Callable[..., Simulator], token: str, said: str
) -> None:
    found = whole(given, simulate("--rows", "3", "--anchors", "9").url, token)
    assert exit_code_of(found.values()) == 0
    assert found["endpoint"].level is Level.WARNING
    assert found["endpoint"].what.startswith(f"of a list of 3 rows, {said}")


def test_an_empty_list_is_sound(given: dict[str, str], simulate: Callable[..., Simulator]) -> None:
    found = whole(given, simulate("--rows", "3", "--anchors", "9").url, "fail-empty-list")
    assert (exit_code_of(found.values()), found["endpoint"].level) == (0, Level.OK)


# --- The command --------------------------------------------------------------------------------


def doctor(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return processes.run(
        scrapy("doctor", *arguments),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_with_everything_wrong(environment: dict[str, str]) -> None:
    port = free_port()
    environment |= {
        "RANK_API_URL": f"http://{HOST}:{port}",
        "RANK_API_TOKENS": f"{TOKEN},{OTHER_TOKEN}",
        "REDIS_URL": f"redis://u:{PASSWORD}@{HOST}:{port}",
        "MONGO_URI": f"mongodb://u:{PASSWORD}@{HOST}:{port}/?serverSelectionTimeoutMS=100",
        "RANK_LEASE_SECOND": PASSWORD,
        "LOG_LEVEL": "chatty",
    }
    ended = doctor(environment, "-s", "RANK_MAX_DELIVERIES=0")
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    failures = [line.split()[1].rstrip(":") for line in lines if line.startswith("FAILED")]
    assert failures == ["LOG_LEVEL", "RANK_MAX_DELIVERIES", "Redis", "MongoDB", "endpoint"]
    assert "redis://***@127.0.0.1" in ended.stdout
    assert lines[-1] == "A run would fail, or bring nothing: 5 to be mended first, and 1 warning."
    for secret in (TOKEN, OTHER_TOKEN, PASSWORD):
        assert secret not in ended.stdout


def test_the_command_as_json(
    environment: dict[str, str], simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "9")
    environment |= {"RANK_API_URL": simulator.url, "RANK_API_TOKENS": TOKEN}
    ended = doctor(environment, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    assert told["exit_code"] == 0
    assert {finding["level"] for finding in told["findings"]} == {"ok"}
    by_about = {finding["about"]: finding for finding in told["findings"]}
    assert by_about["RANK_API_URL"]["facts"] == {"value": simulator.url, "origin": "environment"}
    assert by_about[f"licence {fingerprint(TOKEN)}"]["facts"] == {"state": "good"}
    assert simulator.get("/_simulator/stats")["tokens"] == {TOKEN: 1}
    assert TOKEN not in ended.stdout
