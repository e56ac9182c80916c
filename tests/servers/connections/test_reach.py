"""What a server refuses, and why it cannot be had, in one line: at a start and in doctor alike."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from scrapy.settings import Settings

from rankspider.configuration import Configuration
from rankspider.connections import mongo as mongo_server
from rankspider.connections.redis import check, connect, connect_blocking
from rankspider.errors import ConfigurationError, RankspiderError, ServiceUnavailable
from rankspider.servers import reachable_lake
from tests.support.findings import redis_findings
from tests.support.mongo_proxy import Fault, MongoProxy, whole_command
from tests.support.project import ROOT
from tests.support.redis_servers import HOST, LocalRedis, free_port, local_redis, until
from tests.support.tls_relays import self_signed, tls_relay

PASSWORD = "hunter22"
QUEUE = "goods_rank:anchors"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    rules = [
        f"requirepass {PASSWORD}",
        f"user n0script on >{PASSWORD} ~* +@all -@scripting",
        f"user n0keys on >{PASSWORD} ~other* +@all",
        f"user n0queue on >{PASSWORD} ~{{{QUEUE}}}:* +@all",
        f"user n0beside on >{PASSWORD} ~{QUEUE} +@all",
        f"user n0hash on >{PASSWORD} ~* +@all -hset",
        f"user n0write on >{PASSWORD} ~* +@read +@scripting +@connection",
        f"user enough on >{PASSWORD} ~{QUEUE} ~{{{QUEUE}}}:* +@all -@admin -@dangerous",
    ]
    with local_redis(tmp_path_factory.mktemp("r") / "r", rules, PASSWORD) as running:
        yield running


def settings_for(url: str) -> Settings:
    settings = Settings()
    settings.setmodule("rankspider.settings")
    settings.set("REDIS_URL", url, priority="cmdline")
    return settings


def complaint(url: str) -> str:
    """The one line about ``url`` of whatever starts; doctor's is the same."""
    with pytest.raises(RankspiderError) as raised:
        check(settings_for(url))
    line = str(raised.value)
    assert "\n" not in line
    _, findings = redis_findings(url, QUEUE)
    assert any(
        each.exit_code == raised.value.exit_code and line in each.what for each in findings
    ), (line, findings)
    return line


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{host}:{port}/0", "wants a password"),
        (":wrong@{host}:{port}/0", "check the user and the password"),
        ("nob0dy:hunter22@{host}:{port}/0", "check the user and the password"),
        ("n0script:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        ("n0keys:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        ("n0queue:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        ("n0beside:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        ("n0hash:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        ("n0write:hunter22@{host}:{port}/0", "its ACL must allow scripts"),
        (":hunter22@{host}:{port}/99", "no database of that number"),
        (":hunter22@no.such.invalid:6379/0", "no.such.invalid:6379"),
        (":hunter22@no.such.invalid:6379/0", "no such host name"),
        (":hunter22@{host}:1/0", "127.0.0.1:1"),
        (":hunter22@{host}:1/0", "nobody listens there"),
    ],
)
def test_what_redis_refuses(
    server: LocalRedis, place: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = complaint("redis://" + place.format(host=HOST, port=server.port))
    assert message in line
    assert "Traceback" not in caplog.text


def test_a_user_with_enough_rights_is_taken(server: LocalRedis) -> None:
    check(settings_for(f"redis://enough:{PASSWORD}@{HOST}:{server.port}/0"))
    assert server.call("KEYS", "*trial*") == []


def test_a_socket_that_is_not_there() -> None:
    assert "/no/such.sock" in complaint("unix:///no/such.sock")


def test_a_password_where_there_is_none(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", []) as server:
        assert "check the user" in complaint(f"redis://bob:pw@{HOST}:{server.port}/0")


def test_the_trial_is_of_every_command_of_the_scripts(server: LocalRedis) -> None:
    """Each taken from the user in turn, it is missed."""
    scripts = [path.read_text("utf-8") for path in ROOT.glob("rankspider/**/*.lua")]
    commands = [str(name) for name in server.call("COMMAND")]
    names = {name for name in commands if any(f"'{name.upper()}'" in script for script in scripts)}
    assert {"zadd", "hset", "lpop", "spop", "zpopmax", "incr"} <= names
    rules = ("on", f">{PASSWORD}", "~*", "+@all")
    settings = settings_for(f"redis://n0body:{PASSWORD}@{HOST}:{server.port}/0")
    for name in sorted(names):
        server.call("ACL", "SETUSER", "n0body", "reset", *rules, f"-{name}")
        with pytest.raises(ServiceUnavailable, match="its ACL must allow"):
            check(settings)
    # Where it may not be deleted, it goes by itself.
    left = server.call("KEYS", "*trial*")
    assert all(server.call("PTTL", key) > 0 for key in left)
    server.call("DEL", *left)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ("maxmemory", "1", "OOM"),
        ("min-replicas-to-write", "1", "NOREPLICAS"),
    ],
)
def test_a_redis_that_takes_no_writes(tmp_path: Path, rule: str, value: str, message: str) -> None:
    with local_redis(tmp_path / "r", []) as server:
        url = f"redis://{HOST}:{server.port}/0"
        check(settings_for(url))
        server.call("CONFIG", "SET", rule, value)
        assert message in complaint(url)


def test_a_redis_that_cannot_save(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", []) as server:
        (tmp_path / "r" / "dump.rdb").mkdir()  # in the place of its snapshot
        server.call("CONFIG", "SET", "save", "900 1")
        server.call("BGSAVE")
        url = f"redis://{HOST}:{server.port}/0"

        def cannot_save() -> bool:
            return bool(server.call("INFO", "persistence")["rdb_last_bgsave_status"] == "err")

        until(cannot_save)
        assert "MISCONF" in complaint(url)


def test_a_replica(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", [f"replicaof {HOST} {free_port()}"]) as server:
        url = f"redis://{HOST}:{server.port}/0"
        with pytest.raises(ServiceUnavailable, match=r"replica|MASTERDOWN"):
            check(settings_for(url))


def test_one_server_of_a_cluster(tmp_path: Path) -> None:
    with local_redis(tmp_path / "r", ["cluster-enabled yes"]) as server:
        slot = server.call("CLUSTER", "KEYSLOT", QUEUE)
        server.call("CLUSTER", "ADDSLOTS", *(each for each in range(16384) if each != slot))
        with pytest.raises(RankspiderError, match=r"Cluster|CLUSTERDOWN"):
            check(settings_for(f"redis://{HOST}:{server.port}/0"))


def test_a_redis_that_loads_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with local_redis(tmp_path / "r", [f"dir {tmp_path}", "enable-debug-command yes"]) as server:
        server.call("DEBUG", "POPULATE", 2000, "key", 2000)
        server.call("SAVE")
    slow = ["key-load-delay 1000", "loading-process-events-interval-bytes 1024"]
    server = LocalRedis(tmp_path / "r2", [f"dir {tmp_path}", *slow])
    try:
        until(lambda: server.call("INFO", "persistence")["loading"] == 1)
        check(settings_for(f"redis://{HOST}:{server.port}/0"))
        assert server.call("DBSIZE") == 2000
    finally:
        server.kill()
    assert "loading its data" in caplog.text


# --- Options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "decode_responses=True",
        "decode_responses=true&protocol=2",
        "protocol=2",
        "protocol=3",
        "client_name=some.name",
        "health_check_interval=1",
        "max_connections=50",
        "retry_on_timeout=true",
        "socket_connect_timeout=5&socket_timeout=5",
        "socket_keepalive=yes",
        "socket_read_size=4096",
        "db=3",
        f"password={PASSWORD}&username=default",
    ],
)
def test_an_option_of_the_address_does_what_it_says(server: LocalRedis, option: str) -> None:
    """Members are bytes all the same, in both of redis-py's families."""
    login = "" if "password" in option else f":{PASSWORD}@"
    url = f"redis://{login}{HOST}:{server.port}?{option}"
    settings = settings_for(url)
    check(settings)
    key = f"{QUEUE}:bytes"

    async def pushed() -> Any:
        client = connect(settings)
        try:
            await client.rpush(key, b"\xff")
            return await client.lpop(key)
        finally:
            await client.aclose()

    assert asyncio.run(pushed()) == b"\xff"
    with connect_blocking(settings) as client:
        client.rpush(key, b"\xfe")
        assert client.lpop(key) == b"\xfe"


def test_an_option_that_only_some_addresses_take_is_named(server: LocalRedis) -> None:
    settings = settings_for(f"redis://:{PASSWORD}@{HOST}:{server.port}/0")
    settings.set("REDIS_PARAMS", {"no_such_option": 1}, priority="cmdline")
    for make in (connect, connect_blocking):
        with pytest.raises(ConfigurationError, match="no_such_option"):
            make(settings)


# --- TLS ----------------------------------------------------------------------------------------


def test_tls_of_redis(server: LocalRedis, tmp_path: Path) -> None:
    good, over = self_signed(tmp_path / "good"), self_signed(tmp_path / "over", ended=True)
    with tls_relay(good, server.port) as port, tls_relay(over, server.port) as port_over:
        at = f":{PASSWORD}@{HOST}"
        check(settings_for(f"rediss://{at}:{port}/0?ssl_ca_certs={good}"))
        for url, message in (
            (f"rediss://{at}:{port}/0", "self-signed certificate"),
            (f"rediss://{at}:{port_over}/0?ssl_ca_certs={over}", "certificate has expired"),
            (f"rediss://:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={good}", "not valid for 'loc"),
            (f"redis://{at}:{port}/0", "does that port want TLS?"),
            (f"rediss://{at}:{server.port}/0", "does that port speak TLS?"),
            (f"rediss://{at}:{port}/0?ssl_ca_certs={tmp_path}/none", "No such file"),
        ):
            assert message in complaint(url), url


def test_tls_of_mongo(mongo_uri: str, tmp_path: Path) -> None:
    good, over = self_signed(tmp_path / "good"), self_signed(tmp_path / "over", ended=True)
    there = urlsplit(mongo_uri)
    assert there.port is not None
    login = there.netloc.rpartition("@")[0]
    with tls_relay(good, there.port) as port, tls_relay(over, there.port) as port_over:
        tls = "directConnection=true&tls=true"
        mongo_server.check(f"mongodb://{login}@{HOST}:{port}/?{tls}&tlsCAFile={good}")
        for place, options, message in (
            (f"{HOST}:{port}", tls, "certificate"),
            (f"{HOST}:{port_over}", f"{tls}&tlsCAFile={over}", "certificate"),
            (f"localhost:{port}", f"{tls}&tlsCAFile={good}", "certificate"),
            (f"{HOST}:{port}", "directConnection=true", "does that port want TLS?"),
            (f"{HOST}:{there.port}", tls, "does that port speak TLS?"),
        ):
            with pytest.raises(ServiceUnavailable, match="MongoDB cannot be reached") as raised:
                mongo_server.check(f"mongodb://{login}@{place}/?{options}")
            assert message in str(raised.value), (place, options)
            assert place in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mongodb://{host}:{port}/", "wants a user and a password"),
        ("mongodb://rankspider:wrong@{host}:{port}/", "check the user, the password"),
        ("mongodb://nobody:wrong@{host}:{port}/", "check the user, the password"),
        ("mongodb://{host}:1/", "127.0.0.1:1: "),
        ("mongodb://{host}:1/", "nobody listens there"),
        ("mongodb://no.such.invalid/", "no.such.invalid:27017: "),
        ("mongodb://no.such.invalid/", "no such host name"),
        ("mongodb://{host}:{port}/?replicaSet=other", 'replica set name "other"'),
    ],
)
def test_what_mongo_refuses(mongo_uri: str, uri: str, message: str) -> None:
    port = urlsplit(mongo_uri).port
    with pytest.raises(ServiceUnavailable) as raised:
        mongo_server.check(uri.format(host=HOST, port=port))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "configured timeouts" not in str(raised.value)


async def test_a_user_of_mongo_with_few_rights_is_told_which_it_lacks(mongo_uri: str) -> None:
    """Some servers let only few list their databases, which no command needs."""
    async with MongoProxy(mongo_uri) as proxy:
        proxy.add(Fault(whole_command(13, "Unauthorized"), ("listDatabases", "find")))
        settings = settings_for("redis://unused")
        settings.set("MONGO_URI", proxy.uri, priority="cmdline")
        configuration = Configuration.read(settings)
        with pytest.raises(ServiceUnavailable, match=r"13 Unauthorized: .*grant the user"):
            await asyncio.to_thread(_read, configuration)


def test_a_read_of_hours_is_not_given_up(mongo_uri: str) -> None:
    settings = settings_for("redis://unused")
    settings.set("MONGO_URI", mongo_uri, priority="cmdline")
    with reachable_lake(Configuration.read(settings)) as database:
        seconds = database.client.options.pool_options.socket_timeout
    assert seconds is not None
    assert seconds >= 6 * 3600


def _read(configuration: Configuration) -> None:
    with reachable_lake(configuration) as database:
        database.ranks.find_one()
