"""Real servers, keepers and users; a user is a process of its own wherever it is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from psutil import process_iter
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from redis import AuthenticationError, Redis, RedisError

from rankspider.embedded import Servers, embedded_servers, mongo_server, redis_server, running
from rankspider.embedded.home import Home
from rankspider.embedded.mongo_server import MONGO
from rankspider.embedded.redis_server import REDIS
from rankspider.errors import EmbeddedServerError
from tests.support import stand_in_for_mongod
from tests.support.embedded_homes import has_stopped, home_in, odd_folder
from tests.support.project import ROOT
from tests.support.waiting import until

pytestmark = pytest.mark.embedded_mongo

USER = """
import json, sys
from pathlib import Path
from rankspider.embedded import embedded_servers

with embedded_servers(Path(sys.argv[1]), redis="r" in sys.argv[2], mongo="m" in sys.argv[2]) as it:
    sys.stdout.write(json.dumps([it.redis_url, it.mongo_uri]) + "\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with odd_folder(tmp_path) as folder:
        yield folder


def _pid(home: Home, name: str) -> int:
    with home.lock(name) as lock:
        pid = lock.signer()
    assert pid is not None
    return pid


class User:
    def __init__(self, folder: Path, wants: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder), wants],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def urls(self) -> list[str]:
        assert self.process.stdout is not None
        return [url for url in json.loads(self.process.stdout.readline()) if url]

    def leave(self) -> int:
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def _users(folder: Path, wants: str, count: int = 1) -> Iterator[list[User]]:
    users = [User(folder, wants) for _ in range(count)]
    try:
        yield users
    finally:
        for user in users:
            if user.process.returncode is None:
                user.kill()


@contextmanager
def _redis(url: str) -> Iterator[Redis]:
    with Redis.from_url(url, decode_responses=True) as client:
        yield client


@contextmanager
def _mongo(uri: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](uri) as client:
        yield client.lake.rows


def test_two_users_share_the_servers_and_the_last_one_stops_them(folder: Path) -> None:
    with _users(folder, "rm", 2) as (first, second):
        urls = first.urls()
        assert second.urls() == urls
        assert first.leave() == 0
        with _redis(urls[0]) as client:
            assert client.ping()
        with _mongo(urls[1]) as rows:
            rows.insert_one({"_id": 1})
        assert second.leave() == 0
    for kind in (REDIS, MONGO):
        with home_in(folder, kind.name).lock("server") as lock:
            assert lock.try_exclusive(), "the last user returned before its server had stopped"


@pytest.mark.parametrize("wants", ["r", "m"])
def test_a_killed_user_leaves_nothing_running(folder: Path, wants: str) -> None:
    home = home_in(folder, {"r": "redis", "m": "mongo"}[wants])
    with _users(folder, wants) as [user]:
        user.urls()
        server = _pid(home, "server")
        os.kill(server, 0)
        user.kill()
    assert has_stopped(home, "keeper")
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_a_new_user_right_after_a_killed_one_finds_the_data_at_the_same_place(
    folder: Path,
) -> None:
    with _users(folder, "rm") as [user]:
        before = user.urls()
        with _redis(before[0]) as client, _mongo(before[1]) as rows:
            client.set("kept", "yes")
            rows.insert_one({"_id": "kept"})
        user.kill()
    with embedded_servers(folder, redis=True, mongo=True) as servers:
        assert [servers.redis_url, servers.mongo_uri] == before
        with _redis(before[0]) as client, _mongo(before[1]) as rows:
            assert client.get("kept") == "yes"
            assert rows.find_one({"_id": "kept"})


def _grows(numbers: list[int], by: int) -> None:
    goal = len(numbers) + by
    until(lambda: len(numbers) >= goal)


def _killed_while_writing(home: Home, write: Callable[[int], object]) -> list[int]:
    """What was acknowledged while the server was killed twice; writes go on until it is back."""
    acknowledged: list[int] = []
    ending = threading.Event()

    def work() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            with suppress(RedisError, PyMongoError):
                write(number)
                acknowledged.append(number)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for _ in range(2):
            _grows(acknowledged, 50)
            os.kill(_pid(home, "server"), signal.SIGKILL)
            _grows(acknowledged, 5)
    finally:
        ending.set()
        writer.join()
    return acknowledged


