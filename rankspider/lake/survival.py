"""Find out whether what SecantusDB has acknowledged is there still.

When its storage stops for good, as on a full disk, it acknowledges a write that waits for the
journal at this moment, and has lost it once it is started again. Any later command that needs the
storage fails. So its word counts when it has answered another command since, and is the process
that it was. MongoDB ends itself instead.
"""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.connections.mongo_errors import NotAbleNow
from rankspider.lake.collections import META
from rankspider.tasks import Turnstile


class Survival:
    def __init__(self, database: AsyncDatabase[dict[str, Any]], turnstile: Turnstile) -> None:
        """Let whoever waits for `confirm` go through ``turnstile``."""
        self._database = database
        self._turnstile = turnstile
        self._needs_a_look: bool | None = None
        self._process: object = None

    async def process(self) -> object:
        """Return which process takes the writes that are sent from now on, for `confirm`."""
        if self._needs_a_look is None:
            built = await self._database.client.admin.command("buildInfo")
            if "secantusVersion" in built:
                await self._look()
            self._needs_a_look = "secantusVersion" in built
        return self._process

    async def confirm(self, process: object) -> None:
        """Return when what ``process`` has acknowledged is known to last.

        Raises `NotAbleNow` if it has to be written again, or `pymongo.errors.PyMongoError`.
        """
        if not self._needs_a_look:
            return
        await self._turnstile.passed(self._look)
        if process != self._process:
            raise NotAbleNow({"errmsg": "SecantusDB was started again and may have lost a write"})

    async def _look(self) -> None:
        await self._database[META].find_one({"_id": "schema"}, [])
        hello = await self._database.client.admin.command("hello")
        self._process = hello["topologyVersion"]["processId"]
