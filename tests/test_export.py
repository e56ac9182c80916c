"""What is exported is what MongoDB holds, read back by others; and a killed export goes on."""

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymongo import UpdateOne
from pymongo.database import Database

from rankspider.embedded.locks import FileLock
from rankspider.errors import ConfigurationError, ExportError
from rankspider.export.folder import Folder
from rankspider.export.formats import FORMATS, Format
from rankspider.export.parquet import Parquet
from rankspider.export.rows import row_of
from rankspider.export.run import Export, Outcome
from rankspider.export.source import Source
from rankspider.export.tables import TABLES, Kind
from rankspider.export.window import Window
from rankspider.items import Item, ListItem, RankedList, RankItem, RejectedItem, UserItem
from rankspider.lake.client import connect
from rankspider.lake.collections import ensure_indexes
from rankspider.lake.documents import writes_of
from rankspider.lake.overlong import fitted
from tests.conftest import ROOT, scrapy

Document = dict[str, Any]
HOUR = dt.datetime(2026, 1, 31, 11, tzinfo=dt.UTC)
ONE_HOUR = dt.timedelta(hours=1)
NOW = HOUR + dt.timedelta(days=1)
ALWAYS = Window(None, None)
ID = 6_000_000_000_000_000_001  # beyond 2⁵³: the next one is another number
INT64 = 2**63
# What breaks careless writers and readers of text.
NASTY = '=陈赫 👩‍👧 ❤️, "quoted"\r\nsecond\nline\t\\ \u2028 \x00 \x1b NULL'
TEXTS = [NASTY, "", "NULL", "NA", "nan", "null", "None", " ", "007", "1e5", "2026-01-31", '"', ","]


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
            update = UpdateOne({"_id": write.id}, write.pipeline(write.content), upsert=True)
            writes.setdefault(write.collection, []).append(update)
    for collection, updates in writes.items():
        database[collection].bulk_write(updates)


@pytest.fixture
def lake(database: Any, mongo_uri: str) -> Iterator[Database[Document]]:
    """The database with its indexes, and nothing in it."""
    asyncio.run(in_the_lake(mongo_uri, database.name, ensure_indexes))
    yield database


async def in_the_lake(uri: str, name: str, work: Callable[[Any], Any]) -> Any:
    async with connect(uri) as client:
        return await work(client[name])


def filled(lake: Database[Document]) -> Database[Document]:
    """With two hours, a day apart, of everything that is hard to say."""
    profile = {
        "nested": {"numbers": [INT64 - 1, -1, 0.1, 1e300], "empty": {}, "none": None},
        "fans_club": {"prefer_data": {"0": NASTY}},
        "%24key": [[], [{}], True],
    }
    for hour in (HOUR, HOUR + 24 * ONE_HOUR):
        store(
            lake,
            standing(1, hour, gap_description=NASTY, score=INT64 - 1, delta=-INT64),
            standing(2, hour, shop_tags=[], room_ids=[], listed=False, other_fields=profile),
            *(user(n, hour, nickname=text, signature=text) for n, text in enumerate(TEXTS)),
            user(50, hour, profile=profile, short_id=INT64 - 1),
            ListItem(
                list_of(hour), [str(ID), str(ID + 1)], [INT64 - 1, 0], 60, {"texts": [NASTY]}, hour
            ),
            ListItem(list_of(hour), [], [], 61, {}, hour),
            RejectedItem("rows", "rank is gone", '{"a": "\\ud800"}', None, hour),
            RejectedItem("lists", "unreadable", f"{hour} {NASTY}", "MS4w", hour),
        )
    # From a newer release, or a hand.
    lake.ranks.update_one({"user_id": str(ID + 1)}, {"$set": {"flags": ["late"], "seen": HOUR}})
    lake.users.update_one({"user_id": str(ID + 1)}, {"$unset": {"avatar_uri": 1}})
    return lake


def held(lake: Database[Document], collection: str) -> list[Document]:
    """Every document as a row should say it, by ``_id``."""
    names = [column.name for column in TABLES[collection].columns]
    rows = []
    for document in lake[collection].find().sort("_id"):
        for name, value in document.pop("list", {}).items():
            document[f"list_{name}"] = value
        rest = {name: document.pop(name) for name in list(document) if name not in names}
        document["other"] = rest or None
        rows.append({name: document.get(name) for name in names})
    return json.loads(json.dumps(rows, default=moment))


def moment(value: Any) -> Any:
    """A time in one form, whoever read it."""
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC)
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(value)


def of_kind(collection: str, *kinds: Kind) -> list[str]:
    return [column.name for column in TABLES[collection].columns if column.kind in kinds]


def read_rows(collection: str, rows: Iterable[Document], *, nested: bool) -> list[Document]:
    """What a reader returned, in the form of `held`; not ``nested``: JSON columns are text."""
    found = []
    for row in rows:
        for name in of_kind(collection, Kind.JSON) if not nested else []:
            row[name] = None if row[name] is None else json.loads(row[name])
        rest = row["other"]
        if rest and "seen" in rest:  # extended JSON, since its column cannot know that it is a time
            rest["seen"] = rest["seen"]["$date"].replace("00Z", "00.000Z")
        found.append(row)
    found = json.loads(json.dumps(found, default=moment))
    return sorted(found, key=lambda row: str(row["_id"]))


