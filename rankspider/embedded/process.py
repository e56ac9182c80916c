"""One server as a process: started in its folder, ended cleanly, and never run twice at a time."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from rankspider.embedded.home import Home
from rankspider.embedded.kind import Program, ServerKind, listens
from rankspider.embedded.locks import POLL_SECONDS, FileLock
from rankspider.errors import EmbeddedServerError

# SecantusDB reads a list of all its documents before it serves: some 13 s a million, on a quiet
# machine. A server that dies is noticed at once.
START_SECONDS = 180.0
STOP_SECONDS = 10.0
KNOCK_SECONDS = 0.25
PR_SET_PDEATHSIG = 1


class ServerProcess:
    """A server that holds ``server.lock`` as long as it lives, with its process id in the file.

    So a server whose keeper was killed is found and ended before another one opens its data.
    """

    def __init__(self, home: Home, kind: ServerKind, program: Program, url: str) -> None:
        self._home = home
        self._kind = kind
        self._program = program
        self._url = url
        self._data = home.path / program.data
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._data.mkdir(exist_ok=True)
        with data_lock(self._home, self._program.title) as lock, self._home.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*self._program.command, str(self._port)],
                cwd=self._data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fd,),
                preexec_fn=_in_the_child(lock),
            )

    def start_and_wait(self) -> None:
        """Start it and wait until it serves; raises EmbeddedServerError when it doesn't."""
        before = self._home.log.stat().st_size if self._home.log.exists() else 0
        self.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.serves:
            if self.exit_code is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            state = "did not start" if self.exit_code is not None else "did not start in time"
            self.stop()
            raise EmbeddedServerError(
                f"{self._program.title} {state}: {self._home.trouble(before)} "
                f"(see {self._home.log}), or set {self._kind.setting} to your own"
            )

    @property
    def _port(self) -> int:
        return urlsplit(self._url).port or 0

    @property
    def exit_code(self) -> int | None:
        """Return the exit code; None while the server runs."""
        return self._popen.poll() if self._popen is not None else None

    def stop(self) -> None:
        if self._popen is None:
            return
        self._popen.terminate()
        for _ in range(int(STOP_SECONDS / KNOCK_SECONDS)):
            try:
                self._popen.wait(KNOCK_SECONDS)
                return
            except subprocess.TimeoutExpired:
                # SecantusDB waits two seconds for its accept() unless somebody knocks. Not in
                # the same instant as the signal: then it went unheeded in 6 of 28 tries.
                listens(self._port)
        self.kill()

    def kill(self) -> None:
        assert self._popen is not None
        self._popen.kill()  # safe: all that was acknowledged is on the disk
        self._popen.wait()

    @property
    def has_failed(self) -> bool:
        """Return whether the server answers, and can do nothing more."""
        return self._kind.has_failed(self._url)

    @property
    def serves(self) -> bool:
        # By its process id: another server may have taken the port a moment ago.
        pid = self._kind.pid_at(self._url)
        return pid is not None and self._popen is not None and pid == self._popen.pid


def data_lock(home: Home, title: str) -> FileLock:
    """Take ``server.lock`` and return it, after ending the process that holds it, if one does."""
    lock = home.lock("server")
    if lock.try_exclusive():
        return lock
    holder = lock.signer()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if holder is not None:
            with suppress(ProcessLookupError):
                os.kill(holder, number)
        if lock.try_exclusive(STOP_SECONDS):
            return lock
    raise EmbeddedServerError(f"{title}: process {holder} has its data open: end it")


def _in_the_child(lock: FileLock) -> Callable[[], None]:
    keeper = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        lock.sign()
        if prctl is not None:  # elsewhere a server outlives a killed keeper, until the next start
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)

    return prepare
