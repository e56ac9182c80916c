"""A server that is away: told, waited for with growing patience, told when back."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")
_LONGEST_WAIT_SECONDS = 5.0
_REMIND_SECONDS = 300.0


class Outage:
    """One server's state, as its user sees it.

    ``server`` names it in the log: ``Redis``, ``MongoDB``. ``server_message`` words an
    error for the log.
    """

    def __init__(
        self,
        server: str,
        logger: logging.Logger,
        server_message: Callable[[Exception], str],
    ) -> None:
        self._server = server
        self._logger = logger
        self._describe = server_message
        self._waiting = 0
        self._failures = 0
        self._last_logged: dict[object, float] = {}

    @property
    def lasts(self) -> bool:
        """Return whether a call waits that has failed. What others succeed in does not end that: a
        server may read and not write, or write to one collection only."""
        return self._waiting > 0

    async def wait_out(
        self, call: Callable[[], Awaitable[_T]], is_away: Callable[[Exception], bool]
    ) -> _T:
        """Return what ``call``, which may be repeated, returns once the server answers, however
        long that takes. An error of which ``is_away`` is not true is raised: waiting would not
        mend it."""
        failures = 0
        try:
            while True:
                try:
                    outcome = await call()
                except Exception as error:
                    if not is_away(error):
                        raise
                    self._waiting += not failures
                    failures += 1
                    self._log(error)
                    await asyncio.sleep(_pause_after(failures))
                else:
                    if failures and self._waiting == 1:
                        self._logger.warning(
                            "%s is back after %d tries", self._server, self._failures
                        )
                    return outcome
        finally:
            self._waiting -= bool(failures)
            if not self._waiting:
                self._failures = 0
                self._last_logged.clear()

    def _log(self, error: Exception) -> None:
        """Note a failed call; log it if none of its kind was for some minutes."""
        self._failures += 1
        kind, now = (type(error), getattr(error, "code", None)), time.monotonic()
        if now - self._last_logged.get(kind, float("-inf")) < _REMIND_SECONDS:
            return
        self._last_logged[kind] = now
        self._logger.error(
            "%s is away (%s): holding what is in hand, and trying again until it is back",
            self._server,
            self._describe(error),
        )


def _pause_after(failures: int) -> float:
    wait = min(_LONGEST_WAIT_SECONDS, 0.1 * float(1 << min(failures, 10)))
    return wait * random.uniform(0.5, 1.0)
