"""Answers kept in the archive, and replayed from it."""

import argparse
import asyncio
import datetime as dt
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from scrapy.settings import BaseSettings
from scrapy.utils.project import get_project_settings

from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.keeping import Archive
from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.commands import archive as archive_command
from rankspider.endpoint.answer import decode
from rankspider.items import Item
from rankspider.lake.store import Store
from rankspider.lake.writer import Writer
from rankspider.replay.feed import Feed
from rankspider.replay.replay import Replay, Replayed
from rankspider.simulator.clock import Clock, PaceBySeconds
from rankspider.simulator.endpoint import RankEndpoint
from rankspider.simulator.world import World, synthetic_sec_uid

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
Lake = Any


def bodies(count: int, *, rows: int, every: float, start: dt.datetime = NOON) -> list[bytes]:
    """What ``count`` anchors are answered, one every so many seconds."""
    seconds = [0.0]
    clock = Clock(round(start.timestamp() * 1000), timer=lambda: seconds[0])
    endpoint = RankEndpoint(World(seed=1, anchors=300, rows=rows), clock, PaceBySeconds(10))
    found = []
    for n in range(count):
        seconds[0] = n * every
        found.append(endpoint.answer(synthetic_sec_uid(1, n)).body(wrapped=n % 2 == 1))
    return found


def answer(body: bytes, anchor: str | None = None) -> AnswerToArchive:
    return AnswerToArchive.of_list(body, decode(body), anchor)


async def kept(database: AsyncDatabase[dict[str, Any]], *answers: AnswerToArchive) -> None:
    writer = Writer(database, gather_seconds=0)
    archive = Archive(writer.write, days=30)
    await asyncio.gather(*(archive.keep(each) for each in answers))
    await writer.close()


def said(observed: list[Item]) -> dict[Any, Any]:
    """What a lake would keep of observations, whatever their order."""
    found: dict[Any, Any] = {}
    for item in observed:
        key = (type(item), item.key, item.digest)
        first, last = found.get(key, (item.observed_at, item.observed_at))
        found[key] = (min(first, item.observed_at), max(last, item.observed_at))
    return found


def settings_of(mongo_uri: str, database: str) -> BaseSettings:
    project = get_project_settings()
    project.set("MONGO_URI", mongo_uri, priority="cmdline")
    project.set("MONGO_DATABASE", database, priority="cmdline")
    return project


async def replayed(lake: Lake, mongo_uri: str, target: str, most: int | None = None) -> Replayed:
    stop = asyncio.Event()

    def progress(sofar: Replayed) -> None:
        if sofar.answers == most:
            stop.set()

    async with Feed(Store(mongo_uri, target, {})) as feed:
        replay = Replay(ArchiveReader(lake), feed, keep_private=False, stop=stop, progress=progress)
        return await replay.run(AnswerFilter())


def shown(
    action: str, mongo_uri: str, database_name: str, capsys: Any, **given: Any
) -> tuple[int | None, str, str]:
    """Exit code and what ``scrapy archive`` writes."""
    command = archive_command.Command()
    command.settings = settings_of(mongo_uri, database_name)
    none = dict.fromkeys(("anchor", "hour", "start", "end", "at"))
    command.run([action], argparse.Namespace(**{**none, "json": False, **given}))
    written = capsys.readouterr()
    return command.exitcode, written.out, written.err
