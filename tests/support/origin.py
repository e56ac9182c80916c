"""``python -m tests.support.origin FD``: the process that `tests.support.processes` forks from."""

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time

from rankspider import environment, settings
from tests.support.processes import STATUS

# What a command or a crawl imports, but for what would choose the reactor.
_ROOMS = ("commands", "crawl", "pipelines", "spiders", "dedupe", "archive", "lake", "endpoint")
_OTHERS = (
    "aiohttp",
    "scrapy.cmdline",
    "scrapy.core.downloader.handlers.http11",
    "scrapy.core.engine",
    "scrapy.extensions.closespider",
    "scrapy.extensions.corestats",
    "scrapy.extensions.feedexport",
    "scrapy.extensions.logcount",
    "scrapy.extensions.logstats",
    "scrapy.extensions.memusage",
    "scrapy.extensions.telnet",
    "scrapy.extensions.throttle",
    "scrapy.downloadermiddlewares.downloadtimeout",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.downloadermiddlewares.httpproxy",
    "scrapy.downloadermiddlewares.stats",
    "scrapy.spidermiddlewares.httperror",
    "rankspider.simulator.server",
    "twisted.internet.asyncioreactor",
)


def _import_all() -> None:
    for room in _ROOMS:
        package = importlib.import_module(f"rankspider.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in _OTHERS:
        importlib.import_module(name)
    assert "twisted.internet.reactor" not in sys.modules, "that is for the command to choose"
    gc.collect()
    gc.freeze()


def _serve(channel: socket.socket) -> tuple[list[str], dict[str, str]]:
    """Fork at each order; return what a fork is to do, and in this process never."""
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([channel, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _tell_of_ended(running)
        if channel not in ready:
            continue
        order, fds, _, _ = socket.recv_fds(channel, 1, 5)
        if not order:
            sys.exit()
        *streams, status, text = fds
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with os.fdopen(text, "rb") as file:
                file.seek(0)
                arguments, variables = json.load(file)
            _take(streams)
            for each in (channel, *running.values()):
                each.close()
            for fd in (woken, wakes, status):
                os.close(fd)
            return arguments, variables
        running[pid] = socket.socket(fileno=status)
        running[pid].send(STATUS.pack(pid))
        for fd in (*streams, text):
            os.close(fd)


def _tell_of_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as told:
            try:
                told.send(STATUS.pack(status))
            except BrokenPipeError:
                pass  # nobody waits for it any more


def _take(streams: list[int]) -> None:
    """Have ``streams`` for standard input, output and error, as Python makes them at its start."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        raw = os.fdopen(number, "rb" if name == "stdin" else "wb", closefd=False)
        new = io.TextIOWrapper(
            raw,
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=name == "stderr" or os.isatty(number),
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the commands
    _import_all()
    channel = socket.socket(fileno=int(sys.argv[1]))
    arguments, variables = _serve(channel)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    # Both have read another environment.
    present = environment.Environment.beside(environment.DOTENV)
    vars(environment.project).update(vars(present))
    importlib.reload(settings)
    sys.argv = ["scrapy", *arguments]
    runpy.run_module("scrapy", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
