"""Compression, and what is archived when, without a server."""

import argparse
import asyncio
import datetime as dt
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import Request
from scrapy.exceptions import UsageError
from scrapy.http import Response
from scrapy.utils.project import get_project_settings

from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.compression import Base, compressed, restored
from rankspider.archive.keeping import FOREVER, Archive
from rankspider.commands import archive as archive_command
from rankspider.commands import rejects as rejects_command
from rankspider.commands import replay as replay_command
from rankspider.configuration import Configuration
from rankspider.errors import ConfigurationError
from rankspider.items import Item, ListItem
from rankspider.lake.write import Write
from rankspider.replay.runs import Runs
from rankspider.spiders.goods_rank import GoodsRankSpider
from tests.support.archived_answers import answer, bodies, said
from tests.support.lake_records import items

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


@pytest.mark.parametrize("command", [archive_command, replay_command, rejects_command])
def test_the_help_names_the_zone(command: Any) -> None:
    asked = command.Command()
    asked.settings = get_project_settings()
    parser = argparse.ArgumentParser(description=asked.long_desc(), conflict_handler="resolve")
    asked.add_options(parser)
    text = parser.format_help()
    assert "RANK_TIMEZONE" in text
    assert "08:00" not in text
