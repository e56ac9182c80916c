"""Folders of embedded servers, all stopped in the end."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rankspider.embedded.home import Home
from rankspider.embedded.mongo_server import MONGO
from rankspider.embedded.redis_server import REDIS

DEADLINE_SECONDS = 60.0


@contextmanager
def odd_folder(tmp_path: Path) -> Iterator[Path]:
    """Blanks, other scripts and more than a unix socket's path may have; all stopped after."""
    folder = tmp_path / "人气 榜 é" / ("long" * 40)
    folder.mkdir(parents=True)
    yield folder
    homes = [home_in(folder, kind.name) for kind in (REDIS, MONGO)]
    left = [name for home in homes for name in ("keeper", "server") if not has_stopped(home, name)]
    assert left == []


def home_in(folder: Path, name: str) -> Home:
    return Home(folder / name)


def has_stopped(home: Home, name: str) -> bool:
    """Wait for it; what is still there at the deadline is killed, as later tests need quiet."""
    if not home.path.is_dir():
        return True
    with home.lock(name) as lock:
        if lock.try_exclusive(DEADLINE_SECONDS):
            return True
        pid = lock.signer()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    return False
