"""Remember for the whole fleet, in Redis, what any worker has read, and whether it is stored.

It only ever saves work. A place it knows nothing of, such as after its loss, is news; see
`arbiter.lua` for its records and what it concludes.
"""

import asyncio
import enum
import importlib.resources
import logging
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from redis import asyncio as redis_asyncio

from rankspider.connections.outage import Outage
from rankspider.connections.redis import REDIS_ERRORS, is_away, server_message

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

SCRIPT = importlib.resources.files(__package__).joinpath("arbiter.lua").read_text(encoding="utf-8")
# As records are laid out and documents named; what another layout left is of no use.
_LAYOUT = 2
HOUR_MS = 3_600_000
# So long a worker is trusted to store what it said it would: a few times what a busy server takes.
_CLAIM_MS = 15_000
# Answers that come within it share one round trip.
_ASK_SECONDS = 0.02
_MOST_TOGETHER = 64
_UNTOLD = b"-"
_TELL_SECONDS = 0.1
# Places that one call tells of; Lua takes some thousands of arguments.
_MOST_TOLD = 1000


class Decision(enum.Enum):
    """The arbiter's word on what to do with a record of an answer."""

    SAME = "s"
    """Nothing: it is stored."""
    MINE = "m"
    """Wait: this worker is storing the same."""
    WAIT = "w"
    """Ask again soon: another worker is storing it, or something that it depends on."""
    NEWS = "n"
    """Store it; the fleet relies on this worker for it."""
    WRITE = "r"
    """Store it; the lake tells by its revision whether it is the newest."""
    LATE = "l"
    """Store it as history: something newer is stored already."""
    UNSURE = "u"
    """Ask the lake whether it is late: the arbiter may have forgotten."""
    ROWS = "f"
    """Of a list: ask again with its rows."""


class Version(NamedTuple):
    """One record as it was read."""

    place: bytes
    """Which record: 8 bytes."""
    digest: bytes
    """What it says: 16 bytes, equal for equal facts."""
    suffix: bytes = b""
    """Of the id of its document in the history, if that is not the digest; see `EndedContent`."""

    @property
    def packed(self) -> bytes:
        return b"%b%b%c%b" % (self.place, self.digest, len(self.suffix), self.suffix)


class EndedContent(NamedTuple):
    """A content that was seen up to ``last`` (ms), and again and again before, and that another
    content now ends or interrupts: no document says so long."""

    place: bytes
    digest: bytes
    suffix: bytes
    last: int


@dataclass(eq=False, slots=True)
class Question:
    """One answer's question. ``again``: what this worker claimed before, and has not begun, is
    news."""

    observed: int
    list_: bytes
    """The list as a whole, packed; empty: there is none."""
    rows: bytes | None
    own: bytes
    again: bool = False
    answer: "asyncio.Future[Decisions]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Decisions(NamedTuple):
    decisions: list[Decision]
    """Of the list, of its rows unless it is `Decision.SAME`, `MINE`, `WAIT` or `ROWS`, and of the
    anchor's own."""
    ended: list[EndedContent]


class _Stored(NamedTuple):
    version: Version
    observed: int
    then: Callable[[], None]


