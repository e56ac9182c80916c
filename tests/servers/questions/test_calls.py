"""How many calls were made, and what came of them: what the lake says, counted again here."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from rankspider.lake.call import OK, Call, document_of
from rankspider.moments import HOUR
from rankspider.questions.calls import KEYS, anchors_without_own, calls_counted, calls_made
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.commands_in_process import asked
from tests.support.query_plans import indexes_used
from tests.support.stored_calls import (
    ANCHORS,
    CALLS,
    FIGURES,
    FROM_TO,
    KOLKATA,
    MADE,
    NOON,
    PERIOD,
    SHANGHAI,
    counted,
    lake_with_calls,
)
from tests.support.stored_lists import store, user


@pytest.fixture
async def lake(async_database: Any, database: Any) -> Any:
    return await lake_with_calls(async_database, database)


def test_the_document_says_all_of_the_call(lake: Any) -> None:
    for each in CALLS[:7]:
        document = lake.calls.find_one({"_id": each.id})
        assert Call(id=document.pop("_id"), **document) == each
    assert len({each.id for each in CALLS}) == len(CALLS)


@pytest.mark.parametrize("keys", [[key] for key in KEYS] + [["day", "outcome"], ["worker", "hour"]])
def test_counted_by_each_key(lake: Any, keys: list[str]) -> None:
    rows = list(calls_counted(lake, PERIOD, keys, SHANGHAI, {}))
    found = {
        tuple(getattr(row, key) for key in keys): [getattr(row, name) for name in FIGURES]
        for row in rows
    }
    assert found == counted(MADE, *keys)
    times = [key for key in keys if key in ("hour", "day")]
    order = [([getattr(row, key) for key in times], -row.calls) for row in rows]
    assert order == sorted(order)


def test_a_day_is_one_of_the_zone(lake: Any) -> None:
    rows = calls_counted(lake, PERIOD, ["day"], KOLKATA, {})  # whose day ends at 18:30 UTC
    ends = NOON + 6.5 * HOUR
    assert [(row.calls, row.last_asked_at < ends) for row in rows] == [
        (sum(each.asked_at < ends for each in MADE), True),
        (sum(each.asked_at >= ends for each in MADE), False),
    ]


def test_an_index_answers_and_no_more_than_the_period_is_read(lake: Any, mongo_uri: str) -> None:
    for only in ({}, {"outcome": OK, "purpose": "queue"}, {"anchor": ANCHORS[1]}):
        for ask in (
            lambda lake, only=only: list(calls_counted(lake, PERIOD, ["hour"], SHANGHAI, only)),
            lambda lake, only=only: calls_made(lake, PERIOD, only, 3),
        ):
            # Which of the two for calls of one anchor is the server's own choice.
            serve = {"calls.asked", "calls.anchor_asked"} if "anchor" in only else {"calls.asked"}
            used = indexes_used(mongo_uri, lake.name, ask)
            assert used
            assert used <= serve
    mine: dict[str, object] = {"anchor": ANCHORS[1], "asked_at": {"$gte": NOON}}
    hinted = indexes_used(
        mongo_uri,
        lake.name,
        lambda lake: list(lake.calls.find(mine).sort("asked_at", -1).hint("anchor_asked")),
    )
    assert hinted == {"calls.anchor_asked"}


def test_filters(lake: Any, mongo_uri: str, capsys: Any) -> None:
    def count(*words: str) -> int:
        words = ("calls", *FROM_TO, "--by", "purpose", "--json", *words)
        code, out, err = asked(capsys, mongo_uri, lake.name, *words)
        assert (code, err) == (0, "")
        return sum(json.loads(line)["calls"] for line in out.splitlines())

    assert count("--outcome", "soft-ban") == sum(each.outcome == "soft-ban" for each in MADE)
    assert count("--licence", f"{1:012x}") == sum(each.licence == f"{1:012x}" for each in MADE)
    assert count("--purpose", "watch", "--outcome", "ok") == sum(
        each.purpose == "watch" and each.outcome == OK for each in MADE
    )
    assert count("--outcome", "nothing-like-it") == 0


def test_the_calls_of_an_anchor(lake: Any, mongo_uri: str, capsys: Any) -> None:
    profile = user(1, "陈赫 Live")
    profile.sec_uid = str(ANCHORS[1])
    store(lake, profile)

    def ask(*words: str) -> tuple[int, str, str]:
        return asked(capsys, mongo_uri, lake.name, "calls", *FROM_TO, *words)

    mine = [each for each in reversed(MADE) if each.anchor == ANCHORS[1]]
    assert {each.outcome for each in mine} > {OK}
    link = f"https://www.douyin.com/user/{ANCHORS[1]}?from=web"
    for name in (ANCHORS[1], link, profile.user_id, "陈赫"):
        code, out, err = ask("--anchor", str(name), "--list", "--json")
        assert (code, err) == (0, "")
        lines = [json.loads(line) for line in out.splitlines()]
        for line, each in zip(lines, mine, strict=True):
            for field in ("asked_at", "observed_at", "begin_time"):
                line[field] = line[field] and dt.datetime.fromisoformat(line[field])
            assert line == {k: v for k, v in document_of(each).items() if k != "_id"}
    shown = ask("--anchor", "陈赫", "--list", "--limit", "2")[1].splitlines()
    assert shown[0].startswith("Calls for 陈赫 Live, 2026-03-01 20:00+08:00 to")
    assert [line.split()[3] for line in shown[3:]] == [each.outcome for each in mine[:2]]
    assert len(ask("--anchor", "陈赫", "--by", "outcome", "--csv")[1].splitlines()) == 1 + len(
        counted(mine, "outcome")
    )
    # No profile of it is in the lake: it was asked for in vain.
    vain = [each for each in MADE if each.anchor == ANCHORS[2]]
    code, out, err = ask("--anchor", str(ANCHORS[2]))
    assert out.splitlines()[-1].startswith(f"calls: {len(vain)}, ")
    never = ask("--anchor", synthetic_sec_uid(1, 99))
    assert never[0] == 0
    assert never[1].endswith("\n\nNothing to show.\n")
    assert ask("--anchor", "nobody-of-this-name")[0] == 1


def test_the_last_day_by_the_hour_unless_told_otherwise(
    database: Any, mongo_uri: str, capsys: Any
) -> None:
    now = dt.datetime.now(dt.UTC)
    for each, age in zip(CALLS, (1, 20, 30), strict=False):
        database.calls.insert_one(document_of(replace(each, asked_at=now - age * HOUR)))
    code, out, _ = asked(capsys, mongo_uri, database.name, "calls", "--csv")
    head, *rows = out.splitlines()
    assert (code, len(rows)) == (0, 2)
    assert head.startswith("hour,calls,ok,")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--by", "outcome,colour"], "some of hour, day, outcome"),
        (["--by", "hour,hour"], "each once; not 'hour,hour'"),
        (["--by", ""], "some of hour"),
        (["--list"], "--list needs --anchor"),
        (["--list", "--by", "day", "--anchor", "a"], "not allowed with argument"),
        (["--limit", "0"], "--limit must be 1 or more"),
        (["--from", "yesterday"], "--from must be like"),
        (["--from", "now", "--to", "1h"], "--from must be before --to"),
        (["--currency", "热度"], "not understood: --currency"),
        (["somebody"], "not understood: somebody"),
    ],
)
def test_what_makes_no_sense(
    mongo_uri: str, database_name: str, capsys: Any, options: list[str], complaint: str
) -> None:
    code, out, err = asked(capsys, mongo_uri, database_name, "calls", *options)
    assert code == 2
    assert complaint in out + err
    assert "Traceback" not in err


def test_a_lake_without_calls(database: Any, mongo_uri: str, capsys: Any) -> None:
    """An empty one, and one from before there were any."""
    for _ in range(2):
        for form in ([], ["--json"], ["--anchor", str(ANCHORS[1]), "--list"]):
            code, out, err = asked(capsys, mongo_uri, database.name, "calls", *form)
            assert (code, out, err.count("\n")) == (1, "", 1)
            assert "holds no calls" in err
        database.ranks.insert_one({"begin_time": NOON})
    assert database.list_collection_names() == ["ranks"]


def test_anchors_that_no_answer_told_of(lake: Any) -> None:
    assert anchors_without_own(lake, PERIOD) == 0  # each was told of at another time
    lake.calls.update_many({"anchor": ANCHORS[1]}, {"$set": {"user_id": None}})
    assert anchors_without_own(lake, PERIOD) == 1
