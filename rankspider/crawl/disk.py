"""Watch the disk of the embedded servers, which cannot say themselves that it is full."""

import asyncio
import logging
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
# With less than it, a server may be refused the next piece of a file.
_LEAST_BYTES = 16 << 20


class DiskWatch:
    """Says once that the disk of ``folder`` is full, and once that there is room again."""

    def __init__(self, folder: Path, least_bytes: int = _LEAST_BYTES) -> None:
        self.least_bytes = least_bytes
        self._folder = folder
        self._is_full = False

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        was_full, self._is_full = self._is_full, self._has_no_room()
        if self._is_full and not was_full:
            logger.error(
                "No space left on the disk that holds %s: make room. The embedded servers store "
                "nothing meanwhile, and what is in hand waits",
                self._folder,
            )
        elif was_full and not self._is_full:
            logger.warning("The disk that holds %s has room again", self._folder)

    def _has_no_room(self) -> bool:
        return shutil.disk_usage(self._folder).free < self.least_bytes
