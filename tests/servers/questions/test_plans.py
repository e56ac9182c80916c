"""No command that reads the lake reads a whole collection for its answer."""

import pkgutil
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient

from rankspider import commands
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.commands_in_process import asked
from tests.support.query_plans import SentQueries, walks
from tests.support.simulated_market import Market

SPAN = ("--from", "{first}", "--to", "{last}")
QUESTIONS = {
    "board": [(), ("--at", "{moment}")],
    "calls": [SPAN, (*SPAN, "--anchor", "{who}"), (*SPAN, "--anchor", "{who}", "--list")],
    "compare": [("{who}", "{other}", "--hour", "{first}")],
    "concentration": [SPAN],
    "coverage": [("--hours", "720"), ("--hours", "720", "--anchors")],
    "curve": [("{who}", "--hour", "{first}")],
    "day": [("{who}", *SPAN)],
    "events": [("--since", "30d")],
    "leaders": [SPAN, (*SPAN, "--tag", "综合")],
    "movers": [("--hour", "{last}")],
    "names": [("{who}",), ("user_id:{other}",)],
    "overtakes": [("--hour", "{first}")],
    "rising": [SPAN],
    "sessions": [SPAN, ("{who}", *SPAN)],
    "share": [("{who}", "{other}", *SPAN)],
    "streaks": [SPAN, ("{who}", *SPAN)],
    "tags": [SPAN],
    "thresholds": [SPAN],
    "trend": [("{who}", *SPAN), ("{unknown}", *SPAN)],
    "versus": [("{who}", "{other}", *SPAN)],
}
# They read all of what they are about, in pages, or nothing of the lake.
OTHERS = {"archive", "crawl", "dead-letters", "demo", "doctor", "enqueue", "export", "queue"}
OTHERS |= {"rejects", "replay", "simulate", "watch"}


def test_every_command_is_listed() -> None:
    known = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert known == QUESTIONS.keys() | OTHERS


def test_a_walk_is_noticed(market: Market) -> None:
    by_place = {"begin_time": -1, "rank": 1}
    one = {"find": "ranks", "filter": {}, "sort": by_place, "limit": 1}
    assert walks(market.database, one) == []
    assert walks(market.database, {**one, "limit": 2}) == ["ranks.hour_place"]
    assert walks(market.database, {**one, "sort": {"score": 1}}) == ["ranks.COLLSCAN"]
    assert walks(market.database, {**one, "filter": {"score": 1}}) != []
    assert walks(market.database, {"find": "ranks", "filter": {"score": 1}}) == ["ranks.COLLSCAN"]
    sorted_by_place = [{"$match": {"score": 1}}, {"$sort": by_place}]
    assert walks(market.database, {"aggregate": "ranks", "pipeline": sorted_by_place, "cursor": {}})


@pytest.mark.parametrize("command", QUESTIONS)
def test_no_question_walks_a_collection(
    market: Market, mongo_uri: str, capsys: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    first, last = market.hours[0], market.hours[-1]
    who, other = (row.user_id for row in market.last_of(first).rows[:2])
    names = {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "moment": market.served[-1].at.isoformat(),
        "who": market.seller(who).sec_uid,
        "other": other,
        "unknown": synthetic_sec_uid(99, 99),
    }
    for words in QUESTIONS[command]:
        sent = SentQueries()
        client = partial(MongoClient, event_listeners=[sent])
        monkeypatch.setattr("rankspider.connections.mongo.MongoClient", client)
        given = [word.format(**names) for word in words]
        code, _, err = asked(capsys, mongo_uri, market.database.name, command, *given)
        assert code in (0, 1), err  # 1: the market has no such anchor, hour or calls
        walked = [walk for query in sent.queries for walk in walks(market.database, query)]
        assert walked == [], given
        assert sent.queries
