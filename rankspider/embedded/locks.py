"""Locks that the kernel drops together with the process that holds them."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.05


class FileLock:
    """A flock on a file of its own, released when it is closed or its last holder dies.

    The lock belongs to the open file, not to the process: a child that is given :attr:`fd` holds
    it too, and keeps it when the parent is gone.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def open(cls, path: Path) -> Self:
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def try_exclusive(self, seconds: float = 0) -> bool:
        """Return whether the lock could be had within ``seconds``."""
        return self._try(fcntl.LOCK_EX, seconds)

    def try_shared(self, seconds: float = 0) -> bool:
        return self._try(fcntl.LOCK_SH, seconds)

    def release(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def sign(self) -> None:
        """Write this process's id into the file, for whoever finds the lock held."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode(), 0)

    def signer(self) -> int | None:
        """Return the id of the process that signed last, alive only if the lock is held."""
        return int(os.pread(self.fd, 20, 0) or 0) or None

    def close(self) -> None:
        """Let go of the file; the lock goes with it unless a child holds the file as well."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try(self, kind: int, seconds: float) -> bool:
        # Asked again and again, not waited for: flock has no timeout of its own.
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
            time.sleep(POLL_SECONDS)
