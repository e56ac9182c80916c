"""A server that is away: said once, waited for with growing patience, said once when back."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")
_LONGEST_WAIT_SECONDS = 5.0


class Outage:
    """How one server is doing, as its user sees it.

    ``server`` names it in the log: ``Redis``, ``MongoDB``.
    """

    def __init__(self, server: str, logger: logging.Logger) -> None:
        self._server = server
        self._logger = logger
        self._failures = 0

    @property
    def lasts(self) -> bool:
        return self._failures > 0

    async def wait_out(
        self, call: Callable[[], Awaitable[_T]], is_away: Callable[[Exception], bool]
    ) -> _T:
        """What ``call``, which may be repeated, returns once the server answers, however long that
        takes. An error of which ``is_away`` is not true is raised: waiting would not mend it."""
        while True:
            try:
                outcome = await call()
            except Exception as error:
                if not is_away(error):
                    raise
                await asyncio.sleep(self._struck(error))
            else:
                if self._failures:
                    self._logger.warning("%s is back after %d tries", self._server, self._failures)
                    self._failures = 0
                return outcome

    def _struck(self, error: Exception) -> float:
        """Note a failed call; return the seconds to wait before the next."""
        if not self._failures:
            self._logger.error(
                "%s is away (%s): holding what is in hand, and trying again until it is back",
                self._server,
                type(error).__name__,
            )
        self._failures += 1
        wait = min(_LONGEST_WAIT_SECONDS, 0.1 * float(1 << min(self._failures, 10)))
        return wait * random.uniform(0.5, 1.0)
