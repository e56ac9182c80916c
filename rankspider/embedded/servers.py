"""The user's side: join the server that runs in a folder, or start it; leave it at the end."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rankspider.embedded.home import Address, Home
from rankspider.embedded.kind import ServerKind
from rankspider.embedded.launch import ANSWER_SECONDS, start_keeper
from rankspider.embedded.locks import POLL_SECONDS, FileLock
from rankspider.embedded.mongo_server import MONGO
from rankspider.embedded.process import STOP_SECONDS
from rankspider.embedded.redis_server import REDIS
from rankspider.errors import EmbeddedServerError

logger = logging.getLogger("rankspider.embedded")


@dataclass(frozen=True)
class Servers:
    """The servers' addresses, and a note for people on each: the program, and where its data is."""

    redis_url: str | None = None
    mongo_uri: str | None = None
    redis_note: str | None = None
    mongo_note: str | None = None


@contextmanager
def embedded_servers(folder: Path, *, redis: bool, mongo: bool) -> Iterator[Servers]:
    """Have the servers whose data is in ``folder`` while the block runs; blocks until they serve.

    Raises EmbeddedServerError when one is not installed, doesn't start, or can't keep its data.
    """
    with ExitStack() as stack:
        redis_url = redis_note = mongo_uri = mongo_note = None
        if redis:
            redis_url, redis_note = stack.enter_context(_joined(folder, REDIS))
        if mongo:
            mongo_uri, mongo_note = stack.enter_context(_joined(folder, MONGO))
        yield Servers(redis_url, mongo_uri, redis_note, mongo_note)


def running(folder: Path) -> Servers:
    """Return the servers of ``folder`` that serve at this moment, for whatever command."""
    found = [_serving(Home(folder.resolve() / kind.name), kind) for kind in (REDIS, MONGO)]
    return Servers(*(getattr(each, name, None) for name in ("url", "note") for each in found))


def _serving(home: Home, kind: ServerKind) -> Address | None:
    address = home.read_address()
    serves = address is not None and kind.pid_at(address.url) is not None
    return address if serves else None


@contextmanager
def _joined(folder: Path, kind: ServerKind) -> Iterator[tuple[str, str]]:
    home = Home(folder.resolve() / kind.name)
    with ExitStack() as stack:
        try:
            home.make_private()
            users_lock = stack.enter_context(home.lock("users"))
            address = _join(home, kind, users_lock)
        except OSError as error:
            raise kind.cannot_keep_data(home.path, error) from error
        logger.info("%s, at %s", address.note, address.url)
        try:
            yield address.url, address.note
        finally:
            _leave(home, users_lock)


def _join(home: Home, kind: ServerKind, users_lock: FileLock) -> Address:
    with home.lock("start") as start_lock:
        # The users' lock is had only when no keeper is stopping its server.
        if not (start_lock.try_exclusive(ANSWER_SECONDS) and users_lock.try_shared(ANSWER_SECONDS)):
            raise EmbeddedServerError(f"Another command keeps {home.path} locked: end it")
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            # Asked each time, as a keeper may be killed just now, and its server with it.
            with home.lock("keeper") as keeper_lock:
                if keeper_lock.try_exclusive():
                    start_keeper(home, kind, keeper_lock)
            address = _serving(home, kind)
            if address is not None:
                return address
            time.sleep(POLL_SECONDS)
    raise EmbeddedServerError(
        f"The embedded {kind.name} server is down: {home.trouble()} (see {home.log})"
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