class Arbiter:
    """``stem`` names its keys. ``newest_in_lake`` tells the newest observation of an hour (Unix ms
    of its start and end) that the lake has on record, 0 if none."""

    def __init__(
        self,
        client: "redis_asyncio.Redis",
        stem: str,
        newest_in_lake: Callable[[int, int], Awaitable[int]],
    ) -> None:
        self._client = client
        self._stem = f"{stem}:{_LAYOUT}"
        self._newest_in_lake = newest_in_lake
        self._script = client.register_script(SCRIPT)
        self._owner = secrets.token_bytes(4)
        self._asked: dict[int, list[Question]] = defaultdict(list)
        self._stored: dict[int, list[_Stored]] = defaultdict(list)
        self._lost: dict[int, list[Version]] = defaultdict(list)
        self._asking: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._outage = Outage("Redis", logger, server_message)

    async def ask(self, question: Question) -> Decisions:
        """Wait out an outage of Redis, without which nothing can be acknowledged anyway."""
        self._asked[question.observed // HOUR_MS].append(question)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await question.answer

    def stored(self, version: Version, observed: int, then: Callable[[], None]) -> None:
        """Note that ``version`` is durable, as of ``observed``; ``then`` is called when the fleet
        knows."""
        self._stored[observed // HOUR_MS].append(_Stored(version, observed, then))
        self._send_soon()

    def lost(self, version: Version, observed: int) -> None:
        """Note that this worker will not store ``version``."""
        self._lost[observed // HOUR_MS].append(version)
        self._send_soon()

    async def close(self) -> None:
        """Tell the rest, if Redis is there to hear it."""
        while self._telling is not None and not self._telling.done():
            await self._telling

    async def _ask(self) -> None:
        while self._asked:
            await asyncio.sleep(_ASK_SECONDS)
            hour, questions = _first(self._asked, _MOST_TOGETHER)
            # What was seen first is brought first, and spares the others.
            questions.sort(key=lambda question: question.observed)
            try:
                answers = await self._answers(hour, questions)
            except Exception as error:  # noqa: BLE001
                # Handed to all who wait: nobody else would end their waiting.
                for question in questions:
                    if not question.answer.done():
                        question.answer.set_exception(error)
                continue
            for question, answer in zip(questions, answers, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)

    async def _answers(self, hour: int, questions: Sequence[Question]) -> list[Decisions]:
        arguments: list[Any] = [self._owner, _CLAIM_MS]
        for each in questions:
            rows = _UNTOLD if each.rows is None else each.rows
            arguments += (each.observed, int(each.again), each.list_, rows, each.own)
        while (replies := await self._patiently(hour, "ask", arguments)) is None:
            floor = await self._newest_in_lake(hour * HOUR_MS, (hour + 1) * HOUR_MS)
            await self._patiently(hour, "begin", [floor])
        return [
            Decisions(
                [Decision(code) for code in codes.decode()], [EndedContent(*stay) for stay in ended]
            )
            for codes, ended in replies
        ]

    async def _patiently(self, hour: int, operation: str, arguments: list[Any]) -> Any:
        return await self._outage.wait_out(lambda: self._call(hour, operation, arguments), is_away)

    async def _call(self, hour: int, operation: str, arguments: list[Any]) -> Any:
        return await self._script(keys=[f"{self._stem}:{hour}"], args=[operation, *arguments])

    def _send_soon(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._send())

    async def _send(self) -> None:
        await asyncio.sleep(_TELL_SECONDS)
        while self._stored:
            hour, stored = _first(self._stored, _MOST_TOLD)
            parts = ((*each.version[:2], each.observed) for each in stored)
            await self._send_of(hour, "stored", [*chain.from_iterable(parts)])
            for each in stored:
                each.then()
        while self._lost:
            hour, lost = _first(self._lost, _MOST_TOLD)
            names = chain.from_iterable(version[:2] for version in lost)
            await self._send_of(hour, "lost", [self._owner, *names])

    async def _send_of(self, hour: int, operation: str, arguments: list[Any]) -> None:
        try:
            await self._call(hour, operation, arguments)
        except REDIS_ERRORS as error:
            # Claims run out by themselves: it is only stored once more.
            logger.debug("Redis cannot be told what is stored: %s", type(error).__name__)


def _first(by_hour: dict[int, list[_T]], most: int) -> tuple[int, list[_T]]:
    """Take out the first ``most`` of an hour."""
    hour = next(iter(by_hour))
    some, rest = by_hour[hour][:most], by_hour[hour][most:]
    if rest:
        by_hour[hour] = rest
    else:
        del by_hour[hour]
    return hour, some
