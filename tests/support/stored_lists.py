"""Lists of an hour, put into a lake as the writer would."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import UpdateOne
from pymongo.database import Database

from rankspider.items import Item, ListItem, RankedList, RankItem, UserItem
from rankspider.lake.documents import writes_of
from rankspider.lake.write import update_of

CHINA = ZoneInfo("Asia/Shanghai")
HOUR = dt.datetime(2021, 1, 19, 11, tzinfo=dt.UTC)
ID = 6_000_000_000_000_000_001  # beyond 2⁵³: the next one is another number


def list_of(
    hour: dt.datetime = HOUR, currency: str = "热度", title: str = "全站", city: str = ""
) -> RankedList:
    return RankedList(currency, title, "小时榜", city, "", hour)


def state(*users: int, minute: float = 17, ranked_list: RankedList | None = None) -> ListItem:
    ranked_list = ranked_list or list_of()
    observed_at = ranked_list.begin_time + dt.timedelta(minutes=minute)
    ids = [str(ID + user) for user in users]
    return ListItem(ranked_list, ids, [50 - user for user in users], 60, {}, observed_at)


def standing(
    user: int,
    rank: int,
    score: int,
    *,
    minute: int = 17,
    listed: bool = True,
    ranked_list: RankedList | None = None,
) -> RankItem:
    ranked_list = ranked_list or list_of()
    return RankItem(
        ranked_list=ranked_list,
        user_id=str(ID + user),
        sec_uid=f"MS4wLjABAAAA{user:043}",
        rank=rank,
        score=score,
        delta=7,
        gap_description=f"{score / 10}" if listed else "距上榜还差50热度",
        gap_rich_description="",
        rich_description="",
        city_code="",
        fixed_footer_description="",
        shop_tags=["综合"] if listed else [],
        room_ids=[],
        listed=listed,
        observed_at=ranked_list.begin_time + dt.timedelta(minutes=minute),
    )


def user(number: int, nickname: str) -> UserItem:
    return UserItem(
        user_id=str(ID + number),
        sec_uid=f"MS4wLjABAAAA{number:043}",
        short_id=0,
        display_id="",
        nickname=nickname,
        gender=0,
        signature="",
        avatar_uri="",
        profile={},
        observed_at=HOUR,
    )


def store(database: Database[dict[str, Any]], *items: Item) -> None:
    for item in items:
        for write in writes_of(item):
            update = UpdateOne({"_id": write.id}, update_of(write, write.content), upsert=True)
            database[write.collection].bulk_write([update])
