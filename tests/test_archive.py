"""Answers as they came: kept, found, had back byte for byte, and replayed into an equal lake."""

import argparse
import asyncio
import datetime as dt
import itertools
import json
import subprocess
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis
from scrapy import Request
from scrapy.exceptions import UsageError
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.utils.project import get_project_settings

from rankspider.archive import keeping
from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.compression import Base, compressed, restored
from rankspider.archive.holdings import holdings
from rankspider.archive.keeping import FOREVER, Archive
from rankspider.archive.reading import ArchiveReader
from rankspider.archive.selection import AnswerFilter
from rankspider.commands import archive as archive_command
from rankspider.commands import rejects as rejects_command
from rankspider.commands import replay as replay_command
from rankspider.configuration import Configuration
from rankspider.endpoint.answer import decode
from rankspider.endpoint.failure import soft_ban
from rankspider.errors import ArchiveDamaged, ConfigurationError
from rankspider.items import Item, ListItem
from rankspider.lake.collections import ensure_archive_indexes
from rankspider.lake.store import Store
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer
from rankspider.replay.comparison import COMPARED, compare
from rankspider.replay.feed import Feed
from rankspider.replay.replay import Replay, Replayed
from rankspider.replay.runs import Runs
from rankspider.simulator.clock import Clock, PaceBySeconds
from rankspider.simulator.endpoint import RankEndpoint
from rankspider.simulator.world import World, failing_sec_uid, synthetic_sec_uid
from rankspider.spiders.goods_rank import GoodsRankSpider
from tests.conftest import ROOT, Simulator, crawl, scrapy
from tests.test_lake import items

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
TOKEN = "licence-that-nobody-may-see"
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


edits = st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=40)), max_size=6)


