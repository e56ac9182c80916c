"""Which program becomes the embedded server, and what it is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from rankspider.embedded import launch, mongo_server, redis_server
from rankspider.errors import EmbeddedServerError
from tests.support.embedded_homes import odd_folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with odd_folder(tmp_path) as folder:
        yield folder


def _put_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_a_mongod_on_the_path_is_the_better_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put_on_the_path(folder, monkeypatch, "mongod", "db version v7.0.14")
    program = mongo_server.find(folder)
    assert (program.title, program.data) == ("mongod 7.0.14", "mongod")
    assert program.command[program.command.index("--replSet") + 1] == "rankspider"
    assert program.command[program.command.index("--bind_ip") + 1] == "127.0.0.1"
    assert program.command[-1] == "--port"
    assert (folder / "keyfile").stat().st_mode & 0o777 == 0o600


def test_the_program_that_wrote_the_data_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secantus").mkdir()
    (folder / "secantus" / "WiredTiger").touch()
    _put_on_the_path(folder, monkeypatch, "mongod", "db version v7.0.14")
    program = mongo_server.find(folder)
    assert (program.data, program.remark) == (
        "secantus",
        "; not mongod, which did not write the data",
    )


def test_data_of_a_mongod_that_is_gone_is_not_replaced_by_an_empty_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mongod").mkdir()
    (folder / "mongod" / "WiredTiger").touch()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmbeddedServerError, match=r"written by mongod.*MONGO_URI"):
        mongo_server.find(folder)


def test_an_older_redis_does_not_start_empty_beside_newer_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data" / "appendonlydir").mkdir(parents=True)
    _put_on_the_path(folder, monkeypatch, "redis-server", "Redis server v=6.0.16 sha=0")
    monkeypatch.setattr(redis_server, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerError, match=r"needs redis-server 7 or newer.*6\.0\.16"):
        redis_server.find(folder)
    _put_on_the_path(folder, monkeypatch, "redis-server", "Redis server v=7.2.4 sha=0")
    assert redis_server.find(folder).title == "redis-server 7.2.4"


@pytest.mark.parametrize(
    ("wrote", "program", "version", "is_taken"),
    [
        (b"VALKEY080", "redis-server", "Redis server v=8.2.0", False),
        (b"VALKEY080", "valkey-server", "Valkey server v=9.1.2", True),
        (b"REDIS0012", "valkey-server", "Valkey server v=9.1.2", False),
        (b"REDIS0012", "redis-server", "Redis server v=8.2.0", True),
        (b"REDIS0011", "valkey-server", "Valkey server v=8.0.1", True),
    ],
)
def test_a_program_is_not_given_data_that_it_cannot_read(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrote: bytes,
    program: str,
    version: str,
    is_taken: bool,
) -> None:
    log = folder / "data" / "appendonlydir"
    log.mkdir(parents=True)
    (log / "appendonly.aof.1.base.rdb").write_bytes(wrote + b"\xfa")
    monkeypatch.setattr(redis_server, "find_spec", lambda name: None)
    _put_on_the_path(folder, monkeypatch, program, version)
    if is_taken:
        assert redis_server.find(folder).title.startswith(program)
    else:
        with pytest.raises(EmbeddedServerError, match=rf"needs .* here is only {program}"):
            redis_server.find(folder)


def test_the_servers_are_not_told_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK_API_TOKENS", "licence")
    monkeypatch.setenv("MONGO_URI", "mongodb://name:password@host")
    monkeypatch.setenv("SECANTUS_TEST_FAST_STORAGE", "1")
    assert not {"RANK_API_TOKENS", "MONGO_URI", "SECANTUS_TEST_FAST_STORAGE"} & set(
        launch.environment()
    )


class StandInForMongod:
    """Answers as mongod's manual says, and keeps what it was told. No mongod was ever here: what
    this shows is what is sent, not that mongod takes it."""

    def __init__(self, *hellos: dict[str, Any], config: dict[str, Any] | None = None) -> None:
        self._hellos, self._config = iter(hellos), config
        self.told: list[tuple[str, Any, dict[str, Any]]] = []
        self.admin = self

    def command(self, name: str, argument: Any = None, **more: Any) -> Any:
        if name == "hello":
            return next(self._hellos)
        if name == "replSetGetConfig":
            if self._config is None:
                raise OperationFailure("no replset config has been received", 94)
            return {"config": self._config}
        self.told.append((name, argument, more))
        return {}


NO_SET = {"isWritablePrimary": False, "isreplicaset": True}
SECONDARY, PRIMARY = {"isWritablePrimary": False}, {"isWritablePrimary": True}


def _elected(*hellos: dict[str, Any], config: dict[str, Any] | None = None) -> list[Any]:
    mongod: Any = StandInForMongod(*hellos, config=config)
    mongo_server._be_primary(mongod, "127.0.0.1:20017")
    assert next(mongod._hellos, None) is None
    return mongod.told


def test_a_new_mongod_becomes_the_one_member_of_its_set() -> None:
    config = {"_id": "rankspider", "members": [{"_id": 0, "host": "127.0.0.1:20017"}]}
    told = _elected(NO_SET, SECONDARY, PRIMARY)
    assert told == [("replSetInitiate", config, {})]


def test_a_mongod_at_another_port_than_before_takes_its_new_address() -> None:
    there = {"_id": "rankspider", "version": 3, "members": [{"_id": 0, "host": "127.0.0.1:9"}]}
    ((name, config, more),) = _elected(NO_SET, PRIMARY, config=there)
    assert (name, more) == ("replSetReconfig", {"force": True})
    assert config["members"] == [{"_id": 0, "host": "127.0.0.1:20017"}]
    assert config["version"] == 4


def test_one_that_serves_or_elects_itself_is_let_be() -> None:
    assert _elected(PRIMARY, PRIMARY) == _elected(SECONDARY, SECONDARY, PRIMARY) == []
