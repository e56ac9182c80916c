"""Anchors from a Redis list, one call each."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from scrapy import Request
from scrapy.http import TextResponse
from scrapy_redis.spiders import RedisSpider

from goods.items import RankItem, UserItem

PATH = "/douyin/webcast/rank_goods"


class GoodsSpider(RedisSpider):
    name = "goods"
    redis_key = "goods:start_urls"

    def make_request_from_data(self, data: bytes) -> Request:
        query = {"token": self.settings["API_TOKEN"], "sec_anchor_id": data.decode()}
        return Request(f"{self.settings['API_URL']}{PATH}?{urlencode(query)}", dont_filter=True)

    def parse(self, response: TextResponse) -> Iterator[RankItem | UserItem]:
        answer = response.json()
        if "code" in answer:
            answer = answer["data"]
        if answer.get("status_code") != 0:
            self.logger.error("No list from %s: %s", response.url, response.text[:200])
            return
        data, now = answer["data"], answer["extra"]["now"]
        for row in data["ranks"]:
            yield self.rank(data, row, now)
            yield self.user(row["user"], now)
        if data.get("anchor_info"):
            yield self.rank(data, data["anchor_info"], now)
            yield self.user(data["anchor_info"]["user"], now)

    def rank(self, data: dict[str, Any], row: dict[str, Any], now: int) -> RankItem:
        user = row["user"]
        rooms = user.get("own_room", {}).get("room_ids_str", [])
        return RankItem(
            currency=data["currency"],
            title=data["title"],
            subtitle=data["subtitle"],
            city_code=data["city_code"],
            begin_time=data["begin_time"],
            user_id=user["id_str"],
            sec_uid=user["sec_uid"],
            rank=row["rank"],
            score=row["score"],
            delta=row["delta"],
            gap_description=row["gap_description"],
            shop_tags=row.get("shop_tags", []),
            room_id=rooms[0] if rooms else None,
            observed_at=now,
        )

    def user(self, user: dict[str, Any], now: int) -> UserItem:
        return UserItem(
            user_id=user["id_str"],
            sec_uid=user["sec_uid"],
            short_id=user["short_id"],
            display_id=user["display_id"],
            nickname=user["nickname"],
            gender=user["gender"],
            signature=user["signature"],
            avatar_uri=user["avatar_thumb"]["uri"],
            profile=user,
            observed_at=now,
        )
