"""Calls of some hours, in a lake."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rankspider.lake.call import OK, Call, document_of
from rankspider.lake.opening import open_lake
from rankspider.moments import HOUR, Period
from rankspider.questions.calls import KEYS
from rankspider.simulator.world import synthetic_sec_uid

SHANGHAI, KOLKATA = ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Kolkata")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)  # 20:00 in Shanghai, whose day ends at 16:00
PERIOD = Period(NOON, NOON + 8 * HOUR)
ANCHORS = [None, *(synthetic_sec_uid(1, index) for index in range(4))]
OUTCOMES = [OK, OK, "soft-ban", OK, "network", OK, "no-such-user"]


def call(number: int) -> Call:
    """Every seven minutes one, from an hour before the period to one after it."""
    outcome, anchor = OUTCOMES[number % 7], ANCHORS[number % 5]
    asked_at = NOON - HOUR + number * dt.timedelta(minutes=7)
    made = Call(
        anchor=anchor,
        asked_at=asked_at,
        milliseconds=100 + number,
        purpose="queue" if number % 3 else "watch",
        outcome=outcome,
        status=None if outcome == "network" else 200,
        bytes=None if outcome == "network" else 2**30 + number,
        licence=None if number % 4 == 3 else f"{number % 4:012x}",
        worker=f"host:{number % 2}",
    )
    if outcome != OK:
        return made
    hour = asked_at.replace(minute=0)
    if number % 11 == 0:
        anchor = None  # the answer says nothing of it
    return replace(
        made,
        user_id=anchor and str(6_000_000_000_000_000_000 + number % 5),
        observed_at=asked_at + dt.timedelta(milliseconds=50),
        begin_time=hour,
        list_state=f"{hour.timestamp():.0f}/热度/全站/小时榜//{number}",
        standing=anchor and f"{hour.timestamp():.0f}/热度/全站/小时榜//6/1/{number}/0",
        profile=anchor and f"6/{number}",
    )


CALLS = [call(number) for number in range(60 * 10 // 7)]
MADE = [each for each in CALLS if each.asked_at in PERIOD]


async def lake_with_calls(async_database: Any, database: Any) -> Any:
    """It has them in no order."""
    await open_lake(async_database, {})
    database.calls.insert_many(document_of(each) for each in CALLS[1::2] + CALLS[::2])
    return database


VALUES: dict[str, Callable[[Call], Any]] = {
    "hour": lambda each: each.asked_at.replace(minute=0),
    "day": lambda each: f"{each.asked_at.astimezone(SHANGHAI):%Y-%m-%d}",
    **{name: lambda each, name=name: getattr(each, name) for name in KEYS[2:]},  # type: ignore[misc]
}


def counted(calls: list[Call], *keys: str) -> dict[tuple[Any, ...], list[Any]]:
    """What the rows must say, by their keys."""
    groups: dict[tuple[Any, ...], list[Call]] = {}
    for each in calls:
        groups.setdefault(tuple(VALUES[key](each) for key in keys), []).append(each)
    return {
        group: [
            len(those),
            sum(each.outcome == OK for each in those),
            sum(each.outcome != OK for each in those),
            sum(each.outcome == OK and bool(each.anchor) and not each.user_id for each in those),
            pytest.approx(100 * sum(each.outcome == OK for each in those) / len(those)),
            sum(each.bytes or 0 for each in those),
            pytest.approx(sum(each.milliseconds for each in those) / len(those)),
            min(each.asked_at for each in those),
            max(each.asked_at for each in those),
        ]
        for group, those in groups.items()
    }


FIGURES = ["calls", "ok", "failed", "without_own", "ok_percent", "bytes", "mean_milliseconds"]
FIGURES += ["first_asked_at", "last_asked_at"]
FROM_TO = ["--from", "2026-03-01T20:00", "--to", "2026-03-02T04:00"]
