"""The user's side: join the server that runs in a folder, or start it; leave it at the end."""

import logging
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rankspider.embedded import keeper
from rankspider.embedded.home import Address, Home
from rankspider.embedded.kind import Kind
from rankspider.embedded.locks import POLL_SECONDS, FileLock
from rankspider.embedded.mongo_server import MONGO
from rankspider.embedded.process import START_SECONDS, STOP_SECONDS
from rankspider.embedded.redis_server import REDIS
from rankspider.errors import EmbeddedServerError

FOLDER = ".rankspider"
# A keeper says itself when its server is too slow, and may have to end an orphan before.
ANSWER_SECONDS = START_SECONDS + 3 * STOP_SECONDS
PROJECT = Path(__file__).parents[2]

logger = logging.getLogger("rankspider.embedded")


@dataclass(frozen=True)
class Servers:
    """Where the servers are, and a note for people on each: the program, and where its data is."""

    redis_url: str | None = None
    mongo_uri: str | None = None
    redis_note: str | None = None
    mongo_note: str | None = None


@contextmanager
def embedded_servers(folder: Path, *, redis: bool, mongo: bool) -> Iterator[Servers]:
    """Have the embedded servers of ``folder`` while the block runs; blocks until they serve.

    Raises EmbeddedServerError when one is not installed, doesn't start, or can't keep its data.
    """
    with ExitStack() as stack:
        redis_url = redis_note = mongo_uri = mongo_note = None
        if redis:
            redis_url, redis_note = stack.enter_context(_joined(folder, REDIS))
        if mongo:
            mongo_uri, mongo_note = stack.enter_context(_joined(folder, MONGO))
        yield Servers(redis_url, mongo_uri, redis_note, mongo_note)


@contextmanager
def _joined(folder: Path, kind: Kind) -> Iterator[tuple[str, str]]:
    home = Home(folder.resolve() / FOLDER / kind.name)
    with ExitStack() as stack:
        try:
            home.path.mkdir(parents=True, exist_ok=True)
            users_lock = stack.enter_context(home.lock("users"))
            address = _join(home, kind, users_lock)
        except OSError as error:
            raise EmbeddedServerError(
                f"No data can be kept in {home.path}: {error.strerror}. Run this in a folder "
                f"where files can be written, or set {kind.setting} to your own server"
            ) from error
        note = f"{address.title} (embedded), data in {FOLDER}/{kind.name}"
        logger.info("%s, at %s", note, address.url)
        try:
            yield address.url, note
        finally:
            _leave(home, users_lock)


def _join(home: Home, kind: Kind, users_lock: FileLock) -> Address:
    with home.lock("start") as start_lock:
        # The users' lock is had only when no keeper is stopping its server.
        for lock in (start_lock.exclusive_within, users_lock.shared_within):
            if not lock(ANSWER_SECONDS):
                raise EmbeddedServerError(f"Another command keeps {home.path} locked: end it")
        with home.lock("keeper") as keeper_lock:
            if keeper_lock.try_exclusive():
                _start(home, kind, keeper_lock)
        return _serving(home, kind)


def _start(home: Home, kind: Kind, keeper_lock: FileLock) -> None:
    """Start a keeper and hand it the lock, so that there is no moment without."""
    program = kind.find(home.path)
    home.trim_log()
    with (
        home.log.open("ab") as log,
        subprocess.Popen(
            keeper.command(home, kind, program, keeper_lock),
            cwd=PROJECT,
            env=keeper.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=(keeper_lock.fd,),
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        ) as process,
    ):
        assert process.stdout is not None
        heard = select.select([process.stdout], [], [], ANSWER_SECONDS)[0]
        answer = process.stdout.readline().decode().strip() if heard else ""
    if answer != keeper.READY:
        raise EmbeddedServerError(answer or f"{program.title}: {home.last_log_line()} ({home.log})")


def _serving(home: Home, kind: Kind) -> Address:
    """Where the server is, once it serves: it may just be on its way up again."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        address = home.read_address()
        if address is not None and kind.pid_at(address.port) is not None:
            return address
        time.sleep(POLL_SECONDS)
    raise EmbeddedServerError(
        f"The embedded {kind.name} server is down: {home.last_log_line()} (see {home.log})"
    )


def _leave(home: Home, users_lock: FileLock) -> None:
    """Let go of the server, and when no other user is left wait until it has stopped."""
    users_lock.release()
    deadline = time.monotonic() + STOP_SECONDS
    with home.lock("keeper") as keeper_lock:
        while time.monotonic() < deadline and not keeper_lock.try_exclusive():
            # Exclusive fails for a keeper that stops its server as well; shared only for that.
            if not users_lock.try_exclusive() and users_lock.try_shared():
                return
            users_lock.release()
            time.sleep(POLL_SECONDS)
