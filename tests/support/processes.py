"""Processes of the project's commands that begin with everything imported.

Importing costs a second of CPU, more than most commands do; and the tests start many hundreds. So
one process a session imports all, and each command is a fork of it: a process by itself, with its
own arguments, environment, folder and pipes, that gets real signals and ends as any does. `Popen`
and `run` are those of `subprocess`. What differs in more than these is started from scratch:
another program, another folder, a variable that Python reads when it starts.
"""

import atexit
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.support.project import ROOT, scrapy

STATUS = struct.Struct("=i")
_OF_PYTHON = ("PYTHON", "LC_", "LANG", "LD_", "COVERAGE", "SSL_", "OPENSSL_", "MALLOC_", "GLIBC_")
_KNOWN = {"cwd", "env", "stdin", "stdout", "stderr", "bufsize"} | {
    "text", "encoding", "errors", "universal_newlines"
}  # fmt: skip


class _Origin:
    """The process that has imported everything."""

    def __init__(self) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.support.origin", str(far.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[far.fileno()])
        far.close()
        atexit.register(self._end)

    def fork(
        self, arguments: list[str], environment: Mapping[str, str], descriptors: list[int]
    ) -> tuple[int, socket.socket]:
        """Return the process id, and what tells its status when it ends."""
        ours, theirs = socket.socketpair()
        order = json.dumps([arguments, dict(environment)]).encode("ascii")
        with theirs, os.fdopen(os.memfd_create("order"), "w+b", 0) as text:
            text.write(order)
            fds = [*descriptors, theirs.fileno(), text.fileno()]
            socket.send_fds(self._channel, [b"."], fds)
            theirs.close()
            told = ours.recv(STATUS.size, socket.MSG_WAITALL)
        assert told, "the origin of the tests' processes has ended"
        (pid,) = STATUS.unpack(told)
        return pid, ours

    def _end(self) -> None:
        self._channel.close()
        self._process.wait()


_origin: list[_Origin] = []


def _is_for_origin(command: Any, options: Mapping[str, Any]) -> bool:
    is_command = isinstance(command, list) and command[: len(scrapy())] == scrapy()
    if not is_command or not sys.platform.startswith("linux") or not options.keys() <= _KNOWN:
        return False
    environment = options.get("env") or os.environ
    names = {name for name in (*environment, *os.environ) if name.startswith(_OF_PYTHON)}
    same = all(environment.get(name) == os.environ.get(name) for name in names)
    return same and options.get("cwd") == ROOT and "COVERAGE_PROCESS_START" not in environment


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen`, quicker for ``scrapy …``."""

    def __init__(self, args: Any, **options: Any) -> None:
        self._is_forked = _is_for_origin(args, options)
        self._status: socket.socket | None = None
        super().__init__(args, **options)

    def _execute_child(self, *positional: Any) -> None:
        if not self._is_forked:
            super()._execute_child(*positional)  # type: ignore[misc]
            return
        args, _, _, _, _, _, env = positional[:7]
        p2cread, _, _, c2pwrite, _, errwrite = pipes = positional[10:16]
        given = (p2cread, c2pwrite, errwrite)
        descriptors = [number if fd == -1 else fd for number, fd in enumerate(given)]
        if not _origin:
            _origin.append(_Origin())
        try:
            forked = _origin[0].fork(args[len(scrapy()) :], env or os.environ, descriptors)
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self.pid, self._status = forked
        self._child_created = True

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._status is None:
            ended: tuple[int, int] = super()._try_wait(wait_flags)  # type: ignore[misc]
            return ended
        flags = socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else socket.MSG_WAITALL
        try:
            told = self._status.recv(STATUS.size, flags)
        except BlockingIOError:
            return 0, 0
        assert told, "the origin of the tests' processes has ended"
        self._status.close()
        return self.pid, STATUS.unpack(told)[0]

    def __del__(self, **_: Any) -> None:
        if getattr(self, "_status", None) is not None:
            self._status.close()  # nobody asks any more how it ended
        else:
            super().__del__()  # type: ignore[misc]

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(_deadstate)  # type: ignore[misc, no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid == self.pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def run(
    command: Any,
    *,
    input: Any = None,  # noqa: A002
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run`, quicker for ``scrapy …``."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(command, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    ended = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check:
        ended.check_returncode()
    return ended
