"""What `scrapy doctor` says of settings, secrets, clocks and an endpoint."""

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rankspider import configuration
from rankspider.checkup import endpoint, licences, mongo
from rankspider.checkup.call import call
from rankspider.checkup.clock import ClockReading, agreement, of_http_date
from rankspider.checkup.finding import Finding, Level, exit_code_of
from rankspider.checkup.misspelt import misspelt
from rankspider.checkup.secrets import Secrets, masked_api_url, masked_url
from rankspider.checkup.settings import CheckedSettings, examine
from rankspider.environment import project
from rankspider.licences.fingerprint import fingerprint
from tests.support.findings import (
    NO_SECRETS,
    OTHER_TOKEN,
    PASSWORD,
    TOKEN,
    Found,
    bad,
    by_name,
    environment_of,
    redis_findings,
    settings_of,
)
from tests.support.project import SAMPLE_FILE
from tests.support.redis_servers import HOST, free_port

SOUND = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": TOKEN}


def examined(
    process: dict[str, str], file: dict[str, str] | None = None, **given: str
) -> tuple[CheckedSettings, Found]:
    environment = environment_of(process, file)
    found = examine(settings_of(environment, **given), environment)
    return found, by_name(found.findings)


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
        "RANK_XYZ": "take it out, or see docs/settings.md",
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
        ("redis://:hunter2@h/0", "redis://***@h/0"),
        ("redis://hunter2@h/0", "redis://***@h/0"),
        ("redis://:hunter2/@x?y@h/0", "redis://***@h/0"),
        ("redis://h/0?password=hunter2&protocol=3", "redis://h/0?password=***&protocol=3"),
        ("mongodb://u:hunter2@a,b/?w=1&replicaSet=r", "mongodb://***@a,b/?w=1&replicaSet=r"),
        ("hunter2", "***"),
        ("u:hunter2@h", "***"),
    ],
)
def test_masked_addresses(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_a_licence_pasted_along_with_the_endpoint() -> None:
    assert masked_api_url("https://u:hunter2@h:8/a?token=x") == "https://***@h:8/..."
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
        (ClockReading(100, 101, 100.5), 0),
        (ClockReading(100, 101, 103), 2),
        (ClockReading(100, 101, 95), -5),
        (ClockReading(100, 101, 99, 1.0), 0),
        (ClockReading(100, 101, 97, 1.0), -2),
    ],
)
def test_only_what_is_certain_counts_as_skew(reading: ClockReading, ahead: float) -> None:
    assert reading.ahead() == ahead


def test_clocks_that_disagree() -> None:
    assert agreement("Redis", ClockReading(100, 101, 103), "mend").level is Level.OK
    late = agreement("Redis", ClockReading(100, 101, 103.1), "mend")
    assert (late.level, late.what) == (Level.WARNING, "2.1 s ahead of this machine's")
    assert "behind" in agreement("Redis", ClockReading(100, 101, 90), "mend").what
    assert of_http_date("soon", 0, 1) is None
    stamp = of_http_date(formatdate(100, usegmt=True), 100, 101)
    assert stamp is not None
    assert stamp.ahead() == 0


def test_a_redis_that_is_not_there() -> None:
    found, findings = redis_findings(f"redis://:{PASSWORD}@{HOST}:{free_port()}")
    assert bad(findings) == {"Redis": "FAILED 3"}
    assert "cannot be reached" in found["Redis"].what


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
        (
            {"setName": "r", "hosts": ["a", "b"], "arbiters": ["c"]},
            False,
            Level.WARNING,
            "2 members with data and 1 arbiters: writes wait while 1 of the former is down",
        ),
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


def test_members_that_no_server_tells_its_clients_of() -> None:
    hello = {"setName": "r", "hosts": ["a", "b"]}
    finding = mongo.durability(hello, embedded=False, hidden=1)
    assert finding.level is Level.WARNING
    assert "of 3 members" in finding.what
    assert "1 of them hidden" in finding.what


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


def test_users_that_cannot_be_stored() -> None:
    answer = json.loads(SAMPLE_FILE.read_bytes())
    answer["data"]["ranks"][1]["user"]["gender"] = "two"
    with vendor(200, json.dumps(answer).encode()) as (url, _):
        finding = by_name(asked(url, TOKEN))["endpoint"]
    assert finding.what.startswith("of a list of 2 rows, 1 of its users would be rejected: unread")


# --- Who else may read a licence ------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_of_licences_that_others_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_open: bool
) -> None:
    tokens, dotenv = tmp_path / "tokens.txt", tmp_path / ".env"
    for path in (tokens, dotenv):
        path.write_text(TOKEN)
        path.chmod(mode)
    monkeypatch.setattr(configuration, "DOTENV", dotenv)
    process = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS_FILE": str(tokens)}
    _, found = examined(process)
    assert (found["RANK_API_TOKENS_FILE"].level is Level.WARNING) is is_open
    assert ".env" not in found  # nothing secret is in it
    monkeypatch.setitem(project.file, "MONGO_URI", "mongodb://u:p@h")
    _, found = examined(process)
    assert (".env" in found) is is_open
    if is_open:
        assert found[".env"].level is Level.WARNING
        assert found["RANK_API_TOKENS_FILE"].remedy == f"chmod 600 {tokens}"


@pytest.mark.parametrize(
    ("url", "proxy", "in_the_clear"),
    [
        ("http://rank.invalid", "http://u:hunter2@proxy.invalid:3128", True),
        ("http://rank.invalid", "u:hunter2@proxy.invalid:3128", True),
        ("http://rank.invalid", "http://u:hunter2/x@proxy.invalid:3128", True),
        ("https://rank.invalid", "http://u:hunter2@proxy.invalid:3128", False),
    ],
)
def test_a_proxy_that_would_see_the_licence(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str, in_the_clear: bool
) -> None:
    monkeypatch.setenv(f"{url.partition(':')[0]}_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    found = by_name(endpoint.look_at(url, verifies=True))
    assert "proxy.invalid:3128" in found["endpoint"].what
    assert ("endpoint's TLS" in found) is in_the_clear
    if in_the_clear:
        assert "the proxy proxy.invalid:3128 and everybody" in found["endpoint's TLS"].what
    assert PASSWORD not in str(found)
