"""The folder of one embedded server: its data, its log, its locks, and where it listens."""

import json
import os
import random
import secrets
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from rankspider.embedded.locks import FileLock
from rankspider.errors import EmbeddedServerError

LOOPBACK = "127.0.0.1"
LOG_BYTES = 1 << 20
DISK_BYTES = 1 << 20
# Below the ports that the kernel gives to outgoing connections (32768 and up on Linux). On one of
# those, a client knocking at a server that is being restarted can end up connected to itself,
# and then holds the port against the server.
PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class Address:
    """What a newcomer must know of the server that runs, as kept in ``server.json``."""

    port: int
    url: str
    note: str


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self._address = path / "server.json"

    def make_private(self) -> None:
        """Make the folder, and keep everybody else out of it and of all that is in it.

        Raises `OSError`, and `EmbeddedServerError` where the disk keeps no rights.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if self.path.stat().st_mode & 0o077:
            raise EmbeddedServerError(
                f"{self.path} stays open to every user of this machine, and the password of an "
                "embedded server is kept there: set RANK_DATA_DIR to a folder on a disk that "
                "keeps rights"
            )

    def lock(self, name: str) -> FileLock:
        return FileLock.open(self.path / f"{name}.lock")

    def read_address(self) -> Address | None:
        try:
            return Address(**json.loads(self._address.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_address(self, address: Address) -> None:
        write_private(self._address, json.dumps(asdict(address)))

    def choose_port(self) -> int:
        """Return the last port if it is free, so that scripts which name it go on working."""
        last = self.read_address()
        if last is not None and _is_free(last.port):
            return last.port
        return next(port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))

    def trim_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.path / "log.old")

    def trouble(self, since: int = 0) -> str:
        """Return why a server failed: the last line of the log after its byte ``since``."""
        if shutil.disk_usage(self.path).free < DISK_BYTES:
            return "the disk is full"  # which a panicking server may not put so plainly
        with self.log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else "its log is empty"


def password_in(folder: Path, name: str = "password") -> str:
    """Return the password of the server in ``folder``, or what else its file ``name`` keeps; it is
    made at random when it is first asked for."""
    kept = folder / name
    if not kept.exists():
        write_private(kept, secrets.token_hex(32))
    return kept.read_text("ascii")


def write_private(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all, and for this user alone."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port that old connections linger on is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