def test_a_killed_redis_comes_back_with_all_it_acknowledged(folder: Path) -> None:
    with embedded_servers(folder, redis=True, mongo=False) as servers:
        assert servers.redis_url is not None
        with _redis(servers.redis_url) as client:
            acknowledged = _killed_while_writing(
                home_in(folder, "redis"), lambda number: client.sadd("anchors", number)
            )
            assert {str(number) for number in acknowledged} <= client.smembers("anchors")
    assert "starting it again" in home_in(folder, "redis").log.read_text("utf-8")


def test_a_killed_mongo_comes_back_with_all_it_acknowledged(folder: Path) -> None:
    with embedded_servers(folder, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        with _mongo(servers.mongo_uri) as rows:
            acknowledged = _killed_while_writing(
                home_in(folder, "mongo"),
                lambda number: rows.update_one({"_id": number}, {"$set": {"n": 1}}, upsert=True),
            )
            assert set(acknowledged) <= set(rows.distinct("_id"))


def test_majority_alone_survives_a_kill_right_after_the_answer(folder: Path) -> None:
    """As the lake writes: its own write concern takes the place of the URI's."""
    with embedded_servers(folder, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        with _mongo(servers.mongo_uri.replace("&journal=true", "")) as rows:
            for number in range(3):
                rows.insert_one({"_id": number})
                os.kill(_pid(home_in(folder, "mongo"), "server"), signal.SIGKILL)
                assert rows.find_one({"_id": number})


@pytest.mark.parametrize("user_goes_too", [True, False])
def test_after_a_killed_keeper_the_next_start_has_the_data(
    folder: Path, user_goes_too: bool
) -> None:
    with _users(folder, "rm") as [user]:
        urls = user.urls()
        with _redis(urls[0]) as client, _mongo(urls[1]) as rows:
            client.set("kept", "yes")
            rows.insert_one({"_id": "kept"})
        for name in ("redis", "mongo"):
            os.kill(_pid(home_in(folder, name), "keeper"), signal.SIGKILL)
            assert has_stopped(home_in(folder, name), "keeper")
        if user_goes_too:
            user.kill()
        with embedded_servers(folder, redis=True, mongo=True) as servers:
            assert [servers.redis_url, servers.mongo_uri] == urls
            with _redis(urls[0]) as client, _mongo(urls[1]) as rows:
                assert client.get("kept") == "yes"
                assert rows.find_one({"_id": "kept"})


def test_five_users_at_once_get_one_server(folder: Path) -> None:
    with _users(folder, "r", 5) as users:
        assert len({url for user in users for url in user.urls()}) == 1
        assert [user.leave() for user in users] == [0] * 5
    log = home_in(folder, "redis").log.read_text("utf-8")
    assert log.count("Ready to accept connections") == 1


def test_a_port_that_is_taken_is_not_waited_for(folder: Path) -> None:
    other = folder / "other"
    with embedded_servers(folder, redis=True, mongo=False) as servers:
        address = home_in(folder, "redis").read_address()
        assert address is not None
        copy = home_in(other, "redis")
        copy.path.mkdir(parents=True)
        copy.write_address(address)
        with embedded_servers(other, redis=True, mongo=False) as others:
            assert others.redis_url != servers.redis_url


def test_a_redis_server_that_does_not_start_says_why_in_one_line(folder: Path) -> None:
    home = home_in(folder, "redis")
    (home.path / "data").mkdir(parents=True)
    (home.path / "data" / "appendonly.aof").write_text("not a log of commands")
    with (
        pytest.raises(EmbeddedServerError, match=r"did not start: .*Bad file format") as caught,
        embedded_servers(folder, redis=True, mongo=False),
    ):
        pass
    assert str(home.log) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_one_clear_line(folder: Path) -> None:
    (folder / "file").write_text("")
    with (
        pytest.raises(EmbeddedServerError, match=r"redis can't keep its data .*REDIS_URL"),
        embedded_servers(folder / "file", redis=True, mongo=False),
    ):
        pass


@pytest.mark.parametrize(("wants", "setting"), [("redis", "REDIS_URL"), ("mongo", "MONGO_URI")])
def test_what_is_not_installed_is_named_with_its_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wants: str, setting: str
) -> None:
    monkeypatch.setenv("PATH", "")
    for module in (redis_server, mongo_server):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with (
        pytest.raises(EmbeddedServerError, match=rf"pip install .*\[embedded\].*{setting}"),
        embedded_servers(folder, redis=wants == "redis", mongo=wants == "mongo"),
    ):
        pass


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG SET dir /tmp",
        "CONFIG SET dbfilename x",
        "CONFIG SET appendonly no",
        "CONFIG REWRITE",
        "SAVE",
        "BGSAVE",
        "BGREWRITEAOF",
        "MODULE LOAD /tmp/x.so",
        "DEBUG SLEEP 0",
        "REPLICAOF 127.0.0.1 1",
        "SHUTDOWN NOSAVE",
        "ACL SETUSER eve on nopass ~* +@all",
        "MONITOR",
    ],
)
def test_nobody_makes_the_embedded_redis_do_more_than_keep_data(
    redis_url: str, command: str
) -> None:
    with (
        _redis(redis_url) as client,
        pytest.raises(RedisError, match=r"no permissions|not allowed"),
    ):
        client.execute_command(*command.split())


