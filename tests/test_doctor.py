"""What ``scrapy doctor`` finds: on real servers, over real sockets, and in settings."""

import asyncio
import datetime as dt
import importlib
import ipaddress
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis
from redis import asyncio as redis_asyncio
from scrapy.settings import Settings

from rankspider.checkup import endpoint, licences, mongo, redis
from rankspider.checkup.call import call
from rankspider.checkup.clock import Reading, agreement, of_http_date
from rankspider.checkup.finding import Finding, Level, exit_code_of
from rankspider.checkup.fleet import Fleet
from rankspider.checkup.misspelt import misspelt
from rankspider.checkup.secrets import Secrets, masked_api_url, masked_url
from rankspider.checkup.settings import Examined, examine
from rankspider.commands.doctor import _summary, checkup
from rankspider.connections.redis_keys import Keys
from rankspider.environment import Environment, project
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, CallReport, Ledger, Rates
from rankspider.licences.pool import USUAL
from tests.conftest import ROOT, Simulator, scrapy
from tests.local_redis import HOST, free_port, local_redis, until

TOKEN, OTHER_TOKEN, PASSWORD = "lic-0123456789", "lic-9876543210", "hunter2"
SOUND = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": TOKEN}
NO_SECRETS = Secrets((), (), ())
Found = dict[str, Finding]


def environment_of(process: dict[str, str], file: dict[str, str] | None = None) -> Environment:
    return Environment(file or {}, process)


def settings_of(environment: Environment, **given: str) -> Settings:
    """As settings.py reads ``environment``, and with ``-s`` what is ``given``."""
    importlib.import_module("rankspider.settings")  # which asks for every name
    settings = Settings()
    for name, default in project.defaults.items():
        value = environment.get(name, default)
        if value is not None:
            settings.set(name, value or settings.get(name), priority="project")
    settings.setdict(given, priority="cmdline")
    return settings


def examined(
    process: dict[str, str], file: dict[str, str] | None = None, **given: str
) -> tuple[Examined, Found]:
    environment = environment_of(process, file)
    found = examine(settings_of(environment, **given), environment)
    return found, by_name(found.findings)


def by_name(findings: list[Finding]) -> Found:
    """The last one about each."""
    return {finding.about: finding for finding in findings}


def bad(findings: list[Finding]) -> dict[str, str]:
    return {
        finding.about: f"{finding.level.value} {finding.exit_code}"
        for finding in findings
        if finding.level is not Level.OK
    }


# --- Settings -----------------------------------------------------------------------------------


def test_each_setting_says_where_it_came_from() -> None:
    process = {**SOUND, "RANK_LEASE_SECONDS": "5", "MONGO_DATABASE": "mine"}
    file = {"RANK_LEASE_SECONDS": "6", "RANK_QUEUE_KEY": "q"}
    _, found = examined(process, file, MONGO_DATABASE="given", REDIS_HOST="there")
    told = {name: found[name].what for name in found}
    assert told["RANK_LEASE_SECONDS"] == "5 (environment)"
    assert told["RANK_QUEUE_KEY"] == "q (.env)"
    assert told["MONGO_DATABASE"] == "given (command line)"
    assert told["REDIS_HOST"] == "there (command line)"
    assert told["RANK_MAX_DELIVERIES"] == "12 (default)"
    assert told["RANK_API_TOKENS"] == f"{fingerprint(TOKEN)} (environment)"
    assert told["MONGO_URI"] == "not set: an embedded server (default)"
    assert exit_code_of(found.values()) == 0


def test_what_was_written_into_settings_py() -> None:
    environment = environment_of(SOUND)
    settings = settings_of(environment)
    settings.set("RANK_ADDED", "1", priority="project")
    found = by_name(examine(settings, environment).findings)
    assert found["RANK_ADDED"].what == "1 (settings.py)"


def test_every_wrong_setting_is_named() -> None:
    wrong = {
        "RANK_API_URL": f"https://host/path?token={TOKEN}",
        "RANK_API_TOKENS": " , ",
        "RANK_LEASE_SECONDS": "soon",
        "RANK_QUEUE_KEY": "{}x",
        "RANK_STOP_WHEN_DRAINED": "maybe",
        "REDIS_URL": f"http://:{PASSWORD}@host",
        "MONGO_URI": PASSWORD,
        "MONGO_DATABASE": f"mongodb://u:{PASSWORD}@host",
        "CONCURRENT_REQUESTS": "0",
        "LOG_LEVEL": "chatty",
    }
    examination, found = examined(wrong)
    assert examination.wrong == set(wrong)
    assert bad(examination.findings) == dict.fromkeys(wrong, "FAILED 2")
    assert found["RANK_LEASE_SECONDS"].what == "must be a number, 1 or more: 'soon' (environment)"
    assert examination.configuration.lease_seconds == 60
    assert PASSWORD not in str(found) and TOKEN not in str(found)