@settings(max_examples=200, deadline=None)
@given(base=st.binary(min_size=8, max_size=4000), changes=edits, other=st.binary(max_size=4000))
def test_any_near_copy_comes_back_byte_for_byte(
    base: bytes, changes: list[tuple[int, bytes]], other: bytes
) -> None:
    copy = base
    for position, text in changes:
        copy = copy[:position] + text + copy[position + len(text) // 2 :]
    for body in (base, copy, other):
        assert restored(Base(base).compressed(body), Base(base)) == body
        assert restored(compressed(body), None) == body


async def kept(database: AsyncDatabase[dict[str, Any]], *answers: AnswerToArchive) -> None:
    writer = Writer(database, gather_seconds=0)
    archive = Archive(writer.write, days=30)
    await asyncio.gather(*(archive.keep(each) for each in answers))
    await writer.close()


async def test_what_is_kept_is_found_by_anchor_hour_and_time(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await ensure_archive_indexes(async_database)
    hours = [NOON, NOON + dt.timedelta(hours=1)]
    lists = [body for hour in hours for body in bodies(12, rows=4, every=7, start=hour)]
    answers = [answer(body, f"anchor{n % 5}") for n, body in enumerate(lists)]
    wall = AnswerToArchive.of_failure(b"", {"bdturing-verify": "x"}, soft_ban("captcha"), "anchor1")
    for _ in range(2):  # a second worker, with a base of its own, asked the same
        await kept(async_database, *answers, wall)
    reader = ArchiveReader(database)
    assert reader.count(AnswerFilter()) == 25
    assert [each.body for each in reader.answers(AnswerFilter())] == [*lists, b""]
    assert [each.body for each in reader.answers(AnswerFilter(hour=hours[1]))] == lists[12:]
    own = [each.body for each in reader.answers(AnswerFilter(anchor="anchor1"))]
    assert own == [*lists[1::5], b""]
    between = AnswerFilter(start=answers[3].observed_at, end=answers[5].observed_at)
    assert [each.body for each in reader.answers(between)] == lists[3:5]
    newest = reader.newest(AnswerFilter(anchor="anchor1", end=answers[7].observed_at))
    assert newest is not None
    assert (newest.body, newest.observed_at) == (lists[6], answers[6].observed_at)
    assert newest.ranked_list is not None
    assert newest.ranked_list["currency"] == "热度"
    failed = reader.newest(AnswerFilter(anchor="anchor1"))
    assert failed is not None
    assert (failed.failure, failed.headers) == ("soft-ban", {"bdturing-verify": "x"})
    assert failed.begin_time is None
    by_hour = {each.begin_time: each for each in holdings(database, AnswerFilter())}
    assert {hour: each.answers for hour, each in by_hour.items()} == {
        **dict.fromkeys(hours, 12),
        None: 1,
    }
    assert by_hour[NOON].bytes == sum(map(len, lists[:12]))
    plan = database.archive.find({"anchor": "anchor1"}).sort("observed_at", -1).explain()
    assert "anchor_time" in json.dumps(plan, default=str)


async def test_the_same_bytes_for_two_anchors_are_two_answers(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    (body,) = bodies(1, rows=30, every=1)
    await kept(async_database, answer(body, "anchor1"), answer(body, "anchor2"), answer(body))
    assert {each.anchor for each in ArchiveReader(database).answers(AnswerFilter())} == {
        *("anchor1", "anchor2"),
        None,
    }
    assert all(document["stored"] < 100 for document in database.archive.find())


async def written_by(answers: list[AnswerToArchive], days: float = 30) -> list[Write]:
    writes: list[Write] = []

    async def write(each: Write) -> None:
        writes.append(each)

    archive = Archive(write, days)
    for each in answers:
        await archive.keep(each)
    return writes


@pytest.mark.parametrize(("every", "most_bytes"), [(0.05, 6000), (5.0, 10_000)])
async def test_near_copies_do_not_multiply_the_cost(every: float, most_bytes: int) -> None:
    lists = bodies(60, rows=100, every=every)
    writes = await written_by([answer(body) for body in lists])
    assert min(map(len, lists)) > 400_000
    stored = sum(each.content["stored"] for each in writes)
    assert stored / len(lists) < most_bytes
    bases = [each for each in writes if each.collection == "archive_bases"]
    assert 1 <= len(bases) <= 12


async def test_an_empty_list_does_not_stay_the_base_of_full_ones() -> None:
    (empty,) = bodies(1, rows=0, every=1)
    full = bodies(10, rows=100, every=0.1)
    writes = await written_by([answer(empty), *map(answer, full)])
    assert sum(each.content["stored"] for each in writes) < 120_000


async def test_a_base_is_durable_before_its_copies_and_outlives_them() -> None:
    begun: list[Write] = []
    is_durable = asyncio.Event()

    async def write(each: Write) -> None:
        begun.append(each)
        if each.collection == "archive_bases":
            await is_durable.wait()

    archive = Archive(write, days=3)
    lists = bodies(3, rows=3, every=1)
    tasks = [asyncio.ensure_future(archive.keep(answer(body))) for body in lists]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [each.collection for each in begun] == ["archive_bases"]
    is_durable.set()
    await asyncio.gather(*tasks)
    base, *copies = begun
    assert len(copies) == 3
    assert {each.content["base"] for each in copies} == {base.id}
    expiry = base.most["expires_at"]
    assert all(expiry - each.content["expires_at"] > dt.timedelta(hours=23) for each in copies)
    in_days = (copies[0].content["expires_at"] - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)
    assert 2.9 < in_days <= 3


async def test_a_base_that_could_not_be_stored_fails_its_answers_and_is_not_used_again() -> None:
    fails = [True]
    stored: list[Write] = []

    async def write(each: Write) -> None:
        if each.collection == "archive_bases" and fails:
            raise OSError("no disk")
        stored.append(each)

    archive = Archive(write, days=30)
    (body,) = bodies(1, rows=3, every=1)
    with pytest.raises(OSError, match="no disk"):
        await archive.keep(answer(body))
    assert stored == []
    fails.clear()
    await archive.keep(answer(body))
    assert [each.collection for each in stored] == ["archive_bases", "archive"]


async def test_no_age_limit_is_never() -> None:
    writes = await written_by([answer(body) for body in bodies(2, rows=2, every=1)], days=0)
    assert writes[0].most["expires_at"] == FOREVER
    assert writes[1].content["expires_at"] == FOREVER


async def test_an_answer_too_long_for_a_document_is_kept_in_pieces(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "_PIECE_BYTES", 1000)
    (body,) = bodies(1, rows=20, every=1)
    await kept(async_database, AnswerToArchive(body, "anchor1", NOON))
    only = database.archive.find_one()
    assert len(only["further"]) >= 2
    assert len(only["data"]) == 1000
    assert [each.body for each in ArchiveReader(database).answers(AnswerFilter())] == [body]


async def test_what_is_damaged_is_said_and_not_passed_on(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await kept(async_database, *map(answer, bodies(2, rows=3, every=1)))
    reader, first = ArchiveReader(database), database.archive.find_one(sort=[("observed_at", 1)])
    database.archive.update_one({"_id": first["_id"]}, {"$set": {"data": b"no zstd"}})
    with pytest.raises(ArchiveDamaged, match="decompressed"):
        next(reader.answers(AnswerFilter()))
    other = database.archive.find_one({"_id": {"$ne": first["_id"]}})
    database.archive.update_one({"_id": first["_id"]}, {"$set": {"data": other["data"]}})
    with pytest.raises(ArchiveDamaged, match="has changed"):
        next(reader.answers(AnswerFilter()))
    database.archive_bases.delete_many({})
    with pytest.raises(ArchiveDamaged, match="archive_bases lacks"):
        next(ArchiveReader(database).answers(AnswerFilter()))


async def test_expiry_is_an_index(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake
) -> None:
    await ensure_archive_indexes(async_database)
    for name in ("archive", "archive_bases"):
        assert database[name].index_information()["expiry"]["expireAfterSeconds"] == 0


def test_without_the_setting_there_is_no_archive() -> None:
    assert not Configuration.read(get_project_settings()).archive


@pytest.mark.parametrize(
    ("name", "value"), [("RANK_ARCHIVE", "perhaps"), ("RANK_ARCHIVE_DAYS", "-1")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    project = get_project_settings()
    project.set(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} must be"):
        Configuration.read(project)


class Gate:
    """An archive that keeps nothing before it is opened."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.kept: list[AnswerToArchive] = []

    async def keep(self, answer: AnswerToArchive) -> None:
        await self.is_open.wait()
        self.kept.append(answer)


def parsed(body: bytes, archive: Gate) -> Any:
    """What the spider yields for an answer that belongs to no anchor, with this archive."""
    spider: Any = GoodsRankSpider.__new__(GoodsRankSpider)
    worker = SimpleNamespace(
        archive=archive, is_open=False, configuration=SimpleNamespace(keep_private_fields=False)
    )
    spider.crawler = SimpleNamespace(
        stats=SimpleNamespace(inc_value=lambda *_: None), get_extension=lambda _: worker
    )
    request = Request("http://127.0.0.1/")
    return spider.parse(Response(request.url, body=body, request=request))


async def test_no_record_leaves_the_spider_before_its_answer_is_archived() -> None:
    (body,) = bodies(1, rows=3, every=1)
    archive = Gate()
    first = asyncio.ensure_future(anext(parsed(body, archive)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not first.done()
    archive.is_open.set()
    assert isinstance(await first, ListItem)
    assert [kept.body for kept in archive.kept] == [body]


async def test_an_answer_without_a_list_is_archived_too() -> None:
    archive = Gate()
    archive.is_open.set()
    assert [item async for item in parsed(b"<html>", archive)] == []
    (failed,) = archive.kept
    assert (failed.body, failed.failure) == (b"<html>", "soft-ban")


def said(observed: list[Item]) -> dict[Any, Any]:
    """What a lake would keep of observations, whatever their order."""
    found: dict[Any, Any] = {}
    for item in observed:
        key = (type(item), item.key, item.digest)
        first, last = found.get(key, (item.observed_at, item.observed_at))
        found[key] = (min(first, item.observed_at), max(last, item.observed_at))
    return found


@settings(max_examples=200, deadline=None)
@given(observed=st.lists(items, max_size=30), is_ordered=st.booleans())
def test_runs_leave_out_nothing_that_counts(observed: list[Item], is_ordered: bool) -> None:
    if is_ordered:
        observed.sort(key=lambda item: item.observed_at)
    runs = Runs()
    written = [*itertools.chain.from_iterable(map(runs.needed, observed)), *runs.rest()]
    assert said(written) == said(observed)
    if observed and is_ordered:
        assert len(written) <= len(observed)


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


async def test_a_replay_that_was_stopped_may_be_run_again(
    async_database: AsyncDatabase[dict[str, Any]], database: Lake, mongo_uri: str
) -> None:
    lists = bodies(30, rows=4, every=3)
    await kept(
        async_database, *(answer(body, synthetic_sec_uid(1, n)) for n, body in enumerate(lists))
    )
    names = [f"{database.name}_{n}" for n in range(2)]
    try:
        part = await replayed(database, mongo_uri, names[0], most=11)
        assert (part.answers, part.is_whole) == (11, False)
        assert database.client[names[0]].ranks.count_documents({}) > 0
        assert (await replayed(database, mongo_uri, names[0])).is_whole
        assert (await replayed(database, mongo_uri, names[1])).answers == 30
        again, once = (database.client[name] for name in names)
        found = compare(again, once, lambda _: None)
        assert all(each.is_none for each in found.values()), found
        assert found["ranks"].same > 20
    finally:
        for name in names:
            database.client.drop_database(name)


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = scrapy(*arguments)
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False
    )
    assert TOKEN.encode() not in ended.stdout + ended.stderr
    return ended


def killed_amid_its_work(environment: dict[str, str], database: Lake) -> None:
    worker = subprocess.Popen(
        scrapy("crawl", "goods_rank"), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while database.archive.count_documents({}) < 20:
            assert worker.poll() is None
            time.sleep(0.01)
    finally:
        worker.kill()
        worker.wait(timeout=30)


def test_a_replay_reproduces_the_lake(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    mongo_uri: str,
    database: Lake,
    database_name: str,
) -> None:
    simulator = simulate("--rows", "10", "--anchors", "300", "--change-seconds", "1", "--gzip")
    environment |= {
        "RANK_API_URL": simulator.url,
        "RANK_API_TOKENS": TOKEN,
        "RANK_LEASE_SECONDS": "2",
        "RANK_ARCHIVE": "1",
    }
    anchors = [synthetic_sec_uid(1, n) for n in range(100)]
    odd = ("no-user", "bad-begin-time", "dup-user", "odd-keys", "empty-list")
    anchors += map(failing_sec_uid, odd)
    redis_client.rpush(queue_key, *anchors)
    killed_amid_its_work(environment, database)
    ended = crawl(environment, "-a", "drain=1")
    assert ended.returncode == 0, ended.log
    refused = ended.stats.get("rank/answers/failed/no-such-user", 0)
    assert ended.stats["rank/answers/archived"] == ended.stats["rank/answers/ok"] + refused
    archived = list(ArchiveReader(database).answers(AnswerFilter()))
    assert {each.anchor for each in archived} == set(anchors)
    assert {each.failure for each in archived} == {None, "no-such-user"}
    for collection in ("archive", "archive_bases"):
        for document in database[collection].find():
            assert TOKEN.encode() not in bson.encode(document)
    assert not any(TOKEN.encode() in each.body for each in archived)
    shown = run(environment, "archive", "show", "--anchor", archived[7].anchor or "")
    assert shown.stdout == [each for each in archived if each.anchor == archived[7].anchor][-1].body
    assert (shown.returncode, shown.stderr) == (0, b"")

    # What the killed worker had archived and not stored yet. All else is there, so that nothing
    # below is only in the lake, or is said there to have been seen earlier.
    asyncio.run(replayed(database, mongo_uri, database_name))
    target = f"{database_name}_again"
    try:
        replay = run(environment, "replay", "--into", target, "--compare", "--json")
        assert replay.returncode == 0, (replay.stderr, replay.stdout)
        outcome = json.loads(replay.stdout)
        assert outcome["answers"] == len(archived)
        assert outcome["failures"] == {"no-such-user": 1}
        assert outcome["judged_anew"] == 0
        assert set(outcome["compared"]) == set(COMPARED)
        for name, each in outcome["compared"].items():
            total = database[name].count_documents({})
            assert each["same"] + each["seen_later"] == total > 0, (name, each)
        again = database.client[target]
        assert "archive" not in again.list_collection_names()
        victim = again.ranks.find_one({"rank": 1})
        again.ranks.update_one({"_id": victim["_id"]}, {"$inc": {"score": 1}})
        again.users.delete_one({"_id": victim["user_id"]})
        database.snapshots.delete_one(database.snapshots.find_one({}, ["_id"]))
        found = compare(database, again, lambda _: None)
        assert found["ranks"].different_ids == [f"{victim['_id']}: score"]
        assert found["users"].only_in_lake_ids == [victim["user_id"]]
        assert found["snapshots"].only_replayed == 1
    finally:
        database.client.drop_database(target)


def test_a_replay_has_a_target_of_its_own() -> None:
    configuration = Configuration.read(get_project_settings())

    def target(into: str | None, in_place: bool = False, compared: bool = False) -> str:
        opts = argparse.Namespace(into=into, in_place=in_place, compare=compared)
        return replay_command._target(opts, configuration)

    own = configuration.mongo_database
    assert target("other") == "other"
    assert target(None, in_place=True) == own
    for into, in_place, compared, message in (
        (None, False, False, "--into which database"),
        (own.upper(), False, False, "is MONGO_DATABASE itself"),
        ("a.b", False, False, "--into must be 1 to 63 bytes"),
        ("other", True, False, "leave out --into"),
        (None, True, True, "leave out --into and --compare"),
    ):
        with pytest.raises(UsageError, match=message):
            target(into, in_place, compared)


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


async def test_the_archive_command(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    mongo_uri: str,
    capsys: Any,
) -> None:
    lists = bodies(12, rows=30, every=5)
    anchor = synthetic_sec_uid(1, 7)
    await kept(async_database, *(answer(body, anchor) for body in lists))
    where = mongo_uri, database.name, capsys
    code, text, _ = await asyncio.to_thread(shown, "list", *where)
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["hour", "2026-01-01", "all"]
    code, text, _ = await asyncio.to_thread(shown, "list", *where, json=True, anchor=anchor)
    (hour,) = json.loads(text)
    assert (hour["begin_time"], hour["answers"]) == ("2026-01-01T12:00:00Z", 12)
    assert hour["bytes"] == sum(map(len, lists)) > 10 * hour["stored_bytes"]
    at = "2026-01-01T20:00:25"  # +08:00
    code, text, _ = await asyncio.to_thread(shown, "show", *where, json=True, at=at)
    one = json.loads(text)
    assert one["body"].encode() == lists[5]
    assert (one["anchor"], one["observed_at"]) == (anchor, "2026-01-01T12:00:25Z")
    code, text, error = await asyncio.to_thread(shown, "show", *where, end="2026-01-01T20:00")
    assert (code, text) == (1, "")
    assert error.startswith("scrapy archive: no such answer is archived")
    for wrong, message in (
        ({"at": "noon"}, "--at must be like"),
        ({"at": at, "end": at}, "leave out one"),
        ({"anchor": "nobody"}, "--anchor: no sec_id"),
    ):
        with pytest.raises(UsageError, match=message):
            shown("show", *where, **wrong)


async def test_times_are_those_of_the_zone_that_is_set(
    async_database: AsyncDatabase[dict[str, Any]],
    database: Lake,
    environment: dict[str, str],
) -> None:
    lists = bodies(3, rows=3, every=5)
    await kept(async_database, *(answer(body, synthetic_sec_uid(1, 7)) for body in lists))
    environment |= {"RANK_TIMEZONE": "America/New_York"}

    async def said(*arguments: str) -> bytes:
        ended = await asyncio.to_thread(run, environment, *arguments)
        assert (ended.returncode, ended.stderr) == (0, b"")
        return bytes(ended.stdout)

    assert b"\n2026-01-01 07:00-05:00 " in await said("archive")
    assert await said("archive", "show", "--at", "2026-01-01T07:00:05") == lists[1]
    target = f"{database.name}_again"
    try:
        replayed = await said("replay", "--into", target, "--to", "2026-01-01T07:00:10")
        assert b"2 answers replayed" in replayed
        assert b", observed up to 2026-01-01T07:00:05.000-05:00\n" in replayed
    finally:
        database.client.drop_database(target)


@pytest.mark.parametrize("command", [archive_command, replay_command, rejects_command])
def test_the_help_names_the_zone(command: Any) -> None:
    asked = command.Command()
    asked.settings = get_project_settings()
    parser = argparse.ArgumentParser(description=asked.long_desc(), conflict_handler="resolve")
    asked.add_options(parser)
    text = parser.format_help()
    assert "RANK_TIMEZONE" in text
    assert "08:00" not in text


def test_a_replay_ends_with_the_reason_why_not(environment: dict[str, str], database: Lake) -> None:
    database.meta.insert_one({"_id": "schema", "version": 99})
    ended = run(environment, "replay", "--in-place")
    assert (ended.returncode, ended.stdout) == (1, b"")
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"scrapy replay: the database {database.name} is of version 99")
