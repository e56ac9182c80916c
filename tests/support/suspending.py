"""Servers that hang."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil


@contextmanager
def suspended(url: str) -> Iterator[None]:
    """The server that listens there says nothing meanwhile."""
    port = urlsplit(url).port
    (pid,) = {
        each.pid
        for each in psutil.net_connections("tcp4")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    }
    server = psutil.Process(pid)
    server.suspend()
    try:
        yield
    finally:
        server.resume()