def test_endpoint_and_licences_must_be_set() -> None:
    examination, found = examined({})
    assert bad(examination.findings) == dict.fromkeys(
        ("RANK_API_URL", "RANK_API_TOKENS"), "FAILED 2"
    )
    assert found["RANK_API_URL"].what.startswith("is not set: set it to the vendor's")


def test_the_file_of_licences_wins(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{OTHER_TOKEN}\n")
    examination, found = examined({**SOUND, "RANK_API_TOKENS_FILE": str(file)})
    assert examination.configuration.api_tokens == (OTHER_TOKEN,)
    assert bad(examination.findings) == {"RANK_API_TOKENS_FILE": "warning 0"}
    assert "the file wins" in found["RANK_API_TOKENS_FILE"].what
    assert OTHER_TOKEN not in str(found)


def test_names_that_nothing_reads() -> None:
    process = {
        **SOUND,
        **dict.fromkeys(("RANK_LEASE_SECOND", "RANK_XYZ", "MONGO_URL", "REDIS_HOST"), PASSWORD),
        "REDIS_SERVICE_HOST": "of something else",
    }
    environment = environment_of(process, {"rank_api_tokens": PASSWORD})
    settings = settings_of(environment, RANK_MAX_DELIVERYS="3")
    names = examine(settings, environment).names
    found = by_name(list(misspelt(settings, environment, names)))
    assert {name: finding.remedy for name, finding in found.items()} == {
        "RANK_LEASE_SECOND": "did you mean RANK_LEASE_SECONDS?",
        "RANK_MAX_DELIVERYS": "did you mean RANK_MAX_DELIVERIES?",
        "RANK_XYZ": "take it out, or see the README's settings",
        "MONGO_URL": "did you mean MONGO_URI?",
        "REDIS_HOST": "set REDIS_URL instead, or write -s REDIS_HOST=...",
        "rank_api_tokens": "did you mean RANK_API_TOKENS?",
    }
    assert ".env file" in found["rank_api_tokens"].what
    assert PASSWORD not in str(found)


# --- Secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:hunter2@h/0", "redis://:***@h/0"),
        ("redis://hunter2@h/0", "redis://***@h/0"),
        ("redis://:hunter2/@x?y@h/0", "redis://:***@h/0"),
        ("redis://h/0?password=hunter2&protocol=3", "redis://h/0?password=***&protocol=3"),
        ("mongodb://u:hunter2@a,b/?w=1&replicaSet=r", "mongodb://u:***@a,b/?w=1&replicaSet=r"),
        ("hunter2", "***"),
        ("u:hunter2@h", "***"),
    ],
)
def test_masked_addresses(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_a_licence_pasted_along_with_the_endpoint() -> None:
    assert masked_api_url("https://u:hunter2@h:8/a?token=x") == "https://u:***@h:8/..."
    assert masked_api_url("https://h/") == "https://h"
    assert masked_api_url("https://h?token=x") == "https://h/..."


def test_text_of_others_is_cleaned() -> None:
    secrets = Secrets(["a/b", "a/b/c"], ["redis://:p%40ss@h?password=inner"], ["hunter2"])
    said = secrets.cleaned("a/b a%2Fb a/b/c p%40ss p@ss hunter2 inner \x1b[31m" + "x" * 300)
    assert said.startswith("*** *** *** *** *** *** *** \\x1b[31mxxx")
    assert len(said) == 200


# --- Clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "ahead"),
    [
        (Reading(100, 101, 100.5), 0),
        (Reading(100, 101, 103), 2),
        (Reading(100, 101, 95), -5),
        (Reading(100, 101, 99, 1.0), 0),
        (Reading(100, 101, 97, 1.0), -2),
    ],
)
def test_only_what_is_certain_counts_as_skew(reading: Reading, ahead: float) -> None:
    assert reading.ahead() == ahead


def test_clocks_that_disagree() -> None:
    assert agreement("Redis", Reading(100, 101, 103), "mend").level is Level.OK
    late = agreement("Redis", Reading(100, 101, 103.1), "mend")
    assert (late.level, late.what) == (Level.WARNING, "2.1 s ahead of this machine's")
    assert "behind" in agreement("Redis", Reading(100, 101, 90), "mend").what
    assert of_http_date("soon", 0, 1) is None
    stamp = of_http_date(formatdate(100, usegmt=True), 100, 101)
    assert stamp is not None
    assert stamp.ahead() == 0


# --- Redis --------------------------------------------------------------------------------------


