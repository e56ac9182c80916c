"""``scrapy rejects``: what failed a hard check, shown, tried again after a fix, and dropped."""

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from scrapy.exceptions import UsageError
from scrapy.utils.project import get_project_settings

from rankspider.commands.rejects import Command
from rankspider.connections.mongo import connect
from rankspider.endpoint import answer as answers
from rankspider.endpoint import validation
from rankspider.endpoint.answer import ProfileFields, RowShape
from rankspider.endpoint.lenient import Decoder
from rankspider.errors import RankspiderError
from rankspider.items import RejectedItem
from rankspider.lake import overlong
from rankspider.lake.opening import open_lake
from rankspider.lake.writer import Writer
from rankspider.quarantine.collection import RejectFilter, Rejects
from rankspider.quarantine.retry import OF_THE_FIRST_RELEASE, Quarantine
from tests.support.lake_records import written
from tests.support.query_plans import indexes_used
from tests.support.sample_answer import (
    Document,
    passed,
    read_strictly,
    records,
    sample,
    text_for_a_number,
)

Database = AsyncDatabase[dict[str, Any]]
Change = Callable[[Document], None]
STORED = ("ranks", "rank_history", "users", "user_history", "snapshots")


async def lake(database: Database) -> dict[str, list[Any]]:
    return {name: await database[name].find().sort("_id").to_list() for name in STORED}


async def rejected(database: Database) -> dict[str, str]:
    """Kind by reason."""
    return {each["reason"]: each["kind"] async for each in database.rejected.find()}


async def crawled(database: Database, answer: Document) -> None:
    """Store what a worker makes of ``answer``."""
    await written(database, *passed(records(answer))[0])


async def retried(
    database: Database, selection: RejectFilter | None = None, *, dry_run: bool = False
) -> list[str | None]:
    quarantine = Quarantine(Rejects(database), Writer(database), keep_private=False)
    outcomes = quarantine.retry(selection or RejectFilter(), dry_run=dry_run)
    return [outcome.problem async for outcome in outcomes]


def text_for_a_number_of_a_user(answer: Document) -> None:
    answer["data"]["ranks"][1]["user"]["gender"] = "2"


def text_for_a_number_of_the_own_row(answer: Document) -> None:
    answer["data"]["anchor_info"]["delta"] = "7"


@pytest.fixture(autouse=True)
def _before_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    read_strictly(monkeypatch)


def read_text_as_numbers(patch: pytest.MonkeyPatch) -> None:
    """The fix."""
    patch.setattr(answers, "_shape", Decoder(RowShape))
    patch.setattr(answers, "_card", Decoder(ProfileFields))


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (text_for_a_number, ["lists", "rows"]),
        (text_for_a_number_of_a_user, ["users"]),
        (text_for_a_number_of_the_own_row, ["rows"]),
    ],
)
async def test_after_a_fix_the_lake_is_as_if_nothing_had_been_wrong(
    async_database: Database, monkeypatch: pytest.MonkeyPatch, change: Change, kinds: list[str]
) -> None:
    await open_lake(async_database, {})
    answer = sample()
    change(answer)
    await crawled(async_database, answer)
    assert sorted((await rejected(async_database)).values()) == kinds
    before = await lake(async_database)
    still = await retried(async_database)  # nothing is fixed yet
    assert sorted(map(str, still)) == sorted(await rejected(async_database))
    assert await lake(async_database) == before

    read_text_as_numbers(monkeypatch)
    assert await retried(async_database, dry_run=True) == [None] * len(kinds)
    assert await lake(async_database) == before
    assert await retried(async_database) == [None] * len(kinds)
    assert await rejected(async_database) == {}
    after = await lake(async_database)
    for name in STORED:
        await async_database[name].delete_many({})
    await crawled(async_database, answer)
    assert after == await lake(async_database)


