"""What is exported is what MongoDB holds, read back by others; and a killed export goes on."""

import asyncio
import dataclasses
import datetime as dt
import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import ObjectId
from pymongo.database import Database

from rankspider.embedded.locks import FileLock
from rankspider.errors import ExportError
from rankspider.export.folder import Folder
from rankspider.export.formats import FORMATS, Format
from rankspider.export.parquet import Parquet
from rankspider.export.rows import row_of
from rankspider.export.run import Export, ExportResult
from rankspider.export.source import Source
from rankspider.export.tables import TABLES, ColumnKind
from rankspider.export.window import Window
from rankspider.items import ListItem, RejectedItem
from rankspider.lake.call import Call, document_of
from rankspider.lake.overlong import fitted
from tests.support.exported_lake import (
    ALWAYS,
    HOUR,
    ID,
    NOW,
    ONE_HOUR,
    Document,
    exported,
    files_of,
    hours_of,
    in_the_lake,
    list_of,
    standing,
    store,
    user,
    with_indexes,
)

INT64 = 2**63
# What breaks careless writers and readers of text.
NASTY = '=陈赫 👩‍👧 ❤️, "quoted"\r\nsecond\nline\t\\ \u2028 \x00 \x1b NULL'
TEXTS = [NASTY, "", "NULL", "NA", "nan", "null", "None", " ", "007", "1e5", "2026-01-31", '"', ","]


@pytest.fixture
def lake(database: Any, mongo_uri: str) -> Database[Document]:
    return with_indexes(database, mongo_uri)


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
        failed = Call(
            anchor=NASTY,
            asked_at=hour + dt.timedelta(milliseconds=1),
            milliseconds=3,
            purpose="queue",
            outcome="network",
            worker="host:1",
        )
        answered = dataclasses.replace(
            failed,
            id=ObjectId(),
            user_id=str(ID),
            observed_at=hour,
            status=200,
            bytes=2**40,  # pandas reads a column with a null as floats
            licence="NULL",
            begin_time=hour,
            list_state="a",
            standing="b",
            profile="c",
        )
        lake.calls.insert_many([document_of(failed), document_of(answered)])
    # From a newer release, or a hand.
    lake.ranks.update_one({"user_id": str(ID + 1)}, {"$set": {"marks": ["late"], "seen": HOUR}})
    lake.users.update_one({"user_id": str(ID + 1)}, {"$unset": {"avatar_uri": 1}})
    return lake


def held(lake: Database[Document], collection: str) -> list[Document]:
    """Every document as a row should say it, by ``_id``."""
    names = [column.name for column in TABLES[collection].columns]
    rows = []
    for document in lake[collection].find().sort("_id"):
        document["_id"] = str(document["_id"])  # of calls, an ObjectId
        for name, value in (document.pop("list", None) or {}).items():
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


def of_kind(collection: str, *kinds: ColumnKind) -> list[str]:
    return [column.name for column in TABLES[collection].columns if column.kind in kinds]


def read_rows(collection: str, rows: Iterable[Document], *, nested: bool) -> list[Document]:
    """What a reader returned, in the form of `held`; not ``nested``: JSON columns are text."""
    found = []
    for row in rows:
        for name in of_kind(collection, ColumnKind.JSON) if not nested else []:
            row[name] = None if row[name] is None else json.loads(row[name])
        rest = row["other"]
        if rest and "seen" in rest:  # extended JSON, since its column cannot know that it is a time
            rest["seen"] = rest["seen"]["$date"].replace("00Z", "00.000Z")
        found.append(row)
    found = json.loads(json.dumps(found, default=moment))
    return sorted(found, key=lambda row: str(row["_id"]))


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
            f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {columns},"
            " hive_partitioning = false)",
            f"{tmp_path / name}/**/*.jsonl",
        )
        assert read_rows(name, rows, nested=False) == expected
        frames = [pd.read_json(path, lines=True, dtype=False) for path in paths]
        rows = [row for frame in frames for row in frame.to_dict("records")]
        assert read_rows(name, map(without_nan, rows), nested=True) == expected


