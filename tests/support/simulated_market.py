"""A lake filled from the simulator, and the simulator's own record of what it served.

Nothing here asks the lake what was served: a question's expected answer comes from `Market.served`.
"""

import asyncio
import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pymongo import AsyncMongoClient
from pymongo.database import Database

from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.items import UserItem
from rankspider.lake.documents import writes_of
from rankspider.lake.indexes import ensure_indexes
from rankspider.lake.writer import Writer
from rankspider.simulator.anchors import Anchor
from rankspider.simulator.clock import Clock, PaceBySeconds
from rankspider.simulator.endpoint import RankEndpoint
from rankspider.simulator.journal import AnswerJournal
from rankspider.simulator.world import Standing, World

SEED = 20
SELLERS = 30
ROWS = 10
CHANGE_SECONDS = 60.0
FIRST_HOUR = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)  # 18:00 in Shanghai
HOURS_WATCHED = (0, 1, 2, 3, 5, 6)
"""Counted from the first; nobody watched in the fifth, number 4."""
_OFTEN = (5, 5.2, 131, 340, 612, 1320, 1845, 2400, 2401)
_AT_THE_END = (3310, 3371, 3432, 3492, 3590)
"""Seconds into an hour at which the endpoint was asked, the last five minutes closely."""
_STOPPED_AT = 2402
"""Seconds into the last hour after which nobody watched."""


@dataclass(frozen=True, slots=True)
class Served:
    """One answer, as the record has it."""

    at: dt.datetime
    begin_time: dt.datetime
    asked: str | None
    """The ``sec_uid`` asked for; None: the list alone."""
    rows: list[Standing]
    own: Standing | None

    def standing_of(self, user_id: str) -> Standing | None:
        """What this answer said of a user."""
        said = [*self.rows, *([self.own] if self.own else [])]
        return next((each for each in said if each.user_id == user_id), None)


@dataclass(frozen=True)
class Market:
    """What was served, and the lake that holds it."""

    database: Database[dict[str, Any]]
    world: World
    served: list[Served]
    """In order of time."""

    @property
    def hours(self) -> list[dt.datetime]:
        """Those with an answer, oldest first."""
        return sorted({each.begin_time for each in self.served})

    def of_hour(self, hour: dt.datetime) -> list[Served]:
        return [each for each in self.served if each.begin_time == hour]

    def last_of(self, hour: dt.datetime) -> Served:
        """The last answer of an hour."""
        return self.of_hour(hour)[-1]

    def at(self, moment: dt.datetime) -> Served | None:
        """The last answer at or before ``moment``."""
        return next((each for each in reversed(self.served) if each.at <= moment), None)

    def seller(self, user_id: str) -> Anchor:
        """The simulator's own anchor of this id."""
        sellers = (self.world.anchor(index) for index in range(self.world.anchors))
        return next(each for each in sellers if str(each.user_id) == user_id)

    def listed_hours(self, user_id: str) -> list[dt.datetime]:
        """Hours in which some answer had the user on the list."""
        return [
            hour
            for hour in self.hours
            if any(row.user_id == user_id for each in self.of_hour(hour) for row in each.rows)
        ]


async def fill(uri: str, name: str, record: Path) -> None:
    """Serve a few virtual hours into the database ``name``, and record what was served."""
    seconds = 0.0
    world = world_of_market()
    clock = Clock(round(FIRST_HOUR.timestamp() * 1000), timer=lambda: seconds)
    endpoint = RankEndpoint(world, clock, PaceBySeconds(CHANGE_SECONDS))
    journal = AnswerJournal(record)
    client = AsyncMongoClient[dict[str, Any]](uri, tz_aware=True, w="majority")
    await ensure_indexes(client[name])
    writer = Writer(client[name])
    waiting = []
    known: set[str] = set()
    for number, moment in enumerate(_moments()):
        seconds = moment
        asked = _asked(world, number)
        answer = endpoint.answer(asked)
        journal.write(answer, asked, 200, None)
        waiting.append(_store(writer, known, answer.body(number % 2 == 1), asked))
    await asyncio.gather(*waiting)
    await writer.close()
    await client.close()
    journal.close()


def market(database: Database[dict[str, Any]], record: Path) -> Market:
    return Market(database, world_of_market(), _read(record))


def world_of_market() -> World:
    return World(SEED, SELLERS, ROWS)


def new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def _moments() -> list[float]:
    """Seconds since the first hour began."""
    last = HOURS_WATCHED[-1]
    return [
        hour * 3600 + second
        for hour in HOURS_WATCHED
        for second in (*_OFTEN, *_AT_THE_END)
        if hour < last or second < _STOPPED_AT
    ]


def _asked(world: World, number: int) -> str | None:
    """All sellers in turn, one of them often, one who is never listed, and nobody."""
    if number % 7 == 0:
        return None
    if number % 7 == 1:
        return world.sec_uid(world.anchors + 5)  # a stranger
    return world.sec_uid(3 if number % 7 == 2 else number * 11 % world.anchors)


async def _store(writer: Writer, known: set[str], body: bytes, asked: str | None) -> None:
    """What the spider and the pipelines do with one answer: the one place that knows how."""
    items = Extraction(decode(body), asked, keep_private=False)
    new = [item for item in items if not isinstance(item, UserItem) or _is_new(item, known)]
    writes = [write for item in new for write in writes_of(item)]
    await asyncio.gather(*map(writer.write, writes))


def _is_new(user: UserItem, known: set[str]) -> bool:
    """Profiles hardly change, and writing them over and over takes most of the time."""
    is_new = user.digest not in known
    known.add(user.digest)
    return is_new


class _Line(msgspec.Struct):
    now: int
    begin_time: int
    asked: str | None
    state: int
    rows: list[Standing] | None = None
    anchor_info: Standing | None = None


def _read(record: Path) -> list[Served]:
    lines = [msgspec.json.decode(line, type=_Line) for line in record.read_bytes().splitlines()]
    states = {(line.begin_time, line.state): line.rows for line in lines if line.rows is not None}
    return [
        Served(
            at=_utc(line.now / 1000),
            begin_time=_utc(line.begin_time),
            asked=line.asked,
            rows=states[line.begin_time, line.state] or [],
            own=line.anchor_info,
        )
        for line in lines
    ]


def _utc(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


# --- The world -----------------------------------------------------------------------------


def listing(world: World, now_ms: int) -> tuple[Standing, ...]:
    """The rows at ``now_ms``, best first, of a list that changes every 10 seconds."""
    return world.list_at(PaceBySeconds(10).moment(now_ms)).standings
