"""A lake that is exported, and the files of the export."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from rankspider.connections.mongo import connect
from rankspider.export.folder import Folder
from rankspider.export.formats import Format
from rankspider.export.run import Export, ExportResult
from rankspider.export.source import Source
from rankspider.export.tables import TABLES
from rankspider.export.window import Window
from rankspider.items import Item, ListItem, RankedList, RankItem, UserItem
from rankspider.lake.documents import writes_of
from rankspider.lake.indexes import ensure_indexes
from rankspider.lake.write import update_of

Document = dict[str, Any]
HOUR = dt.datetime(2026, 1, 31, 11, tzinfo=dt.UTC)
ONE_HOUR = dt.timedelta(hours=1)
NOW = HOUR + dt.timedelta(days=1)
ALWAYS = Window(None, None)
ID = 6_000_000_000_000_000_001  # beyond 2⁵³: the next one is another number


def list_of(hour: dt.datetime) -> RankedList:
    return RankedList("热度", "全站", "小时榜", "", "", hour)


def standing(user: int, hour: dt.datetime, **changes: Any) -> RankItem:
    fields = {
        "ranked_list": list_of(hour),
        "user_id": str(ID + user),
        "sec_uid": f"MS4wLjABAAAA{user:043}",
        "rank": user,
        "score": 100 - user,
        "delta": 7,
        "gap_description": "",
        "gap_rich_description": "",
        "rich_description": "",
        "city_code": "",
        "fixed_footer_description": "",
        "shop_tags": ["综合", ""],
        "room_ids": [str(ID)],
        "listed": True,
        "observed_at": hour + dt.timedelta(minutes=17, milliseconds=user),
    }
    return RankItem(**{**fields, **changes})


def user(number: int, observed_at: dt.datetime, **changes: Any) -> UserItem:
    fields = {
        "user_id": str(ID + number),
        "sec_uid": f"MS4wLjABAAAA{number:043}",
        "short_id": 0,
        "display_id": "",
        "nickname": f"模拟主播{number}",
        "gender": 0,
        "signature": "",
        "avatar_uri": "",
        "profile": {},
        "observed_at": observed_at,
    }
    return UserItem(**{**fields, **changes})


def store(database: Database[Document], *items: Item) -> None:
    writes: dict[str, list[UpdateOne]] = {}
    for item in items:
        for write in writes_of(item):
            update = UpdateOne({"_id": write.id}, update_of(write, write.content), upsert=True)
            writes.setdefault(write.collection, []).append(update)
    for collection, updates in writes.items():
        database[collection].bulk_write(updates)


def with_indexes(database: Database[Document], uri: str) -> Database[Document]:
    """The database with its indexes, and nothing in it."""
    asyncio.run(in_the_lake(uri, database.name, ensure_indexes))
    return database


async def in_the_lake(uri: str, name: str, work: Callable[[Any], Any]) -> Any:
    async with connect(uri) as client:
        return await work(client[name])


def exported(
    lake: Database[Document],
    out: Path,
    *names: str,
    form: str = "parquet",
    window: Window = ALWAYS,
    now: dt.datetime = NOW,
    force: bool = False,
) -> list[ExportResult]:
    folder = Folder(out, form)
    export = Export(folder, Format(form), lambda *_: None, force=force, now=now)
    tables = [TABLES[name] for name in names or TABLES]
    with folder.opened({"format": form}, tables):
        return [export.run(Source(lake, table), window) for table in tables]


def files_of(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def hours_of(lake: Database[Document], count: int) -> list[dt.datetime]:
    """So many hours with two standings, a snapshot and a profile each."""
    hours = [HOUR + n * ONE_HOUR for n in range(count)]
    for n, hour in enumerate(hours):
        store(
            lake,
            standing(1, hour),
            standing(2, hour),
            user(n, hour + dt.timedelta(minutes=5)),
            ListItem(list_of(hour), [str(ID + 1), str(ID + 2)], [99, 98], 60, {}, hour),
        )
    return hours
