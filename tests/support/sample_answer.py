"""The vendor's printed sample, what is changed in it, and what is read from it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from scrapy.statscollectors import MemoryStatsCollector
from scrapy.utils.test import get_crawler

from rankspider.endpoint import answer as answers
from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.extraction import Extraction
from rankspider.items import Item
from rankspider.pipelines.validate import ValidatePipeline
from tests.support.project import SAMPLE_FILE

SAMPLE = SAMPLE_FILE.read_bytes()
Document = dict[str, Any]
Change = Callable[[Document], None]


def sample() -> Document:
    answer: Document = json.loads(SAMPLE)
    return answer


def read(answer: Document) -> Answer:
    return decode(json.dumps(answer).encode())


def records(answer: Document) -> list[Item]:
    return list(Extraction(read(answer), "asked", keep_private=False))


def passed(items: list[Item]) -> tuple[list[Item], dict[str, Any]]:
    """What the first pipeline makes of ``items``, and its stats."""
    crawler = get_crawler()
    stats = MemoryStatsCollector(crawler)
    pipeline = ValidatePipeline(stats)
    return [pipeline.process_item(item) for item in items], stats.get_stats()


def second_row(**changes: Any) -> Change:
    return lambda answer: answer["data"]["ranks"][1].update(changes)


def overtaken(answer: Document) -> None:
    answer["data"]["ranks"][1].update(score=49300, delta=-68, gap_description="4.9万")


def rounded_rooms(answer: Document) -> None:
    answer["data"]["ranks"][1]["user"]["own_room"] = {
        "room_ids": [6_919_375_969_501_465_000],
        "room_ids_str": ["6919375969501465352"],
    }


def moved(seconds: float) -> Change:
    def move(answer: Document) -> None:
        answer["extra"]["now"] += round(seconds * 1000)
        answer["data"]["delta_time"] -= int(seconds)

    return move


NO_RANK = "unreadable row: Object missing required field `rank`"


def read_strictly(patch: pytest.MonkeyPatch) -> None:
    """As it was before text was read as a number: what a later release mends."""
    patch.setattr(answers, "_shape", msgspec.json.Decoder(answers.RowShape))
    patch.setattr(answers, "_card", msgspec.json.Decoder(answers.ProfileFields))


def text_for_a_number(answer: Document) -> None:
    """The second row, which overtook the first, cannot be read: its ``delta`` is text."""
    overtaken(answer)
    answer["data"]["ranks"][1]["delta"] = "-68"