def redis_findings(
    url: str, key: str = "q", note: str | None = None
) -> tuple[Found, list[Finding]]:
    settings = Settings({"REDIS_URL": url, "RANK_QUEUE_KEY": key})
    findings = list(redis.look_at(settings, key, note, Secrets((), [url], ())))
    return by_name(findings), findings


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


def test_a_redis_that_is_not_there() -> None:
    found, findings = redis_findings(f"redis://:{PASSWORD}@{HOST}:{free_port()}")
    assert bad(findings) == {"Redis": "FAILED 3"}
    assert "cannot be reached" in found["Redis"].what


# --- MongoDB ------------------------------------------------------------------------------------


def test_a_sound_mongodb(mongo_uri: str, database_name: str, database: Any) -> None:
    findings = list(mongo.look_at(mongo_uri, database_name, "embedded, data in x", NO_SECRETS))
    found = by_name(findings)
    assert bad(findings) == {}
    assert found["MongoDB"].what.endswith("answers: embedded, data in x")
    assert "were acknowledged (w: majority, journal) and removed" in found["MongoDB writable"].what
    assert found["MongoDB's clock"].level is Level.OK
    assert database.list_collection_names() == []


def test_a_mongodb_that_is_not_there() -> None:
    uri = f"mongodb://u:{PASSWORD}@{HOST}:{free_port()}/?serverSelectionTimeoutMS=100"
    findings = list(mongo.look_at(uri, "x", None, NO_SECRETS))
    assert bad(findings) == {"MongoDB": "FAILED 3"}
    assert PASSWORD not in str(findings)
    wrong = list(mongo.look_at(f"mongodb://u:{PASSWORD}@a,b:port/", "x", None, NO_SECRETS))
    assert bad(wrong) == {"MongoDB": "FAILED 2"}
    assert PASSWORD not in str(wrong)


@pytest.mark.parametrize(
    ("hello", "embedded", "level", "text"),
    [
        ({"msg": "isdbgrid"}, False, Level.OK, "sharded"),
        ({"setName": "r", "hosts": ["a", "b", "c"]}, False, Level.OK, "replica set r of 3 members"),
        ({"setName": "r", "hosts": ["a"]}, False, Level.OK, "one member"),
        ({}, False, Level.WARNING, "stands alone"),
        ({}, True, Level.OK, "stands alone"),
    ],
)
def test_what_an_acknowledged_write_outlives(
    hello: dict[str, Any], embedded: bool, level: Level, text: str
) -> None:
    finding = mongo.durability(hello, embedded=embedded)
    assert finding.level is level
    assert text in finding.what


# --- The endpoint -------------------------------------------------------------------------------


class Vendor(BaseHTTPRequestHandler):
    """Answers as its server's ``reply`` says, and notes what it was asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        status, headers, body = self.server.reply  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def vendor(
    status: int = 200, body: bytes = b"", context: ssl.SSLContext | None = None, **headers: str
) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths that it was asked for."""
    server = HTTPServer((HOST, 0), Vendor)
    server.reply, server.asked = (status, headers, body), []  # type: ignore[attr-defined]
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    scheme = "https" if context else "http"
    try:
        yield f"{scheme}://{HOST}:{server.server_port}", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(url: str, *tokens: str) -> list[Finding]:
    secrets = Secrets(tokens, (), ())
    return licences.look_at(tokens, None, lambda token: call(url, token, "test"), secrets)


def test_a_redirect_is_not_followed() -> None:
    with ExitStack() as stack:
        elsewhere, followed = stack.enter_context(vendor())
        location = f"{elsewhere}/?token={TOKEN}"
        url, calls = stack.enter_context(vendor(302, Location=location))
        findings = asked(url, TOKEN, OTHER_TOKEN)
    assert (len(calls), followed) == (1, [])
    found = by_name(findings)
    assert found["endpoint"].exit_code == 2
    assert f"a redirect to {elsewhere}, not followed" in found["endpoint"].what
    licence = found[f"licence {fingerprint(TOKEN)}"]
    assert licence.what.endswith(f"redirected: HTTP 302 to {elsewhere}, not followed")
    assert TOKEN not in str(findings)


@pytest.mark.parametrize(
    ("location", "said"), [("/login", "another path"), ("http://[", "no address")]
)
def test_a_redirect_to_no_other_host(location: str, said: str) -> None:
    with vendor(302, Location=location) as (url, calls):
        findings = asked(url, TOKEN)
    assert len(calls) == 1
    trouble = by_name(findings)["endpoint"]
    assert (trouble.exit_code, f"HTTP 302 to {said}" in trouble.what) == (1, True)