def exported(
    lake: Database[Document],
    out: Path,
    *names: str,
    form: str = "parquet",
    window: Window = ALWAYS,
    now: dt.datetime = NOW,
    force: bool = False,
) -> list[Outcome]:
    folder = Folder(out, form)
    export = Export(folder, Format(form), lambda *_: None, force=force, now=now)
    tables = [TABLES[name] for name in names or TABLES]
    with folder.opened({"format": form}, tables):
        return [export.run(Source(lake, table), window) for table in tables]


def files_of(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def with_duckdb(query: str, *values: str) -> list[Document]:
    with duckdb.connect() as connection:
        return connection.sql(query, params=list(values)).to_arrow_table().to_pylist()


def test_parquet_read_by_duckdb_and_pandas(lake: Any, tmp_path: Path) -> None:
    exported(filled(lake), tmp_path)
    for name in TABLES:
        expected = held(lake, name)
        assert len(expected) >= 2
        query = "SELECT * EXCLUDE (day, hour) FROM read_parquet(?, hive_partitioning = true)"
        rows = with_duckdb(query, f"{tmp_path / name}/**/*.parquet")
        assert read_rows(name, rows, nested=False) == expected
        frame = pd.read_parquet(tmp_path / name, dtype_backend="pyarrow")
        rows = pa.Table.from_pandas(frame.drop(columns=["day", "hour"])).to_pylist()
        assert read_rows(name, rows, nested=False) == expected


def test_parquet_types_and_partitions(lake: Any, tmp_path: Path) -> None:
    exported(filled(lake), tmp_path)
    path = tmp_path / "ranks" / "day=2026-01-31" / "hour=11" / "part-0.parquet"
    schema = pq.read_schema(path)
    assert schema.field("user_id").type == pa.string()
    assert schema.field("begin_time").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("score").type == pa.int64()
    assert schema.field("shop_tags").type == pa.list_(pa.string())
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    places = with_duckdb(
        "SELECT DISTINCT day, hour, begin_time FROM read_parquet(?) ORDER BY day",
        f"{tmp_path / 'ranks'}/**/*.parquet",
    )
    assert [(str(row["day"]), row["hour"]) for row in places] == [
        ("2026-01-31", 11),
        ("2026-02-01", 11),
    ]
    assert [moment(row["begin_time"]) for row in places] == [
        "2026-01-31T11:00:00.000Z",
        "2026-02-01T11:00:00.000Z",
    ]


def test_json_lines_read_by_duckdb_and_pandas(lake: Any, tmp_path: Path) -> None:
    exported(filled(lake), tmp_path, form="jsonl")
    for name in TABLES:
        expected = held(lake, name)
        paths = sorted((tmp_path / name).rglob("*.jsonl"))
        lines = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
        assert read_rows(name, lines, nested=True) == expected
        columns = {column.name: DUCKDB[column.kind] for column in TABLES[name].columns}
        rows = with_duckdb(
            f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {columns})",
            f"{tmp_path / name}/**/*.jsonl",
        )
        assert read_rows(name, rows, nested=False) == expected
        frames = [pd.read_json(path, lines=True, dtype=False, convert_dates=False) for path in paths]
        rows = [row for frame in frames for row in frame.to_dict("records")]
        assert read_rows(name, map(without_nan, rows), nested=True) == expected


DUCKDB = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.FLAG: "BOOLEAN",
    Kind.TIME: "TIMESTAMPTZ",
    Kind.TEXTS: "VARCHAR[]",
    Kind.INTEGERS: "BIGINT[]",
    Kind.JSON: "JSON",
}


def without_nan(row: Document) -> Document:
    """pandas has NaN where there is nothing."""
    return {name: None if value != value else value for name, value in row.items()}


def test_csv_read_by_duckdb_and_pandas(lake: Any, tmp_path: Path) -> None:
    exported(filled(lake), tmp_path, form="csv")
    for name in TABLES:
        expected = held(lake, name)
        lists = of_kind(name, Kind.TEXTS, Kind.INTEGERS)
        columns = {column.name: DUCKDB[column.kind] for column in TABLES[name].columns}
        columns |= dict.fromkeys(lists, "JSON")
        rows = with_duckdb(
            f"SELECT * FROM read_csv(?, columns = {columns}, header = true, quote = '\"',"
            " escape = '\"', allow_quoted_nulls = false, auto_detect = false)",
            f"{tmp_path / name}/**/*.csv",
        )
        assert read_rows(name, map(listed(lists), rows), nested=False) == expected
        rows = []
        for path in (tmp_path / name).rglob("*.csv"):
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
            rows += frame.to_dict("records")
        rows.sort(key=lambda row: row["_id"])
        assert rows == [{key: csv_text(value) for key, value in row.items()} for row in expected]


def listed(names: list[str]) -> Callable[[Document], Document]:
    def read(row: Document) -> Document:
        return row | {name: row[name] and json.loads(row[name]) for name in names}

    return read


def csv_text(value: Any) -> str:
    """As pandas reads text, which takes nothing for empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, dict) and "seen" in value:
        value = value | {"seen": {"$date": value["seen"].replace(".000", "")}}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
