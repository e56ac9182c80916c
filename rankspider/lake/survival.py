"""Find out whether what SecantusDB has acknowledged is there still.

When its storage stops for good, as on a full disk, it acknowledges a write that waits for the
journal at this moment, and has lost it once it is started again. Any later command that needs the
storage fails. So its word counts when it has answered another command since, and is the process
that it was. MongoDB ends itself instead.
"""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from rankspider.lake.collections import META
from rankspider.tasks import Turnstile


class Survival:
    def __init__(self, database: AsyncDatabase[dict[str, Any]], turnstile: Turnstile) -> None:
        """Let whoever asks `lasts` go through ``turnstile``."""
        self._database = database
        self._turnstile = turnstile
        self._needs_a_look: bool | None = None
        self._process: object = None
        self._breaks = 0

    async def breaks(self) -> int:
        """Return how often the server was seen to stop, for `lasts`."""
        if self._needs_a_look is None:
            built = await self._database.client.admin.command("buildInfo")
            if "secantusVersion" in built:
                await self._look()
            self._needs_a_look = "secantusVersion" in built
        return self._breaks

    async def lasts(self, breaks: int) -> bool:
        """Return whether what was acknowledged since there were so many ``breaks`` is known to
        last, or has to be written again. Raises `pymongo.errors.PyMongoError`."""
        if self._needs_a_look:
            await self._turnstile.passed(self._look)
        return breaks == self._breaks

    async def _look(self) -> None:
        try:
            await self._database[META].find_one({"_id": "schema"}, [])
            hello = await self._database.client.admin.command("hello")
        except PyMongoError:
            self._breaks += 1
            raise
        process = hello.get("topologyVersion", {}).get("processId")
        self._breaks += self._process not in (None, process)
        self._process = process
