"""Is this new? Several workers, one memory in Redis: saved work changes nothing of what the lake
says in the end, whatever comes in which order, and whatever Redis forgets."""

import asyncio
import copy
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase
from redis import asyncio as redis_asyncio

from rankspider.dedupe.arbiter import Arbiter
from rankspider.dedupe.news import Dedupe, News
from rankspider.dedupe.record import record_of
from rankspider.endpoint.answer import decode
from rankspider.items import Item, ListItem, RankItem, UserItem
from rankspider.lake import collections
from rankspider.lake.call import OK, Call
from rankspider.lake.opening import open_lake
from rankspider.lake.presence import collection_ids, identity_of, names_of
from rankspider.lake.store import Store
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.project import SAMPLE_FILE

Database = AsyncDatabase[dict[str, Any]]
SAMPLE = json.loads(SAMPLE_FILE.read_bytes())
BEGIN = round(dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC).timestamp())
STATES = ([("1001", 90), ("1002", 80)], [("1002", 95), ("1001", 90)], [("1001", 90)], [])
ANCHOR = "1003"
WRITTEN = (*collections.DERIVED, collections.RANK_HISTORY, collections.USER_HISTORY)


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: at which second of the hour it was observed, and what it says."""

    second: int
    state: int = 0
    own_score: int = 7
    nickname: str = "A"
    broken: bool = False

    @property
    def at(self) -> dt.datetime:
        return moment(self.second)

    def standings(self) -> dict[str, tuple[int, int]]:
        """Place and points by user; the anchor's own place is 0."""
        listed = {user: (place, score) for place, (user, score) in enumerate(STATES[self.state], 1)}
        return {**listed, ANCHOR: (0, self.own_score)}

    def body(self, separators: tuple[str, str] = (",", ":")) -> bytes:
        answer = copy.deepcopy(SAMPLE)
        data, row = answer["data"], answer["data"]["ranks"][0]
        data |= {"begin_time": BEGIN, "delta_time": 3600 - self.second}
        data["ranks"] = [
            self._row(row, user, place, score)
            for user, (place, score) in self.standings().items()
            if place
        ]
        data["anchor_info"] = self._row(row, ANCHOR, 0, self.own_score)
        if self.broken:
            del data["ranks"][0]["score"]
        answer["extra"]["now"] = (BEGIN + self.second) * 1000
        return json.dumps(answer, ensure_ascii=False, separators=separators).encode()

    def _row(self, row: dict[str, Any], user_id: str, place: int, score: int) -> dict[str, Any]:
        row = copy.deepcopy(row)
        row |= {"rank": place, "score": score, "delta": 0, "gap_description": ""}
        row["user"] |= {"id": int(user_id), "id_str": user_id, "nickname": self.nickname}
        row["user"]["sec_uid"] = synthetic_sec_uid(5, int(user_id))
        row["user"]["avatar_thumb"]["url_list"] = [f"https://host-{self.second}.example/a"]
        return row


