"""No licence and no password in anything that a crawl leaves behind, and none sent astray."""

import base64
import json
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import bson
import pytest
from redis import Redis

from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.endpoint.request import rank_url
from rankspider.simulator.world import failing_sec_uid
from tests.support import processes
from tests.support.crawls import alternating, crawl, endpoint, letters, sec_uids
from tests.support.project import ROOT, scrapy
from tests.support.redis_servers import local_redis
from tests.support.simulators import Simulator
from tests.support.tls_relays import self_signed
from tests.support.unwanted_calls import Elsewhere

# What no encoding changes, so that one search finds every form of it.
MARKS = ("S3cr3t", "hunter2")
TOKENS = ("S3cr3t+/=%&#?t0ken", "fail-token-echo~S3cr3t+/%25=", "S3cr3t~'\"<>")
PASSWORD = "hunter2@/:%"


def assert_no_secret(*left: str) -> None:
    for text in left:
        for mark in MARKS:
            at = text.find(mark)
            assert at < 0, text[max(0, at - 300) : at + 50]


def dump(client: Redis) -> Iterator[str]:
    """All that a Redis holds, packed and unpacked."""
    for key in client.scan_iter():
        yield repr((key, client.dump(key)))
        if client.type(key) == b"hash":
            yield repr(client.hgetall(key))


def test_nothing_that_a_failing_crawl_leaves_behind_holds_a_secret(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    queue_key: str,
    database: Any,
    elsewhere: Elsewhere,
    tmp_path: Path,
) -> None:
    address = f"http://127.0.0.1:{elsewhere.server_address[1]}"
    simulator = simulate("--rows", "3", "--anchors", "60", "--redirect-to", address)
    tattled = sec_uids(1)[0]
    environment = {
        **endpoint(environment, simulator),
        "RANK_API_TOKENS": " ".join(TOKENS),
        "RANK_BACKOFF_SECONDS": "0.05",
        "RANK_MAX_DELIVERIES": "4",
        "LOG_LEVEL": "DEBUG",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONASYNCIODEBUG": "1",
    }
    pipelines = {
        "tests.support.telltale_pipeline.TelltalePipeline": 50,
        "rankspider.pipelines.validate.ValidatePipeline": 100,
        "rankspider.pipelines.store.StorePipeline": 300,
    }
    names = ["reset", "cut", "http500", "no-user", "not-json", "redirect"]
    anchors = [failing_sec_uid(name) for name in names]
    with local_redis(tmp_path / "redis", [f'requirepass "{PASSWORD}"'], PASSWORD) as server:
        client = Redis(port=server.port, password=PASSWORD)
        client.rpush(queue_key, *alternating(anchors, sec_uids(40)))
        login = quote(PASSWORD, safe="")
        environment["REDIS_URL"] = f"redis://:{login}@127.0.0.1:{server.port}/0"
        ended = crawl(
            environment,
            *("-s", "DOWNLOAD_TIMEOUT=3", "-s", f"TATTLE_OF={tattled}"),
            *("-s", f"ITEM_PIPELINES={json.dumps(pipelines)}"),
        )
        left = list(dump(client))
        dead = letters(client, queue_key)
        client.close()
    assert ended.returncode == 0, ended.log
    # What was to happen did: sent as it is, failed in every way, told of by the pipeline.
    assert set(TOKENS) <= set(simulator.get("/_simulator/stats")["tokens"])
    assert {dead[anchor]["reason"] for anchor in anchors if anchor in dead} >= {
        *("network", "server-error", "no-such-user", "malformed", "redirected")
    }
    assert "all that is known" in dead[tattled]["error"]
    assert "Current thread" in ended.log
    assert ended.stats["rank/anchors/acked"] == 39
    left += [ended.log, repr(ended.stats)]
    left += [
        repr(doc) for name in database.list_collection_names() for doc in database[name].find()
    ]
    assert_no_secret(*left)
    assert elsewhere.heard == []


