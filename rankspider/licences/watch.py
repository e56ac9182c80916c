"""The file of licences, read again when it changes."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rankspider.configuration import tokens_in_file, tokens_problem

logger = logging.getLogger(__name__)

_Signature = tuple[int, int, int]


class TokensFile:
    """``RANK_API_TOKENS_FILE`` as it stands, whether written in place or replaced.

    ``tokens`` is what was read at the start; a file that cannot be used, such as an empty
    one, leaves the last good ones in use.
    """

    def __init__(self, path: Path, tokens: tuple[str, ...], poll_seconds: float = 2.0) -> None:
        self.tokens = tokens
        self._path = path
        self._poll_seconds = poll_seconds
        self._seen: _Signature | None = None
        self._read: _Signature | None = None
        self._complained = False

    async def watch(self, on_change: Callable[[tuple[str, ...]], None]) -> NoReturn:
        """Call ``on_change`` with the new tokens after each change, until cancelled."""
        while True:
            # A file on a network may keep its reader waiting.
            if await asyncio.to_thread(self.poll):
                on_change(self.tokens)
            await asyncio.sleep(self._poll_seconds)

    def poll(self) -> bool:
        """Look once; True if ``tokens`` are others now.

        A change counts when two looks in a row found the same: an editor may be halfway.
        """
        try:
            signature = self._signature()
            seen, self._seen = self._seen, signature
            if signature == self._read or signature != seen:
                return False
            tokens = tokens_in_file(self._path)
            if self._signature() != signature:
                return False
        except (OSError, UnicodeDecodeError) as error:
            return self._complain(type(error).__name__)
        if (problem := tokens_problem(tokens)) is not None:
            return self._complain(f"it {problem}")
        return self._accept(signature, tokens)

    def _accept(self, signature: _Signature, tokens: tuple[str, ...]) -> bool:
        self._read, self._complained = signature, False
        if tokens == self.tokens:
            return False
        self.tokens = tokens
        count = "1 licence" if len(tokens) == 1 else f"{len(tokens)} licences"
        logger.info("RANK_API_TOKENS_FILE was read again: %s", count)
        return True

    def _complain(self, reason: str) -> bool:
        if not self._complained:
            logger.error(
                "RANK_API_TOKENS_FILE cannot be used (%s): keeping the licences read before",
                reason,
            )
        self._complained = True
        return False

    def _signature(self) -> _Signature:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