async def test_an_item_that_a_check_refused(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = sample()
    with monkeypatch.context() as strict:
        strict.setattr(validation, "_INT64", 30_000)  # refuses the first row and the list
        await crawled(async_database, answer)
    assert await async_database.ranks.count_documents({}) == 2
    assert {None} == set(await retried(async_database))
    assert await async_database.ranks.count_documents({}) == 3
    assert await async_database.snapshots.count_documents({}) == 1


async def test_a_row_is_judged_beside_its_list(async_database: Database) -> None:
    """Alone, a user who stands in the list twice would look sound."""
    answer = sample()
    answer["data"]["ranks"][1]["user"] = answer["data"]["ranks"][0]["user"]
    await crawled(async_database, answer)
    reasons = {"user stands in the list more than once", "a row of it cannot be trusted"}
    assert set(await retried(async_database)) == reasons
    assert await async_database.ranks.count_documents({"listed": True}) == 0


async def test_a_list_of_no_hour(async_database: Database) -> None:
    for begin_time in (1611054001, -1, 1 << 62):
        answer = sample()
        answer["data"]["begin_time"] = begin_time
        await crawled(async_database, answer)
    assert set(await retried(async_database)) == {
        "begin_time is not on an hour",
        "begin_time is out of range",
    }
    assert await async_database.ranks.count_documents({}) == 0


async def test_a_record_rejected_once_more_meanwhile_stays(async_database: Database) -> None:
    answer = sample()
    text_for_a_number_of_a_user(answer)
    await crawled(async_database, answer)
    rejects = Rejects(async_database)
    ((document,),) = [batch async for batch in rejects.batches(RejectFilter())]
    answer["extra"]["now"] += 1000
    await crawled(async_database, answer)
    await rejects.remove(document)
    assert await async_database.rejected.count_documents({}) == 1


async def test_what_mongodb_refuses_stays(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_lake(async_database, {})
    answer = sample()
    text_for_a_number_of_a_user(answer)
    await crawled(async_database, answer)
    await async_database.command(
        {"collMod": "users", "validator": {"$jsonSchema": {"required": ["never"]}}}
    )
    await async_database.users.delete_many({})
    read_text_as_numbers(monkeypatch)
    (problem,) = await retried(async_database)
    assert problem is not None and problem.startswith("MongoDB refused users")
    assert await async_database.rejected.count_documents({}) == 1


async def test_an_overlong_record_is_tried_whole(
    async_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlong, "ROOM_BYTES", 1000)
    monkeypatch.setattr("rankspider.lake.bulk.ROOM_BYTES", 1000)
    answer = sample()
    text_for_a_number_of_a_user(answer)
    await crawled(async_database, answer)
    stored = await async_database.rejected.find_one()
    assert stored is not None and stored["payload"] is None
    read_text_as_numbers(monkeypatch)
    assert await retried(async_database) == [None]
    assert await async_database.users.count_documents({}) == 3


async def test_what_the_first_release_wrote_says_so(async_database: Database) -> None:
    old = {
        "_id": "rows/0123",
        "kind": "rows",
        "reason": "score is below 0",
        "payload": "{}",
        "anchor": None,
        "revision": "1",
    }
    await async_database.rejected.insert_one(old)
    assert await retried(async_database) == [OF_THE_FIRST_RELEASE]
    assert await async_database.rejected.count_documents({}) == 1


async def test_the_same_row_at_two_places_is_one_record_in_either_order(
    async_database: Database,
) -> None:
    answer = sample()
    ranks = answer["data"]["ranks"]
    ranks[1:] = [ranks[0], ranks[0]]
    items = [item for item in records(answer) if isinstance(item, RejectedItem)]
    for order in (items, items[::-1]):
        await async_database.rejected.delete_many({})
        await written(async_database, *order)
        (row,) = await async_database.rejected.find({"kind": "rows"}).to_list()
        assert row["place"] == 3


class Run:
    """``scrapy rejects …`` in this process."""

    def __init__(
        self, mongo_uri: str, database_name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._settings = get_project_settings()
        self._settings.set("MONGO_URI", mongo_uri)
        self._settings.set("MONGO_DATABASE", database_name)
        self._capsys = capsys

    def in_zone(self, name: str) -> None:
        self._settings.set("RANK_TIMEZONE", name)

    def __call__(self, *arguments: str) -> str:
        command = Command()
        command.settings = self._settings
        parser = argparse.ArgumentParser(conflict_handler="resolve")
        command.add_options(parser)
        opts, args = parser.parse_known_args(arguments)
        assert command.execute(args, opts) == 0
        return self._capsys.readouterr().out


@pytest.fixture
def run(mongo_uri: str, database_name: str, capsys: pytest.CaptureFixture[str]) -> Run:
    async def fill() -> None:
        answer = sample()
        text_for_a_number(answer)
        answer["data"]["ranks"][1]["user"]["nickname"] = "\x1b[31m红"
        async with connect(mongo_uri) as client:
            await crawled(client[database_name], answer)

    asyncio.run(fill())
    return Run(mongo_uri, database_name, capsys)


def test_the_list_by_reason_and_by_record(run: Run) -> None:
    lines = run("list").splitlines()
    assert lines[0].split() == ["count", "newest", "kind", "reason"]
    assert len(lines) == 3
    assert "2021-01-19 19:17:29" in lines[1]
    groups = [json.loads(line) for line in run("--json").splitlines()]
    assert [group["count"] for group in groups] == [1, 1]
    assert groups[0]["newest"] == "2021-01-19T11:17:29.817+00:00"
    reason = groups[0]["reason"]
    (record,) = (json.loads(line) for line in run("--reason", reason, "--json").splitlines())
    assert record["id"] in run("--reason", reason)
    assert record["place"] is None or record["place"] == 2
    assert len(run("--anchor", "asked", "--json").splitlines()) == 2
    assert len(run("--anchor", "asked", "--json", "--limit", "1").splitlines()) == 1
    assert run("--anchor", "another") == "Nothing is rejected.\n"
    run.in_zone("America/New_York")
    assert "2021-01-19 06:17:29" in run("list")


def test_one_record_is_shown_harmless_and_raw(run: Run) -> None:
    records_ = [json.loads(line) for line in run("--anchor", "asked", "--json").splitlines()]
    (row,) = (record["id"] for record in records_ if record["kind"] == "rows")
    shown = run("show", row)
    assert "list: 热度 全站 小时榜" in shown
    assert '"delta": "-68"' in shown
    assert "\x1b" not in shown
    raw = run("show", row, "--raw")
    assert json.loads(raw)["user"]["nickname"] == "\x1b[31m红"
    assert json.loads(run("show", row, "--json"))["payload"] == raw.removesuffix("\n")


def test_retry_and_drop(run: Run, monkeypatch: pytest.MonkeyPatch, database: Any) -> None:
    said = run("retry")
    assert "a row of it cannot be trusted" in said
    assert said.endswith("Rejected records: 0 stored, 2 still wrong\n")
    with monkeypatch.context() as fixed:
        read_text_as_numbers(fixed)
        said = run("retry", "--dry-run", "--json")
        assert json.loads(said) == {"would_be_stored": 2, "still_wrong": 0}
        assert database.rejected.count_documents({}) == 2
        (row,) = database.rejected.distinct("_id", {"kind": "rows"})
        assert run("retry", row) == "Rejected records: 1 stored, 0 still wrong\n"
    assert database.rejected.distinct("kind") == ["lists"]
    assert database.ranks.distinct("flags") == ["score-above-better-place"]
    assert run("drop", "--all") == "Rejected records: 1 dropped\n"
    assert run() == "Nothing is rejected.\n"


@pytest.mark.parametrize("arguments", [["drop"], ["show"], ["forget"], ["drop", "x", "--all"]])
def test_what_is_not_said_clearly_is_not_done(
    run: Run, arguments: list[str], database: Any
) -> None:
    with pytest.raises(UsageError):
        run(*arguments)
    assert database.rejected.count_documents({}) == 2


def test_a_record_that_is_not_there(run: Run) -> None:
    with pytest.raises(RankspiderError, match="no such rejected record: rows/0"):
        run("drop", "rows/0")


def test_a_newer_lake_is_read_and_not_written(run: Run, database: Any) -> None:
    database.meta.insert_one({"_id": "schema", "version": 99})
    assert "cannot be trusted" in run("list")
    for action in ("retry", "drop"):
        with pytest.raises(RankspiderError, match="of version 99"):
            run(action, "--anchor", "asked")
    assert database.rejected.count_documents({}) == 2


async def test_those_of_an_anchor_are_found_by_an_index(
    async_database: Database, mongo_uri: str
) -> None:
    await open_lake(async_database, {})
    selection = RejectFilter(anchor="x")
    used = indexes_used(
        mongo_uri,
        async_database.name,
        lambda lake: list(lake.rejected.find(selection.query, sort=[("observed_at", -1)])),
    )
    assert used == {"rejected.anchor_time"}
