"""Keep what Redis has of the watch list as MongoDB has it, whatever was interrupted or lost."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from rankspider.connections.mongo_errors import is_away
from rankspider.connections.redis import REDIS_ERRORS
from rankspider.errors import RankspiderError
from rankspider.watch.watch_list import WatchList

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
# For one that takes longer, or whose worker was killed, another may begin: it does no harm.
_CLAIM_SECONDS = 120.0


class Mending:
    """One worker's part in it: it looks now and then, and one of the fleet does what is to be done.

    In a thread, by the same calls as the command's: with a million anchors it takes minutes. No
    exit waits for it, whatever server it waits for.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[WatchList]]) -> None:
        self._opened = opened
        self._is_over = threading.Event()

    async def run(self) -> None:
        """Look until cancelled."""
        threading.Thread(target=self._serve, name="watch-list", daemon=True).start()
        try:
            await asyncio.Event().wait()
        finally:
            self._is_over.set()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            try:
                with self._opened() as watch_list:
                    self._look_at(watch_list)
            except Exception as error:
                if not isinstance(error, (*REDIS_ERRORS, RankspiderError)) and not is_away(error):
                    raise
                logger.debug("The watch list cannot be checked: %s", type(error).__name__)
                self._is_over.wait(_LOOK_SECONDS)

    def _look_at(self, watch_list: WatchList) -> None:
        while not self._is_over.is_set():
            self._mend(watch_list)
            self._is_over.wait(_LOOK_SECONDS * random.uniform(0.5, 1.5))

    def _mend(self, watch_list: WatchList) -> None:
        if watch_list.is_in_redis or not watch_list.turns.claim_mending(_CLAIM_SECONDS):
            return
        count = watch_list.mend(self._is_over.is_set)
        if count is not None:
            logger.info("The watch list in Redis was rebuilt from MongoDB: %d anchors", count)