DUCKDB = {
    ColumnKind.TEXT: "VARCHAR",
    ColumnKind.INTEGER: "BIGINT",
    ColumnKind.FLAG: "BOOLEAN",
    ColumnKind.TIME: "TIMESTAMPTZ",
    ColumnKind.TEXTS: "VARCHAR[]",
    ColumnKind.INTEGERS: "BIGINT[]",
    ColumnKind.JSON: "JSON",
}


def without_nan(row: Document) -> Document:
    """pandas has NaN where there is nothing."""
    return {name: None if value != value else value for name, value in row.items()}


def test_csv_read_by_duckdb_and_pandas(lake: Any, tmp_path: Path) -> None:
    exported(filled(lake), tmp_path, form="csv")
    for name in TABLES:
        expected = held(lake, name)
        lists = of_kind(name, ColumnKind.TEXTS, ColumnKind.INTEGERS)
        columns = {column.name: DUCKDB[column.kind] for column in TABLES[name].columns}
        columns |= dict.fromkeys(lists, "JSON")
        rows = with_duckdb(
            f"SELECT * FROM read_csv(?, columns = {columns}, header = true, quote = '\"',"
            " escape = '\"', allow_quoted_nulls = false, auto_detect = false,"
            " hive_partitioning = false)",
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


def test_nothing_is_visible_until_it_is_whole(lake: Any, tmp_path: Path) -> None:
    hours_of(lake, 2)
    seen = []

    def look(*_: object) -> None:
        files = list(tmp_path.rglob("*.parquet"))
        assert all(pq.read_metadata(path).num_rows == 2 for path in files)
        if files:
            assert len(pd.read_parquet(tmp_path / "ranks")) == 2 * len(files)
        seen.append(len(files))

    folder, table = Folder(tmp_path, "parquet"), TABLES["ranks"]
    export = Export(folder, Format("parquet"), look, force=False, now=NOW)
    with folder.opened({}, [table]):
        export.run(Source(lake, table), ALWAYS)
    assert seen == [0, 0, 1, 1]


def test_an_interrupted_hour_leaves_nothing(lake: Any, tmp_path: Path) -> None:
    hours_of(lake, 2)

    def interrupt(collection: str, hour: dt.datetime, rows: int) -> None:
        if hour > HOUR:
            raise KeyboardInterrupt

    folder, table = Folder(tmp_path, "parquet"), TABLES["ranks"]
    export = Export(folder, Format("parquet"), interrupt, force=False, now=NOW)
    with pytest.raises(KeyboardInterrupt), folder.opened({"format": "parquet"}, [table]):
        export.run(Source(lake, table), ALWAYS)
    assert [name for name in files_of(tmp_path) if not name.startswith("_l")] == [
        "_manifest.jsonl",
        "ranks/day=2026-01-31/hour=11/part-0.parquet",
    ]
    (outcome,) = exported(lake, tmp_path, "ranks")
    assert (outcome.hours_kept, outcome.hours_written, outcome.rows_written) == (1, 1, 2)


def written(outcome: ExportResult) -> tuple[int, int, int]:
    return outcome.hours_written, outcome.hours_kept, outcome.hours_removed


def test_an_hour_is_written_anew_until_it_is_over_and_when_it_grew(
    lake: Any, tmp_path: Path
) -> None:
    first, _second, third = hours_of(lake, 3)

    def again(now: dt.datetime, **how: Any) -> tuple[int, int, int]:
        return written(exported(lake, tmp_path, "ranks", form="jsonl", now=now, **how)[0])

    early = first + dt.timedelta(minutes=74)
    assert again(early) == (3, 0, 0)
    assert again(early) == (3, 0, 0)  # within a quarter of an hour after its end
    assert again(first + dt.timedelta(minutes=75)) == (3, 0, 0)
    assert again(NOW) == (2, 1, 0)
    assert again(NOW) == (1, 2, 0)  # the newest may be going on, whatever this clock says
    store(lake, standing(3, first))
    assert again(NOW) == (2, 1, 0)
    assert (tmp_path / "ranks/day=2026-01-31/hour=11/part-0.jsonl").read_bytes().count(b"\n") == 3
    lake.ranks.delete_many({"begin_time": first, "user_id": str(ID + 3)})
    assert again(NOW) == (1, 2, 0)  # the lake forgets, the export doesn't
    lake.ranks.delete_many({"begin_time": first})
    assert again(NOW) == (1, 1, 0)
    assert (tmp_path / "ranks/day=2026-01-31/hour=11/part-0.jsonl").exists()
    assert again(NOW, force=True) == (2, 0, 0)
    (tmp_path / "ranks/day=2026-01-31/hour=12/part-0.jsonl").unlink()
    assert again(NOW, window=Window(first, third)) == (1, 0, 0)


def test_who_was_seen_again_is_in_the_newer_hour_alone(lake: Any, tmp_path: Path) -> None:
    first, second, _third = hours_of(lake, 3)
    store(lake, user(9, second))
    exported(lake, tmp_path, "users", form="jsonl")
    store(lake, user(0, HOUR + 5 * ONE_HOUR, nickname="renamed"), user(9, HOUR + 5 * ONE_HOUR))
    outcome = exported(lake, tmp_path, "users", form="jsonl", window=Window(second, None))[0]
    assert written(outcome) == (3, 0, 0)
    assert written(exported(lake, tmp_path, "users", form="jsonl")[0]) == (1, 2, 1)
    lines = [
        json.loads(line)
        for path in (tmp_path / "users").rglob("*.jsonl")
        for line in path.read_bytes().splitlines()
    ]
    assert read_rows("users", lines, nested=True) == held(lake, "users")
    assert not (tmp_path / "users/day=2026-01-31/hour=11").exists()
    assert written(exported(lake, tmp_path, "users", form="jsonl")[0]) == (1, 2, 0)
    assert first == HOUR


def test_the_range_is_of_whole_hours(lake: Any, tmp_path: Path) -> None:
    hours_of(lake, 5)
    half = dt.timedelta(minutes=30)
    assert Window.touching(None, None) == ALWAYS
    assert Window.touching(HOUR, HOUR) == Window(HOUR, HOUR)
    window = Window.touching(HOUR + ONE_HOUR + half, HOUR + 2 * ONE_HOUR + half)
    assert window == Window(HOUR + ONE_HOUR, HOUR + 3 * ONE_HOUR)
    exported(lake, tmp_path, "rank_history", "users", form="csv", window=window)
    assert sorted(name for name in files_of(tmp_path) if name[0] != "_") == [
        f"{collection}/day=2026-01-31/hour={hour}/part-0.csv"
        for collection in ("rank_history", "users")
        for hour in (12, 13)
    ]
    empty = exported(lake, tmp_path / "none", window=Window(NOW, None))
    assert {written(outcome) for outcome in empty} == {(0, 0, 0)}


def test_a_folder_holds_one_kind_of_export(
    lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours_of(lake, 1)
    exported(lake, tmp_path, "ranks", form="csv")
    before = files_of(tmp_path)
    with pytest.raises(ExportError, match=r"another format \(csv, now jsonl\): choose another"):
        exported(lake, tmp_path, "ranks", form="jsonl")
    changed = Folder(tmp_path, "csv")
    fewer = {"ranks": {"_id": "text"}}
    with pytest.raises(ExportError, match="another columns of ranks: choose another"):
        changed.manifest.open({"format": "csv"}, fewer)
    with FileLock.open(tmp_path / "_lock") as lock:
        assert lock.try_exclusive()
        with pytest.raises(ExportError, match="another export is at work in"):
            exported(lake, tmp_path, "ranks", form="csv")
    assert files_of(tmp_path) == before
    exported(lake, tmp_path, "snapshots", form="csv")  # another collection may join
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ExportError, match="is not empty and no export was begun there"):
        exported(lake, tmp_path / "mine", form="csv")
    (tmp_path / "_manifest.jsonl").write_text("{}\nno JSON\n")
    with pytest.raises(ExportError, match="cannot be read"):
        exported(lake, tmp_path, "ranks", form="csv")


class Watched(io.FileIO):
    """Sees how much Arrow holds while it is written to."""

    most_of_arrow = 0

    def look(self) -> None:
        self.most_of_arrow = max(self.most_of_arrow, pa.total_allocated_bytes())

    def write(self, data: Any) -> int:
        self.look()
        return super().write(data)


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_hour(lake: Any, form: str) -> None:
    hours_of(lake, 1)
    table, (sample,) = TABLES["users"], lake.users.find()

    def peak(rows: int) -> tuple[int, int, int]:
        """Bytes: of Python, of Arrow, and written."""
        tracemalloc.start()
        with Watched(os.devnull, "wb") as file:
            writer: Any = Format(form).writer(file, table)
            if form == "parquet":
                writer = Parquet(file, table, group_bytes=500_000)
            for n in range(rows):
                text = os.urandom(1000).hex()
                row = row_of(table, {**sample, "_id": str(ID + n), "profile": {"text": text}})
                writer.write(row)
                file.look()
            writer.close()
            taken = tracemalloc.get_traced_memory()[1], file.most_of_arrow, rows * 2000
        tracemalloc.stop()
        return taken

    few = 2_000 if form == "parquet" else 500
    small, large = peak(few), peak(4 * few)
    assert large[0] < 1.3 * small[0]
    assert large[1] <= 1.3 * small[1]
    assert sum(large[:2]) < 0.75 * large[2]


def test_memory_of_reading_does_not_grow_with_the_hour(
    lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankspider.export.source._BATCH_DOCUMENTS", 10)

    def peak(count: int) -> int:
        hour = HOUR + count * ONE_HOUR
        for n in range(count):
            payload = os.urandom(20_000).hex()
            lake.rejected.insert_one(
                {"_id": f"{hour}/{n}", "payload": payload, "observed_at": hour}
            )
        tracemalloc.start()
        window = Window(hour, hour + ONE_HOUR)
        (outcome,) = exported(lake, tmp_path, "rejected", form="csv", window=window)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert outcome.rows_written == count
        return taken

    small, large = peak(40), peak(200)
    assert large < 1.3 * small
    assert large < 200 * 40_000 / 2


def test_a_row_group_is_written_when_it_is_full(tmp_path: Path, lake: Any) -> None:
    hours_of(lake, 1)
    (sample,) = lake.users.find()
    with (tmp_path / "users.parquet").open("wb") as file:
        writer = Parquet(file, TABLES["users"], group_bytes=200_000)
        for n in range(5_000):
            writer.write(row_of(TABLES["users"], {**sample, "_id": str(n)}))
        writer.close()
    read = pq.ParquetFile(tmp_path / "users.parquet")
    assert read.metadata.num_row_groups > 2
    assert read.read(["_id"]).column("_id").to_pylist() == [str(n) for n in range(5_000)]


def test_overlong_documents_are_whole(lake: Any, mongo_uri: str, tmp_path: Path) -> None:
    async def store_overlong(database: Any) -> None:
        content = {
            "payload": "陈" * 6_000_000,
            "reason": "long",
            "observed_at": HOUR,
            "anchor": None,
        }
        await database.rejected.insert_one({"_id": "rows/1"} | await fitted(database, content))

    asyncio.run(in_the_lake(mongo_uri, lake.name, store_overlong))
    assert lake.rejected.find_one()["payload"] is None
    exported(lake, tmp_path, "rejected")
    (row,) = pq.read_table(tmp_path / "rejected").to_pylist()
    assert row["payload"] == "陈" * 6_000_000
    assert row["other"] is None
    lake["overlong.files"].delete_many({})
    with pytest.raises(ExportError, match="'rows/1': its overlong fields should be in GridFS"):
        exported(lake, tmp_path, "rejected")


def test_a_value_of_another_kind_is_named(lake: Any, tmp_path: Path) -> None:
    hours_of(lake, 1)
    for field, value, kind in [
        ("score", 1.5, "float"),
        ("rank", True, "bool"),
        ("user_id", 7, "int"),
        ("shop_tags", ["a", 1], "list"),
        ("listed", 1, "int"),
        ("first_observed_at", "2026", "str"),
    ]:
        (document,) = lake.ranks.find({"rank": 1})
        with pytest.raises(ExportError, match=rf"^ranks '.*': {field} must be .* is a {kind}:"):
            row_of(TABLES["ranks"], document | {field: value})
    lake.ranks.update_many({"rank": 1}, {"$set": {"score": 1.5}})
    with pytest.raises(ExportError, match="score must be int64"):
        exported(lake, tmp_path, "ranks")
    assert not list(tmp_path.rglob("*.parquet"))
    assert not (tmp_path / "_unfinished").exists()


def test_every_hour_is_read_over_an_index(lake: Any) -> None:
    filled(lake)
    for name, table in TABLES.items():
        source = Source(lake, table)
        source.require_index()
        hour = source._between(HOUR, HOUR + ONE_HOUR)
        found = lake[name].find(hour, sort=[(table.time, table.direction)])
        plan = json.dumps(found.explain()["queryPlanner"]["winningPlan"], default=str)
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan
        assert '"SORT"' not in plan
    lake.users.drop_index("time")
    with pytest.raises(ExportError, match=r"db.users.createIndex\(\{observed_at: 1\}\)"):
        Source(lake, TABLES["users"]).require_index()


def test_hours_between_long_gaps(lake: Any) -> None:
    times = [HOUR + n * ONE_HOUR for n in (0, 1, 2, 5, 6, 90_000, 5_000_000)]
    times.append(dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.UTC))
    lake.rejected.insert_many({"_id": str(n), "observed_at": t} for n, t in enumerate(times))
    lake.rejected.insert_one({"_id": "timeless", "observed_at": None})
    source = Source(lake, TABLES["rejected"])
    hours = [time.replace(minute=0) for time in times]
    assert list(source.hours(None, None)) == hours
    assert list(source.hours(times[1], times[5])) == hours[1:5]
    assert list(source.hours(times[3] - ONE_HOUR, times[3])) == []
    assert source.newest_hour() == hours[-1]


def test_what_is_seen_again_later_is_written_anew(lake: Any, tmp_path: Path) -> None:
    """As a late answer or a profile that stays does, whose document stays in its hour."""
    hours = hours_of(lake, 3)
    names = sorted(TABLES)

    def again() -> dict[str, int]:
        results = exported(lake, tmp_path, *names, form="jsonl")
        return {each.collection: each.hours_written for each in results}

    again()
    assert set(again().values()) == {0, 1}  # the newest may go on
    late = hours[0] + dt.timedelta(minutes=50)
    state = lake.snapshots.find_one({"begin_time": hours[0]})
    store(lake, user(0, late), standing(1, hours[0], observed_at=late))
    store(lake, ListItem(list_of(hours[0]), state["user_ids"], state["scores"], 9, {}, late))
    written_again = again()
    for name in ("ranks", "rank_history", "user_history", "snapshots"):
        assert written_again[name] == 2, name
    text = (tmp_path / "user_history/day=2026-01-31/hour=11/part-0.jsonl").read_text()
    (profile,) = map(json.loads, text.splitlines())
    assert profile["last_observed_at"] == f"{late:%Y-%m-%dT%H:%M:%S.000Z}"
    assert profile["first_observed_at"] < profile["last_observed_at"]


def test_hours_compare_as_numbers(lake: Any, tmp_path: Path) -> None:
    """Also those that an earlier release wrote with two digits."""
    night = HOUR.replace(hour=3)
    store(lake, standing(1, night), standing(1, HOUR))
    lake.calls.insert_one({"anchor": None, "asked_at": night})
    exported(lake, tmp_path)
    old = tmp_path / "ranks/day=2026-01-31/hour=3"
    old.rename(old.with_name("hour=03"))
    (again,) = exported(lake, tmp_path, "ranks")
    assert (again.hours_written, again.hours_kept) == (1, 1)
    for name, hours in (("ranks", [3, 11]), ("sightings", []), ("calls", [3])):
        files = list(tmp_path.glob(f"{name}/**/*.parquet"))
        assert len(files) == len(hours), name
        if hours:
            rows = duckdb.sql(
                f"SELECT hour FROM read_parquet('{tmp_path}/{name}/**/*.parquet') "
                "WHERE hour BETWEEN 3 AND 12 AND day = DATE '2026-01-31' ORDER BY hour"
            )
            assert [hour for (hour,) in rows.fetchall()] == hours
