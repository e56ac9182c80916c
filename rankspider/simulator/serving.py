"""Serving the simulated endpoint as a process of its own."""

import asyncio
import errno
import signal
import sys
from typing import Any, Final, cast

from aiohttp import web

from rankspider.errors import ServiceUnavailable
from rankspider.simulator.options import Options
from rankspider.simulator.server import SIMULATOR, make_app

_GRACE_SECONDS: Final = 0.5  # for answers under way when the command is told to end
_NO_PORT: Final = {
    errno.EADDRINUSE: "is in use: take another with --port, or any free one with --port 0",
    errno.EACCES: "may not be opened by this user: take one above 1023 with --port",
}


async def serve(options: Options, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises OSError if a file that ``options`` names cannot be opened, `ServiceUnavailable` if the
    port cannot be had.
    """
    app = make_app(options)
    told_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        await told_to_end.wait()
    finally:
        await runner.cleanup()
    sys.stdout.write(f"{app[SIMULATOR].counts.answers} answers served\n")


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        known = _NO_PORT.get(error.errno or 0)
        reason = f"port {port} on {host} {known}" if known else f"{host}:{port}: {error.strerror}"
        raise ServiceUnavailable(f"cannot listen: {reason}") from error
    bound = cast("tuple[Any, ...]", runner.addresses[0])
    url = f"http://{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}"
    sys.stdout.write(f"rank endpoint (simulated data) on {url}\n")
    sys.stdout.write(f"to use it: export RANK_API_URL={url} RANK_API_TOKENS=demo\n")
    sys.stdout.flush()
