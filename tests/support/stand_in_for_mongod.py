"""A stand-in for mongod, run as one: it holds its options against the manual, and is SecantusDB.

No mongod was ever here: whether mongod takes them is not shown. ``installed`` puts it in a folder.
"""

import itertools
import os
import re
import sys
from pathlib import Path


def installed(folder: Path) -> None:
    folder.mkdir()
    program = folder / "mongod"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{__file__}' \"$@\"\n")
    program.chmod(0o755)


def _check_key(path: Path) -> None:
    """https://www.mongodb.com/docs/manual/core/security-internal-authentication/#keyfiles"""
    if path.stat().st_mode & 0o077:
        sys.exit(f"permissions on {path} are too open")
    if not re.fullmatch("[A-Za-z0-9+/=]{6,1024}", path.read_text("ascii")):
        sys.exit(f"{path} is no key")


def main(words: list[str]) -> None:
    if words == ["--version"]:
        sys.stdout.write("db version v7.0.14\n")
        return
    options = dict(itertools.pairwise(words))
    if "--auth" in options and "--keyFile" not in options:
        sys.exit("security.keyFile is required when authorization is enabled with replica sets")
    if "--keyFile" in options:
        _check_key(Path(options["--keyFile"]))
    if not options["--replSet"].isalnum() or int(options["--oplogSize"]) < 990:
        sys.exit("replication settings")
    Path("../empty.toml").touch()
    guard = ["--auth"] if "--keyFile" in options else []
    place = ["--host", options["--bind_ip"], "--storage-path", options["--dbpath"]]
    command = [sys.executable, "-m", "secantus", "--config", "../empty.toml", *guard, *place]
    os.execv(sys.executable, [*command, "--sync-on-commit", "--port", options["--port"]])


if __name__ == "__main__":
    main(sys.argv[1:])
