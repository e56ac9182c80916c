"""Start the keeper of a server from a command."""

import json
import os
import select
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from rankspider.embedded.home import Home
from rankspider.embedded.kind import ServerKind
from rankspider.embedded.locks import FileLock
from rankspider.embedded.process import START_SECONDS, STOP_SECONDS
from rankspider.errors import EmbeddedServerError

READY = "ready"
# A keeper says itself when its server is too slow, and may have to end an orphan before.
ANSWER_SECONDS = START_SECONDS + 3 * STOP_SECONDS
PROJECT = Path(__file__).parents[2]
"""Where the package is found: a folder, or an egg."""
LEFT_OUT = ("RANK_", "REDIS_", "MONGO_", "SECANTUS_", "WIREDTIGER_")


def start_keeper(home: Home, kind: ServerKind, lock: FileLock) -> None:
    """Start a keeper and hand it ``keeper.lock``, so that there is no moment without.

    Raises EmbeddedServerError with the keeper's one line when its server doesn't start.
    """
    program = kind.find(home.path)
    home.trim_log()
    spec = json.dumps(asdict(program))
    paths = [PROJECT, *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        home.log.open("ab") as log,
        subprocess.Popen(
            [
                # Not from the present folder, which may hold anything.
                *(sys.executable, "-P", "-m", "rankspider.embedded.keeper"),
                *(str(home.path), kind.name, spec, str(lock.fd)),
            ],
            cwd=home.path,
            env=environment() | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=(lock.fd,),
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        ) as process,
    ):
        assert process.stdout is not None
        heard = select.select([process.stdout], [], [], ANSWER_SECONDS)[0]
        answer = process.stdout.readline().decode().strip() if heard else ""
    if answer != READY:
        raise EmbeddedServerError(answer or f"{program.title}: {home.trouble()} ({home.log})")


def environment() -> dict[str, str]:
    """Return our environment without licences, passwords, and what would change how the servers
    keep data."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