def test_a_login_that_fails_tells_no_password(
    environment: dict[str, str], mongo_uri: str, redis_url: str
) -> None:
    sound = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS": "demo"}
    password = quote(PASSWORD, safe="")
    mongo = f"mongodb://user:{password}@127.0.0.1:{urlsplit(mongo_uri).port}/?authSource=admin"
    redis = f"redis://user:{password}@127.0.0.1:{urlsplit(redis_url).port}/0"
    for changes in ({"MONGO_URI": mongo}, {"REDIS_URL": redis}):
        ended = crawl({**environment, **sound, **changes, "LOG_LEVEL": "DEBUG"})
        assert ended.returncode == 3, ended.log
        assert_no_secret(ended.log)


@pytest.mark.long
def test_no_document_repeats_a_licence(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
) -> None:
    """Neither of a list that shows it in its texts, nor of a refusal; the archive keeps both."""
    simulator = simulate("--rows", "3", "--anchors", "60", "--envelope", "code")
    token = "S3cr3t+/licence"
    environment = endpoint(environment, simulator) | {"RANK_API_TOKENS": token, "RANK_ARCHIVE": "1"}
    sample = tmp_path / "sample"
    with urllib.request.urlopen(rank_url(simulator.url, sec_uids(1)[0]) + "&token=demo") as answer:
        sample.write_bytes(showing(token, answer.read()))
    simulator.configure(sample=str(sample))
    redis_client.rpush(queue_key, *sec_uids(2))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/answers/ok"] == 2
    simulator.configure(sample=None)
    redis_client.rpush(queue_key, *sec_uids(1))
    refused = crawl({**environment, "RANK_API_TOKENS": "fail-token-echo~S3cr3t+/"})
    assert refused.returncode == 4, refused.log
    archived = list(ArchiveReader(database).answers(AnswerFilter()))
    assert {each.failure for each in archived} == {None, "licence-refused"}
    assert all(b"***" in each.body for each in archived)
    stored = [
        bson.encode(document)
        for name in database.list_collection_names()
        for document in database[name].find()
    ]
    assert b"nickname-***" in b"".join(stored)
    for content in [*stored, *(each.body for each in archived)]:
        assert_no_secret(content.decode("utf-8", "replace"))


def showing(token: str, body: bytes) -> bytes:
    """``body`` with the licence in every nickname and address, as they would write it."""
    body, count = re.subn(rb'("nickname": ?)"', rb'\1"nickname-' + token.encode(), body)
    assert count
    written = json.dumps(quote(token)).encode()[1:-1]
    return body.replace(b"https://", b"https://" + written + b".")


class _Refusing(BaseHTTPRequestHandler):
    """A proxy that lets nobody through, and repeats what it was sent."""

    def do_GET(self) -> None:
        said = f"{self.headers}".replace("\r", " ").replace("\n", " ")
        self.send_response(407, f"no entry: {said}")
        self.send_header("Proxy-Authenticate", "Basic")
        self.end_headers()

    do_CONNECT = do_GET  # noqa: N815  # the handler's

    def log_message(self, *args: object) -> None:
        """Nothing to the test's own output."""


@pytest.fixture
def proxy() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    "login",
    ["us3r77:hunter2", "us3r77:hunter2%40%2F%3A", "us3r77:x@hunter2", "us3r77:x:hunter2/hunter2"],
)
def test_a_proxy_that_refuses_is_told_of_without_its_login(
    environment: dict[str, str],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    proxy: int,
    scheme: str,
    is_there: bool,
    login: str,
) -> None:
    names = [f"{scheme}_proxy", f"{scheme}_proxy".upper()]
    name = names[len(login) % 2]
    others = {each: value for each, value in environment.items() if "proxy" not in each.lower()}
    environment = {
        **others,
        name: f"http://{login}@127.0.0.1:{proxy if is_there else 1}",
        "RANK_API_URL": f"{scheme}://rank.invalid",
        "RANK_API_TOKENS": "S3cr3t-licence",
        "RANK_STOP_WHEN_DRAINED": "1",
        "RANK_MAX_DELIVERIES": "1",
        "LOG_LEVEL": "DEBUG",
    }
    redis_client.rpush(queue_key, *sec_uids(1))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    left = [ended.log, repr(letters(redis_client, queue_key)), *dump(redis_client)]
    for command in (("dead-letters",), ("dead-letters", "--json"), ("doctor",)):
        ran = processes.run(
            scrapy(*command), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.stdout
        left.append(ran.stdout + ran.stderr)
    assert_no_secret(*left)
    login_sent = base64.b64encode(unquote(login).encode()).decode()
    assert not any("us3r77" in text or login_sent in text for text in left)


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Https)
        self.server.asked.append(self.path)
        self.send_error(500)

    def log_message(self, *args: object) -> None:
        """Nothing to the test's own output."""