def test_other_hosts_than_the_vendors() -> None:
    with vendor(404) as (url, calls):
        findings = asked(url, TOKEN, OTHER_TOKEN)
    assert len(calls) == 1
    assert by_name(findings)["endpoint"].exit_code == 2
    with vendor(200, b"hello") as (url, _):
        assert by_name(asked(url, TOKEN))["endpoint"].exit_code == 1
    assert by_name(asked(f"http://{HOST}:{free_port()}", TOKEN))["endpoint"].exit_code == 3


def test_an_answer_that_echoes_the_licence() -> None:
    body = json.dumps({"code": 401, "msg": f"token {TOKEN} \x1b[31m is unknown", "data": []})
    with vendor(200, body.encode()) as (url, _):
        findings = asked(url, TOKEN)
    assert exit_code_of(findings) == 4
    (licence, *_) = findings
    assert licence.what.endswith("code 401: token *** \\x1b[31m is unknown")


def test_the_clock_of_an_endpoint_that_refuses() -> None:
    with vendor(401) as (url, _):
        assert by_name(asked(url, TOKEN))["endpoint's clock"].level is Level.OK


def test_a_certificate_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = self_signed(tmp_path, days=5)
    with vendor(context=context) as (url, calls):
        (distrusted,) = endpoint.look_at(url, verifies=True)
        warned, again = endpoint.look_at(url, verifies=False)
        assert asked(url, TOKEN)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        (reached, trusted) = endpoint.look_at(url, verifies=True)
    assert calls == []
    assert (distrusted.exit_code, distrusted.about) == (3, "endpoint's TLS")
    assert "self-signed certificate" in distrusted.what
    assert (warned.level, again.exit_code) == (Level.WARNING, 3)
    assert reached.level is Level.OK
    assert (trusted.level, trusted.what) == (Level.WARNING, "the certificate runs out in 5 days")


def self_signed(folder: Path, days: int) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(encoding) + key.private_bytes(encoding, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_no_encryption_and_nobody_there() -> None:
    (nobody,) = endpoint.look_at(f"https://{HOST}:{free_port()}", verifies=True)
    assert (nobody.exit_code, nobody.about) == (3, "endpoint")
    with vendor() as (url, _):
        (plain,) = endpoint.look_at(url.replace("http:", "https:"), verifies=True)
    assert (plain.exit_code, plain.about) == (3, "endpoint's TLS")


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


@pytest.fixture
def given(redis_url: str, mongo_uri: str, database_name: str, queue_key: str) -> dict[str, str]:
    """The session's servers as ``-s`` would give them."""
    names = ("REDIS_URL", "MONGO_URI", "MONGO_DATABASE", "RANK_QUEUE_KEY")
    return dict(zip(names, (redis_url, mongo_uri, database_name, queue_key), strict=True))


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


def test_a_licence_that_cools_down_is_left_alone(redis_url: str, queue_key: str) -> None:
    settings = Settings({"REDIS_URL": redis_url})
    fleet = Fleet(settings, queue_key, Rates())
    (standing,) = fleet.standings([fingerprint(TOKEN)])
    slot = fleet.leave(standing)
    assert not isinstance(slot, str)
    fleet.tell(standing, slot, CallOutcome.OUT_OF_QUOTA)
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
    fleet.leave(standing)  # the probe, which is under way
    findings = licences.look_at([TOKEN], fleet, lambda _: pytest.fail("asked"), NO_SECRETS)
    assert exit_code_of(findings) == 0
    assert by_name(findings)["licences"].facts["usable"] == 0
    assert "wait: most calls of the fleet fail now" in _summary(findings)


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
    (["fail-too-fast", "fail-http503"], "no licence may be used now, and nobody says until when"),
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
    assert licence.what.endswith(", nothing of it sound: see the endpoint")
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


def test_users_that_cannot_be_stored() -> None:
    answer = json.loads((ROOT / "tests" / "data" / "rank_goods_sample.json").read_bytes())
    answer["data"]["ranks"][1]["user"]["gender"] = "2"
    with vendor(200, json.dumps(answer).encode()) as (url, _):
        finding = by_name(asked(url, TOKEN))["endpoint"]
    assert finding.what.startswith("of a list of 2 rows, 1 of its users would be rejected: unread")


def test_an_empty_list_is_sound(given: dict[str, str], simulate: Callable[..., Simulator]) -> None:
    found = whole(given, simulate("--rows", "3", "--anchors", "9").url, "fail-empty-list")
    assert (exit_code_of(found.values()), found["endpoint"].level) == (0, Level.OK)


# --- The command --------------------------------------------------------------------------------


def doctor(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
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
    assert "redis://u:***@127.0.0.1" in ended.stdout
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
