"""The embedded MongoDB: a ``mongod`` on the PATH, or else SecantusDB's wire server.

SecantusDB is GPL-2.0: it runs as a process of its own and is never imported.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from rankspider.embedded.home import LOOPBACK, password_in
from rankspider.embedded.kind import (
    PROBE_SECONDS,
    Program,
    ServerKind,
    listens,
    not_installed,
    version_of,
)
from rankspider.embedded.locks import POLL_SECONDS
from rankspider.errors import EmbeddedServerError

REPLICA_SET, KEY_FILE = "rankspider", "keyfile"
# Members of a replica set need a key to let in nobody else, even if there is but one:
# https://www.mongodb.com/docs/manual/core/security-internal-authentication/
MONGOD_GUARD = ("--keyFile", f"../{KEY_FILE}")
# A replica set of one, as no driver repeats a write on a server that stands alone. Unrun: no mongod
# was at hand.
MONGOD_OPTIONS = [
    *(*MONGOD_GUARD, "--replSet", REPLICA_SET, "--oplogSize", "990", "--dbpath", "."),
    *("--bind_ip", LOOPBACK, "--nounixsocket", "--quiet", "--port"),
]
PRIMARY_SECONDS = 60.0

INTERNAL_ERROR, NOT_YET_INITIALIZED = 1, 94
_USER = "rankspider"

# --sync-on-commit: without it WiredTiger keeps a write in memory for a moment after it was
# acknowledged, and a SIGKILL right then lost it (28 of 30 tries at w=majority; none of 30 with it).
# No --standalone: only on a replica set do drivers repeat a write whose connection broke, as it
# does when the server is killed, and have transactions. The price is the oplog, which holds every
# write once more: kept short. --config: a user's own secantus.toml is not for this server.
SECANTUS_GUARD = ("--auth",)
SECANTUS_OPTIONS = [
    *(*SECANTUS_GUARD, "--sync-on-commit"),
    *("--oplog-retention-seconds", "60", "--oplog-max-entries", "1000"),
    *("--host", LOOPBACK, "--storage-path", ".", "--log-level", "WARNING", "--port"),
]


def find(home: Path) -> Program:
    mongod = shutil.which("mongod")
    here = {"mongod": mongod is not None, "secantus": find_spec("secantus") is not None}
    wrote = next((name for name in here if _has_files(home / name)), None)
    name = wrote or next((name for name in here if here[name]), None)
    if name is None:
        raise not_installed("MongoDB", "mongod", "SecantusDB", "MONGO_URI")
    if not here[name]:
        raise EmbeddedServerError(
            f"The embedded MongoDB: the data in {home} was written by {name}, which is not "
            "installed here. Install it, or set MONGO_URI to your own server"
        )
    if mongod is not None and name == "mongod":
        password_in(home, KEY_FILE)
        title, command = f"mongod {version_of(mongod)}", [mongod, *MONGOD_OPTIONS]
        return Program(title, command, "mongod", "", MONGOD_GUARD, is_bound_to_its_port=True)
    return _secantus(home, remark="; not mongod, which did not write the data" if mongod else "")


def _secantus(home: Path, remark: str) -> Program:
    config = home / "secantus.toml"
    config.touch()
    command = [sys.executable, "-m", "secantus", "--config", str(config), *SECANTUS_OPTIONS]
    title = f"SecantusDB {version('SecantusDB')}"
    return Program(title, command, "secantus", remark, SECANTUS_GUARD)


def pid_at(url: str) -> int | None:
    """Return the process that serves at ``url``, if one does. None as well for one that takes no
    writes yet, unless it waits for `admit`."""
    if not listens(urlsplit(url).port or 0):
        return None
    with _client(url) as client:
        try:
            hello = client.admin.command("hello")
            serves = hello["isWritablePrimary"] or _has_no_set(hello)
            return int(client.admin.command("serverStatus")["pid"]) if serves else None
        except PyMongoError:
            return None


def has_failed(url: str) -> bool:
    """Return whether the server must be started again. SecantusDB's storage stops for good where
    mongod ends itself, as on a full disk, and each command that needs it is answered with code
    1; its other commands go on as if nothing was."""
    with _client(url) as client:
        try:
            client.admin["rankspider"].find_one({"_id": "keeper"})
        except OperationFailure as error:
            return error.code == INTERNAL_ERROR
        except PyMongoError:
            return False
    return False


def _client(url: str) -> MongoClient[dict[str, Any]]:
    milliseconds = int(PROBE_SECONDS * 1000)
    return MongoClient[dict[str, Any]](
        url,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )


def admit(url: str, password: str) -> None:
    """Make the one user, with data and indexes of any database, and no say over the server or its
    users."""
    roles = ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]
    with MongoClient[dict[str, Any]](url, directConnection=True) as client:
        _be_primary(client, f"{LOOPBACK}:{urlsplit(url).port}")
        known = client.admin.command("usersInfo", _USER)["users"]
        client.admin.command(
            "updateUser" if known else "createUser", _USER, pwd=password, roles=roles
        )


def _be_primary(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Make a mongod the one member of its replica set; it then elects itself.

    A new one has no configuration yet. One that was at another port does not find itself in its
    own, and takes no other but by force:
    https://www.mongodb.com/docs/manual/reference/command/replSetReconfig/
    """
    if _has_no_set(client.admin.command("hello")):
        try:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"][0]["host"] = host
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)
        except OperationFailure as error:
            if error.code != NOT_YET_INITIALIZED:
                raise
            config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]}
            client.admin.command("replSetInitiate", config)
    deadline = time.monotonic() + PRIMARY_SECONDS
    while not client.admin.command("hello")["isWritablePrimary"]:
        if time.monotonic() > deadline:
            raise EmbeddedServerError("mongod does not become the primary of its replica set")
        time.sleep(POLL_SECONDS)


def _has_no_set(hello: Mapping[str, Any]) -> bool:
    """Return whether a mongod with --replSet has no configuration, or is not in its own."""
    return "isreplicaset" in hello


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


URL = f"mongodb://{_USER}:{{password}}@{LOOPBACK}:{{port}}/?w=majority&journal=true"
MONGO = ServerKind("mongo", "MONGO_URI", URL, find, pid_at, admit, has_failed)