def moment(second: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(BEGIN + second, dt.UTC)


class Fleet:
    """Workers that share a lake and a memory, without a crawl around them."""

    def __init__(
        self, redis: "redis_asyncio.Redis", mongo_uri: str, database: str, stem: str
    ) -> None:
        self._redis = redis
        self._stem = stem
        self.store = Store(mongo_uri, database, {}, is_all_there=lambda: True)
        self._workers: list[Worker] = []

    async def open(self) -> "Fleet":
        await self.store.open()
        return self

    def worker(self) -> "Worker":
        arbiter = Arbiter(self._redis, self._stem, self.store.newest_observation)
        self._workers.append(Worker(arbiter, self.store))
        return self._workers[-1]

    async def close(self) -> None:
        for worker in self._workers:
            await worker.dedupe.close()
        await self.store.close()

    async def forget(self) -> None:
        """As Redis does when it evicts the key, or is flushed."""
        async for key in self._redis.scan_iter(f"{self._stem}*"):
            await self._redis.delete(key)

    @property
    def database(self) -> Database:
        return self.store._database


class Worker:
    def __init__(self, arbiter: Arbiter, store: Store) -> None:
        self.dedupe = Dedupe(arbiter, store.seen_later, keep_private=False)
        self.store = store
        self.items: list[Item] = []

    async def see(self, seen: Seen, **style: Any) -> News:
        """What the spider and the pipelines do with one answer."""
        news = await self.read(seen, **style)
        await self.bring_all(news)
        await asyncio.gather(*news.pending)
        await self.store.note(self.call_of(news, seen), news.read.ranked_list)
        return news

    async def read(self, seen: Seen, **style: Any) -> News:
        known = self.dedupe.list_texts
        answer = decode(seen.body(**style), trusting=True, known=known)
        news = await self.dedupe.news_of(answer, synthetic_sec_uid(5, int(ANCHOR)))
        self.items += news.items
        return news

    async def bring_all(self, news: News) -> None:
        await asyncio.gather(*map(self.bring, news.items))

    async def bring(self, item: Item) -> None:
        record = record_of(item)
        assert record is not None
        await asyncio.gather(*record.after)
        if record.behind is not None:
            await asyncio.wait([record.behind])
        await self.store.put(item, is_late=record.is_late, stay=record.seen_until)
        self.dedupe.stored(record)

    @staticmethod
    def call_of(news: News, seen: Seen) -> Call:
        return Call(
            anchor=None,
            asked_at=seen.at,
            milliseconds=1,
            purpose="queue",
            outcome=OK,
            worker="here:1",
            **news.read.call_fields,
        )


@pytest.fixture
async def fleet(
    async_redis: "redis_asyncio.Redis", mongo_uri: str, database_name: str, queue_key: str
) -> Any:
    fleet = await Fleet(async_redis, mongo_uri, database_name, queue_key).open()
    yield fleet
    await fleet.close()


async def newest(fleet: Fleet, user_id: str) -> tuple[Any, ...]:
    """What the lake says of a user now."""
    (rank,) = [each async for each in fleet.database.ranks.find({"user_id": user_id})]
    (user,) = [each async for each in fleet.database.users.find({"user_id": user_id})]
    return rank["rank"], rank["score"], user["nickname"]


async def test_a_state_that_comes_back_is_news_to_a_worker_that_remembers_it(fleet: Fleet) -> None:
    one, other = fleet.worker(), fleet.worker()
    await one.see(Seen(600, 0, 1, "A"))
    await other.see(Seen(607, 1, 2, "B"))
    await one.see(Seen(614, 0, 1, "A"))
    assert await newest(fleet, "1002") == (2, 80, "A")
    assert await newest(fleet, ANCHOR) == (0, 1, "A")


async def test_a_late_answer_overrules_nothing_that_was_seen_again(fleet: Fleet) -> None:
    one, other = fleet.worker(), fleet.worker()
    for second in (600, 614, 628):
        await one.see(Seen(second, 0, 1, "A"))
    assert len(one.items) == 1 + 2 * 2 + 2  # only the first brought any
    await other.see(Seen(607, 1, 2, "B"))
    assert await newest(fleet, "1002") == (2, 80, "A")
    assert await newest(fleet, ANCHOR) == (0, 1, "A")
    own = [each async for each in fleet.database.rank_history.find({"user_id": ANCHOR})]
    assert {
        each["score"]: (each["first_observed_at"], each["last_observed_at"]) for each in own
    } == {
        1: (moment(600), moment(628)),
        2: (moment(607), moment(607)),
    }


async def test_a_late_answer_makes_nothing_forget_what_is_newer(fleet: Fleet) -> None:
    """The sample: B@20, A@22, A@40, then late A@10, then C@30."""
    worker = fleet.worker()
    for nickname, second in [("B", 20), ("A", 22), ("A", 40), ("A", 10), ("C", 30)]:
        await worker.see(Seen(second, nickname=nickname))
    (user,) = [each async for each in fleet.database.users.find({"user_id": ANCHOR})]
    assert (user["nickname"], user["first_observed_at"]) == ("A", moment(10))


async def test_the_same_facts_in_another_style_are_not_news(fleet: Fleet) -> None:
    await fleet.worker().see(Seen(600))
    spaced = fleet.worker()
    await spaced.see(Seen(601), separators=(", ", ": "))
    assert spaced.items == []


async def test_one_broken_row_is_read_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = fleet.worker()
    first = await worker.see(Seen(600, broken=True))
    kinds = sorted(f"{type(item).__name__} {item.kind}" for item in first.items)
    assert kinds == [
        *("RankItem rows", "RankItem rows", "RejectedItem lists", "RejectedItem rows"),
        *("UserItem users", "UserItem users"),
    ]
    monkeypatch.setattr("rankspider.dedupe.reading._read_rows", None)  # it would fail
    again = await worker.see(Seen(601, broken=True))
    assert again.items == []
    assert (again.rejected, again.unchanged) == (
        {"rows": 1, "lists": 1},
        {"rows": 2, "users": 2},
    )
    assert await fleet.database.rejected.count_documents({}) == 2


async def test_a_list_is_there_as_a_whole_before_it_is_shown(fleet: Fleet) -> None:
    worker = fleet.worker()
    news = await worker.read(Seen(600))
    (whole,) = [item for item in news.items if isinstance(item, ListItem)]
    storing = asyncio.create_task(worker.bring(whole))
    rows = [item for item in news.items if item is not whole and ANCHOR not in item.key]
    for item in rows[:-1]:
        await worker.bring(item)
    await asyncio.sleep(0.2)
    assert await fleet.database.snapshots.count_documents({}) == 0
    await worker.bring(rows[-1])
    await storing
    assert await fleet.database.snapshots.count_documents({}) == 1


async def test_who_says_the_same_waits_until_it_is_durable(fleet: Fleet) -> None:
    worker = fleet.worker()
    first = await worker.read(Seen(600))
    second = await worker.read(Seen(601))
    assert second.items == []
    assert second.pending
    assert not any(pending.done() for pending in second.pending)
    await worker.bring_all(first)
    await asyncio.gather(*second.pending)


async def test_another_worker_waits_too(fleet: Fleet) -> None:
    one, other = fleet.worker(), fleet.worker()
    first = await one.read(Seen(600))
    second = asyncio.create_task(other.read(Seen(601)))
    await asyncio.sleep(0.3)
    assert not second.done()
    await one.bring_all(first)
    # One record is sooner written twice than waited for: the anchor's own, if the list is sooner.
    brought = (await second).items
    assert {type(item) for item in brought} <= {RankItem, UserItem}
    assert all(item.key.endswith(ANCHOR) for item in brought)


async def test_what_a_worker_does_not_store_is_news_to_the_next(fleet: Fleet) -> None:
    one, other = fleet.worker(), fleet.worker()
    first = await one.read(Seen(600))
    waiting = await one.read(Seen(600))
    for item in first.items:
        one.dedupe.lost(item.record, OSError("away"))
    with pytest.raises(OSError, match="away"):
        await asyncio.gather(*waiting.pending)
    assert len((await other.read(Seen(601))).items) == len(first.items)


async def test_what_a_dead_worker_claimed_is_news_in_the_end(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankspider.dedupe.arbiter._CLAIM_MS", 300)
    one, other = fleet.worker(), fleet.worker()
    first = await one.read(Seen(600))
    assert len((await other.see(Seen(601))).items) == len(first.items)
    assert await newest(fleet, ANCHOR) == (0, 7, "A")


async def test_a_record_goes_with_a_copy(fleet: Fleet) -> None:
    news = await fleet.worker().read(Seen(600))
    copied = [dataclasses.replace(item) for item in news.items]
    assert [record_of(item) for item in copied] == [item.record for item in news.items]


async def test_what_redis_forgot_does_not_come_out_wrong(fleet: Fleet) -> None:
    """A was seen again at 614, which no document tells but the ledger's."""
    worker = fleet.worker()
    await worker.see(Seen(600, 0, 1, "A"))
    await worker.see(Seen(614, 0, 1, "A"))
    await fleet.forget()
    await worker.see(Seen(607, 1, 2, "B"))
    assert await newest(fleet, "1002") == (2, 80, "A")
    assert await newest(fleet, ANCHOR) == (0, 1, "A")
    await worker.see(Seen(620, 1, 2, "B"))
    assert await newest(fleet, "1002") == (1, 95, "B")


async def test_a_lake_has_one_identity_until_it_is_dropped(async_database: Database) -> None:
    names = names_of(has_archive=False)

    async def identity() -> str:
        await open_lake(async_database, {})
        return identity_of(await collection_ids(async_database, names))

    (one,) = {*await asyncio.gather(*(identity() for _ in range(5)))}
    for drop in (
        async_database.client.drop_database(async_database.name),
        async_database.ranks.drop(),
    ):
        await drop
        assert await identity() != one
        one = await identity()


# Anything, in any order


def one_a_moment(seen: list[Seen]) -> list[Seen]:
    """An endpoint with one clock does not say two things of one place at one moment."""
    return list({each.second: each for each in seen}.values())


answers = st.builds(
    Seen,
    st.integers(0, 40),
    st.integers(0, len(STATES) - 1),
    st.integers(1, 2),
    st.sampled_from(["A", "B"]),
)


@pytest.fixture
def life(
    redis_url: str, mongo_uri: str, database_name: str, queue_key: str
) -> Iterator[tuple[asyncio.Runner, Fleet]]:
    """One lake for all examples: it takes longer to make than to fill."""
    redis = redis_asyncio.Redis.from_url(redis_url)
    with asyncio.Runner() as runner:
        fleet = runner.run(Fleet(redis, mongo_uri, database_name, queue_key).open())
        yield runner, fleet
        runner.run(fleet.close())
        runner.run(redis.aclose())


@pytest.mark.long
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    seen=st.lists(answers, min_size=1, max_size=8).map(one_a_moment),
    workers=st.integers(1, 3),
    at_once=st.integers(1, 4),
    forgets=st.integers(-1, 8),
)
def test_whatever_comes_in_which_order_leaves_the_lake_that_is_true(
    life: tuple[asyncio.Runner, Fleet],
    data: st.DataObject,
    seen: list[Seen],
    workers: int,
    at_once: int,
    forgets: int,
) -> None:
    runner, fleet = life
    arrives = data.draw(st.permutations([*seen, *seen[:2]]))
    asked = [data.draw(st.integers(0, workers - 1)) for _ in arrives]

    async def live() -> None:
        await fleet.forget()
        for name in (*WRITTEN, collections.SNAPSHOTS, collections.SIGHTINGS, collections.CALLS):
            await fleet.database[name].delete_many({})
        each = [fleet.worker() for _ in range(workers)]
        for start in range(0, len(arrives), at_once):
            if start <= forgets < start + at_once:
                await fleet.forget()
            group = range(start, min(start + at_once, len(arrives)))
            await asyncio.gather(*(each[asked[i]].see(arrives[i]) for i in group))
        await check(fleet.database, seen, forgot=0 <= forgets < len(arrives))
        assert await fleet.database.calls.count_documents({}) == len(arrives)
        for worker in each:
            await worker.dedupe.close()

    runner.run(live())


async def check(database: Database, seen: list[Seen], *, forgot: bool) -> None:
    """Against what was served, worked out anew. Where Redis ``forgot``, nobody knows until when
    something was seen that is interrupted later, but for the ledger."""
    least = first_stay if forgot else last_stay
    ordered = sorted(seen, key=lambda each: each.second)
    for user_id in ("1001", "1002", ANCHOR):
        standings = [(s.at, s.standings()[user_id]) for s in ordered if user_id in s.standings()]
        names = [(s.at, s.nickname) for s in ordered if user_id in s.standings()]
        if not standings:
            continue
        query = {"user_id": user_id}
        rank = await database.ranks.find_one(query)
        assert rank is not None
        check_newest(rank, (rank["rank"], rank["score"]), standings, least)
        places = [place for _, (place, _) in standings if place]
        assert rank["best_rank"] == min(places, default=0)
        assert rank["peak_score"] == max(score for _, (_, score) in standings)
        user = await database.users.find_one(query)
        assert user is not None
        check_newest(user, user["nickname"], names, least)
        history = {
            (each["rank"], each["score"]): each async for each in database.rank_history.find(query)
        }
        check_history(history, standings, least)
        profiles = {each["nickname"]: each async for each in database.user_history.find(query)}
        check_history(profiles, names, least)
    states = [(s.at, tuple(STATES[s.state])) for s in ordered]
    snapshots = {
        tuple(zip(each["user_ids"], each["scores"], strict=True)): each
        async for each in database.snapshots.find()
    }
    check_history(snapshots, states, least)


Observed = list[tuple[dt.datetime, Any]]


EndedContent = Callable[[Observed, Any], dt.datetime]


def check_newest(
    document: dict[str, Any], says: Any, observed: Observed, least: EndedContent
) -> None:
    at, newest = observed[-1]
    assert says == newest
    assert document["first_observed_at"] == observed[0][0]
    assert least(observed, newest) <= document["observed_at"] <= at


def check_history(
    found: dict[Any, dict[str, Any]], observed: Observed, least: EndedContent
) -> None:
    assert found.keys() == {content for _, content in observed}
    for content, document in found.items():
        times = [at for at, said in observed if said == content]
        assert document["first_observed_at"] == times[0]
        assert least(observed, content) <= document["last_observed_at"] <= times[-1]
        assert document["last_observed_at"] in times


def first_stay(observed: Observed, content: Any) -> dt.datetime:
    return min(at for at, said in observed if said == content)


def last_stay(observed: Observed, content: Any) -> dt.datetime:
    """When ``content`` was seen first after something else was, for the last time."""
    befores: Iterable[Any] = [None, *(said for _, said in observed)]
    return max(
        at
        for before, (at, said) in zip(befores, observed, strict=False)
        if said == content != before
    )
