"""Records of one hour, small enough to be told apart by eye, and the lake that they leave."""

import asyncio
import datetime as dt
from typing import Any

from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.items import Item, ListItem, RankedList, RankItem, UserItem
from rankspider.lake.documents import writes_of
from rankspider.lake.writer import Writer

Database = AsyncDatabase[dict[str, Any]]
HOUR = dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
LIST = RankedList("热度", "全站", "小时榜", "", "", HOUR)
COLLECTIONS = ("ranks", "rank_history", "users", "user_history", "snapshots", "rejected")


def at(second: int) -> dt.datetime:
    return HOUR + dt.timedelta(seconds=second)


def standing(user: int, rank: int, score: int, second: int, listed: bool = True) -> RankItem:
    return RankItem(
        ranked_list=LIST,
        user_id=str(user),
        sec_uid=f"uid{user}",
        rank=rank,
        score=score,
        delta=0,
        gap_description="",
        gap_rich_description="",
        rich_description="",
        city_code="",
        fixed_footer_description="",
        shop_tags=[],
        room_ids=[],
        listed=listed,
        observed_at=at(second),
    )


def user(number: int, nickname: str, second: int) -> UserItem:
    return UserItem(
        user_id=str(number),
        sec_uid=f"uid{number}",
        short_id=0,
        display_id="",
        nickname=nickname,
        gender=0,
        signature="",
        avatar_uri="",
        profile={"url_list": [f"https://host-{second}/"]},
        observed_at=at(second),
    )


def state(user_ids: list[int], second: int) -> ListItem:
    return ListItem(
        ranked_list=LIST,
        user_ids=[str(each) for each in user_ids],
        scores=[0 for _ in user_ids],
        delta_time=3600 - second,
        other_fields={},
        observed_at=at(second),
    )


seconds = st.integers(0, 9)
items = st.one_of(
    st.builds(
        standing, st.integers(1, 2), st.integers(0, 2), st.integers(0, 2), seconds, st.booleans()
    ),
    st.builds(user, st.integers(1, 2), st.sampled_from(["A", "B"]), seconds),
    st.builds(state, st.permutations([1, 2]), seconds),
)


async def lake_after(
    database: Database, batches: list[list[Item]], *, at_once: bool = False
) -> dict[str, list[Any]]:
    """What the collections hold after ``batches``, written side by side into an empty lake: each
    batch item by item, or ``at_once``."""
    for name in COLLECTIONS:
        await database[name].delete_many({})
    writer = Writer(database, gather_seconds=0)

    async def write(batch: list[Item]) -> None:
        for group in [batch] if at_once else [[item] for item in batch]:
            writes = [each for item in group for each in writes_of(item)]
            await asyncio.gather(*map(writer.write, writes))

    await asyncio.gather(*(write(batch) for batch in batches))
    await writer.close()
    return {
        name: [document async for document in database[name].find().sort("_id")]
        for name in COLLECTIONS
    }


async def written(database: Database, *all_items: Item) -> None:
    writer = Writer(database)
    for item in all_items:
        await asyncio.gather(*(writer.write(each) for each in writes_of(item)))


def assert_follows_from_history(database: Any) -> None:
    for now, history, keys in (
        (database.ranks, database.rank_history, ("begin_time", "list", "user_id")),
        (database.users, database.user_history, ("user_id",)),
    ):
        said: dict[str, list[Any]] = {}
        for document in history.find():
            said.setdefault(str([document[key] for key in keys]), []).append(document)
        stored = {
            str([document.get(key, document["_id"]) for key in keys]): document
            for document in now.find()
        }
        assert stored.keys() == said.keys()
        for key, document in stored.items():
            first = min(each["first_observed_at"] for each in said[key])
            assert document["first_observed_at"] == first, key
            assert document["revision"] >= max(each["revision"] for each in said[key])
            if "peak_score" in document:
                assert document["peak_score"] == max(each["score"] for each in said[key])
                ranks = [each["rank"] for each in said[key] if each["rank"] and each["listed"]]
                assert document["best_rank"] == min(ranks, default=0)