class _Https(ThreadingHTTPServer):
    asked: list[str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that the caller ends is what is wanted here."""


@pytest.fixture
def https(tmp_path: Path) -> Iterator[_Https]:
    """A server on this machine that nobody has vouched for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "pem"))
    with _Https(("127.0.0.1", 0), _Answering) as server:
        server.asked = []
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_certificate_nobody_vouches_for_gets_no_licence(
    environment: dict[str, str], https: _Https, redis_client: Redis, queue_key: str
) -> None:
    environment = {
        **environment,
        "RANK_API_URL": f"https://127.0.0.1:{https.server_address[1]}",
        "RANK_API_TOKENS": "S3cr3t",
        "RANK_STOP_WHEN_DRAINED": "1",
        "RANK_MAX_DELIVERIES": "1",
        "LOG_LEVEL": "DEBUG",
    }
    redis_client.rpush(queue_key, *sec_uids(1))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    (letter,) = letters(redis_client, queue_key).values()
    assert letter["reason"] == "network"
    assert "certificate" in letter["error"].lower()
    # Once more, as a connection that ends without a word is no try.
    assert ended.stats["rank/answers/failed/network"] == 2
    assert https.asked == []
    assert_no_secret(ended.log, json.dumps(letter))
    # The server itself is sound: a caller that trusts it is answered.
    trusting = crawl_without_checks(environment, redis_client, queue_key)
    assert len(https.asked) == 1, trusting


def crawl_without_checks(environment: dict[str, str], client: Redis, queue_key: str) -> str:
    client.rpush(queue_key, *sec_uids(2)[1:])
    return crawl(environment, "-s", "DOWNLOAD_VERIFY_CERTIFICATES=0").log


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o644, True)])
def test_a_worker_tells_of_licences_that_others_may_read(
    environment: dict[str, str], tmp_path: Path, mode: int, is_open: bool
) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("S3cr3t-licence")
    tokens.chmod(mode)
    changes = {"RANK_API_URL": "http://127.0.0.1:1", "RANK_API_TOKENS_FILE": str(tokens)}
    ended = crawl({**environment, **changes, "RANK_STOP_WHEN_DRAINED": "1"})
    assert ended.returncode == 0, ended.log
    assert (f"{tokens} may be read by other users" in ended.log) is is_open
    assert_no_secret(ended.log)


def test_members_and_the_vendors_words_forge_no_line_of_the_log(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "60")
    forged = "2026-11-27 03:00:00 [rankspider] ERROR: forged"
    steering = "\x1b[2J\x9b\u202e\u2066\u200b\u2028"
    redis_client.rpush(queue_key, f"no anchor\n{forged}{steering}", f"{'MS4' * 8}\r{forged}")
    environment = endpoint(environment, simulator) | {"LOG_LEVEL": "DEBUG"}
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    shown = processes.run(
        scrapy("dead-letters"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    as_json = processes.run(
        scrapy("dead-letters", "--json"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len([json.loads(line) for line in as_json.splitlines()]) == 2
    for text in (ended.log, shown, as_json):
        assert not set(steering) - set("[2J") & set(text)
        assert not any(line.startswith(forged[:19]) for line in text.splitlines())
    assert "forged" in shown