def test_the_embedded_redis_is_for_its_user_alone(folder: Path) -> None:
    """No password, no entry; and nobody else may look where the password is kept."""
    (folder / "redis" / "data").mkdir(parents=True)
    (folder / "redis").chmod(0o777)  # of an earlier release
    with embedded_servers(folder, redis=True, mongo=False) as servers:
        assert servers.redis_url is not None
        address = urlsplit(servers.redis_url)
        assert address.password
        with Redis(port=address.port) as stranger, pytest.raises(AuthenticationError):
            stranger.set("anchors", "forged")
        assert (folder / "redis").stat().st_mode & 0o777 == 0o700
        lines = [" ".join(process.info["cmdline"] or ()) for process in process_iter(["cmdline"])]
        assert any(f":{address.port}" in line for line in lines)
        assert not any(address.password in line for line in lines)
        assert running(folder) == servers
    assert running(folder) == Servers()


@pytest.mark.parametrize("age", ["new", "of an earlier release", "with another password"])
def test_the_embedded_mongo_is_for_its_user_alone(folder: Path, age: str) -> None:
    if age != "new":
        with embedded_servers(folder, redis=False, mongo=True) as servers:
            assert servers.mongo_uri is not None
            with _mongo(servers.mongo_uri) as rows:
                rows.insert_one({"_id": age})
        (folder / "mongo" / "password").unlink()
        (folder / "mongo").chmod(0o755)
    if age == "of an earlier release":
        (folder / "mongo" / "secantus" / "user").unlink()
    with embedded_servers(folder, redis=False, mongo=True) as servers:
        assert servers.mongo_uri is not None
        address = urlsplit(servers.mongo_uri)
        assert address.password
        stranger = f"mongodb://127.0.0.1:{address.port}/"
        refused = pytest.raises(OperationFailure, match="requires authentication")
        with _mongo(stranger) as rows, refused:
            rows.insert_one({"_id": "forged"})
        with _mongo(servers.mongo_uri) as rows:
            assert [row["_id"] for row in rows.find()] == ([] if age == "new" else [age])
            with pytest.raises(OperationFailure, match="not authorized"):
                rows.database.client.admin.command("createUser", "eve", pwd="x", roles=["root"])
        assert (folder / "mongo").stat().st_mode & 0o777 == 0o700
        assert running(folder) == servers


def test_a_mongod_on_the_path_has_a_key_and_is_for_its_user_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for it."""
    stand_in_for_mongod.installed(folder / "bin")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    for _ in range(2):
        with embedded_servers(folder, redis=False, mongo=True) as servers:
            assert "mongod 7.0.14" in str(servers.mongo_note)
            with MongoClient[Any](servers.mongo_uri) as client:
                client.lake.kept.insert_one({})
                count = client.lake.kept.count_documents({})
            place = urlsplit(servers.mongo_uri)
            refused = pytest.raises(OperationFailure, match="requires authentication")
            with MongoClient[Any](place.hostname, place.port) as nobody, refused:
                nobody.lake.kept.find_one()
    assert count == 2


def test_what_redis_6_wrote_is_taken_over(folder: Path) -> None:
    data = folder / "redis" / "data"
    data.mkdir(parents=True)
    commands = (("SELECT", "0"), ("RPUSH", "anchors", "one", "two"))
    (data / "appendonly.aof").write_text(
        "".join(
            f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            for words in commands
        ),
        newline="",
    )
    for _ in range(2):
        with embedded_servers(folder, redis=True, mongo=False) as servers:
            assert servers.redis_url is not None
            with _redis(servers.redis_url) as client:
                assert client.lrange("anchors", 0, -1) == ["one", "two"]


def test_a_disk_without_rights_keeps_no_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "redis").mkdir(mode=0o755)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # as on a FAT disk
    with (
        pytest.raises(EmbeddedServerError, match="RANK_DATA_DIR"),
        embedded_servers(folder, redis=True, mongo=False),
    ):
        pass
