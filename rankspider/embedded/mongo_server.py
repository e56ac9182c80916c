"""The embedded MongoDB: a ``mongod`` on the PATH, or else SecantusDB's wire server.

SecantusDB is GPL-2.0: it runs as a process of its own and is never imported.
"""

import shutil
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from rankspider.embedded.home import LOOPBACK
from rankspider.embedded.kind import (
    AUTH,
    PROBE_SECONDS,
    Program,
    ServerKind,
    listens,
    not_installed,
    version_of,
)
from rankspider.errors import EmbeddedServerError

MONGOD_OPTIONS = [
    *(AUTH, "--dbpath", ".", "--bind_ip", LOOPBACK, "--nounixsocket", "--quiet", "--port"),
]

INTERNAL_ERROR = 1
_USER = "rankspider"

# --sync-on-commit: without it WiredTiger keeps a write in memory for a moment after it was
# acknowledged, and a SIGKILL right then lost it (28 of 30 tries at w=majority; none of 30 with it).
# No --standalone: only on a replica set do drivers repeat a write whose connection broke, as it
# does when the server is killed, and have transactions. The price is the oplog, which holds every
# write once more: kept short. --config: a user's own secantus.toml is not for this server.
SECANTUS_OPTIONS = [
    *(AUTH, "--sync-on-commit", "--oplog-retention-seconds", "60", "--oplog-max-entries", "1000"),
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
        return Program(f"mongod {version_of(mongod)}", [mongod, *MONGOD_OPTIONS], "mongod")
    return _secantus(home, remark="; not mongod, which did not write the data" if mongod else "")


def _secantus(home: Path, remark: str) -> Program:
    config = home / "secantus.toml"
    config.touch()
    command = [sys.executable, "-m", "secantus", "--config", str(config), *SECANTUS_OPTIONS]
    return Program(f"SecantusDB {version('SecantusDB')}", command, "secantus", remark)


def pid_at(url: str) -> int | None:
    if not listens(urlsplit(url).port or 0):
        return None
    with _client(url) as client:
        try:
            return int(client.admin.command("serverStatus")["pid"])
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
    with MongoClient[dict[str, object]](url, directConnection=True) as client:
        known = client.admin.command("usersInfo", _USER)["users"]
        client.admin.command(
            "updateUser" if known else "createUser", _USER, pwd=password, roles=roles
        )


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


# journal=true: a mongod that stands alone answers w=majority before its journal is on the disk.
URL = f"mongodb://{_USER}:{{password}}@{LOOPBACK}:{{port}}/?w=majority&journal=true"
MONGO = ServerKind("mongo", "MONGO_URI", URL, find, pid_at, admit, has_failed)
