"""Scrapy, which then takes long to leave: ``python -m tests.support.slow_to_exit COMMAND …``.

It writes ``leaving`` to standard output once Python ends, when a command's own work is done.
"""

import atexit
import sys
import time

from scrapy.cmdline import execute


def linger() -> None:
    sys.stdout.write("leaving\n")
    sys.stdout.flush()
    time.sleep(30)


atexit.register(linger)
execute(["scrapy", *sys.argv[1:]])
