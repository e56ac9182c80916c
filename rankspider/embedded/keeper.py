"""The keeper of one embedded server; run by a command, it outlives it as long as others need it.

``python -m rankspider.embedded.keeper <home> <kind> <program as JSON> <fd of keeper.lock>``

It answers on standard output, once: ``ready``, or the one line that says why there is no server.
"""

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rankspider.embedded.home import Address, Home, password_in, write_private
from rankspider.embedded.kind import Program, ServerKind
from rankspider.embedded.launch import READY
from rankspider.embedded.locks import FileLock
from rankspider.embedded.mongo_server import MONGO
from rankspider.embedded.process import ServerProcess, data_lock
from rankspider.embedded.redis_server import REDIS
from rankspider.errors import EmbeddedServerError

WATCH_SECONDS = 0.2
LOOK_SECONDS = 1.0
RESTART_SECONDS, LONGEST_RESTART_SECONDS = 0.5, 5.0

logger = logging.getLogger("rankspider.embedded.keeper")


def keep(home: Home, kind: ServerKind, program: Program, keeper_lock: FileLock) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    # keeper.lock is let go before users.lock: who then gets in sees that there is no keeper.
    with home.lock("users") as users_lock, keeper_lock:
        data_lock(home, program.title).close()  # an orphan may sit on the port
        port = home.choose_port()
        url = kind.url_of(home.path, port)
        _admit(home, kind, program, url)
        process = ServerProcess(home, kind, program, url)
        try:
            process.start_and_wait()
            note = f"{program.title} (embedded{program.remark}), data in {home.path}/{program.data}"
            home.write_address(Address(port, url, note))
            _answer(READY)
            _watch(process, users_lock, stopping)
        finally:
            process.stop()


def _admit(home: Home, kind: ServerKind, program: Program, url: str) -> None:
    """Have the one user made, once for its password, by a program that keeps users itself; again
    for another port, if its data says at which it serves.

    For that moment it serves without a password, as it must.
    """
    done, password = home.path / program.data / "user", password_in(home.path)
    admitted = url if program.is_bound_to_its_port else password
    if kind.admit is None or (done.exists() and done.read_text("ascii") == admitted):
        return
    open_url = re.sub("//.*@", "//", url)
    command = [word for word in program.command if word not in program.guard]
    process = ServerProcess(home, kind, replace(program, command=command), open_url)
    try:
        process.start_and_wait()
        kind.admit(open_url, password)
    finally:
        process.stop()
    write_private(done, admitted)


def _watch(process: ServerProcess, users_lock: FileLock, stopping: threading.Event) -> None:
    """Return when the last user is gone; till then start a server again that died, or that can do
    nothing more, as after a full disk."""
    pause, look = RESTART_SECONDS, time.monotonic() + LOOK_SECONDS
    while not stopping.wait(WATCH_SECONDS) and not users_lock.try_exclusive():
        if process.exit_code is not None:
            logger.warning("The server ended with code %s: starting it again", process.exit_code)
            process.start()
            stopping.wait(pause)
            pause = min(2 * pause, LONGEST_RESTART_SECONDS)
        elif time.monotonic() >= look:
            if process.has_failed:
                logger.warning("The server answers, and can do nothing more: ending it")
                process.kill()
            elif process.serves:
                pause = RESTART_SECONDS
            look = time.monotonic() + LOOK_SECONDS


def _answer(line: str) -> None:
    logger.info("%s", line)
    with suppress(BrokenPipeError):  # the command that asked is gone; others may wait
        os.write(sys.stdout.fileno(), f"{line}\n".encode(errors="backslashreplace"))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, sys.stdout.fileno())
    os.close(silent)


def main(path: str, kind_name: str, program: str, lock_fd: str) -> None:
    if os.fork():  # nobody's child, so that it is no zombie of a command that stays
        os._exit(0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s keeper: %(message)s")
    kind = {kind.name: kind for kind in (REDIS, MONGO)}[kind_name]
    home, lock = Home(Path(path)), FileLock(int(lock_fd))
    try:
        lock.sign()
        keep(home, kind, Program(**json.loads(program)), lock)
    except EmbeddedServerError as error:
        _answer(str(error))
    except OSError as error:
        _answer(str(kind.cannot_keep_data(home.path, error)))


if __name__ == "__main__":
    main(*sys.argv[1:])
