"""The dead letters of one queue: read in batches, given one more chance, or dropped."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import redis

from rankspider.connections.redis_keys import Keys
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError
from rankspider.queue.anchor_queue import MOST_AT_ONCE, SCRIPT, chunks, explained
from rankspider.terminal import harmless


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A member that was given up, and why."""

    member: bytes
    reason: str
    """Short and stable, such as ``no-such-user``."""
    error: str
    tries: int
    first_at: float
    """When it was first delivered, in seconds since 1970."""
    died_at: float

    @classmethod
    def of(cls, member: bytes, packed: bytes) -> Self:
        """Return the letter of ``packed``, which is as the script wrote it, with times in ms and
        perhaps without an error."""
        record = json.loads(packed)
        times = record["first_at"] / 1000, record["died_at"] / 1000
        return cls(member, record["reason"], record.get("error", ""), int(record["tries"]), *times)


def shown(member: bytes) -> str:
    """Return ``member`` as text: what is not UTF-8, or would steer a terminal, as an escape."""
    return harmless(member.decode("utf-8", "backslashreplace"))


def names_of(member: bytes) -> set[str]:
    """Return what a person may call ``member``: as it is shown, or the ``sec_id`` in it."""
    try:
        return {shown(member), sec_uid_of(member)}
    except MemberError:
        return {shown(member)}


def _typed(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


class LetterFilter:
    """Which letters are meant: those of one reason, those of some names, or all."""

    def __init__(self, names: Sequence[str] = (), reason: str | None = None) -> None:
        self._aliases = {name: names_of(_typed(name)) | {name} for name in names}
        self._wanted = set().union(*self._aliases.values())
        self._found: set[str] = set()
        self._reason = reason

    def takes(self, letter: DeadLetter) -> bool:
        if self._reason is not None and letter.reason != self._reason:
            return False
        if not self._wanted:
            return True
        found = names_of(letter.member) & self._wanted
        self._found |= found
        return bool(found)

    @property
    def missing(self) -> list[str]:
        """Return the names that no letter had so far."""
        return [name for name, aliases in self._aliases.items() if not aliases & self._found]


class DeadLetters:
    """Those of one queue.

    Every method raises one of `REDIS_ERRORS` while Redis is away. `requeue` and `drop` raise
    `ConfigurationError`, and change nothing, while the queue's key holds something else.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._script = client.register_script(SCRIPT)

    def batches(self, selection: LetterFilter) -> Iterator[list[DeadLetter]]:
        """Yield the letters of ``selection``, some hundreds at a time and in no order.

        Whatever is dead throughout is there; while letters come or go, one may be there twice.
        """
        cursor: Any = 0
        while True:
            cursor, page = self._client.hscan(self._keys.dead, cursor, count=MOST_AT_ONCE)
            found = cast("dict[bytes, bytes]", page)
            letters = [DeadLetter.of(member, packed) for member, packed in found.items()]
            if chosen := [letter for letter in letters if selection.takes(letter)]:
                yield chosen
            if not cursor:
                return

    def requeue(self, letters: Sequence[DeadLetter]) -> int:
        """Let ``letters`` wait again, first in line and as if never tried; return how many did."""
        return self._each("requeue", letters)

    def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Forget ``letters``; return how many there were."""
        return self._each("drop", letters)

    def _each(self, operation: str, letters: Sequence[DeadLetter]) -> int:
        count = 0
        for chunk in chunks(letters):
            members = [letter.member for letter in chunk]
            try:
                count += self._script(keys=self._keys.of_script(), args=[operation, "", *members])
            except redis.ResponseError as error:
                raise explained(error, self._keys) from None
        return count
