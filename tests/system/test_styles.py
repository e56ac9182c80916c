"""The same anchors asked twice of an endpoint that writes its JSON in each of its styles: the lake
says the same, and nothing is written the second time."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from pymongo import MongoClient
from redis import Redis

from rankspider.simulator.style import Style
from tests.support.crawls import KINDS, assert_accounted_for, crawl, endpoint, sec_uids
from tests.support.simulators import Simulator
from tests.truth.lake import content_of, frozen, read_lake

ANCHORS = 60
SAID = ("ranks", "rank_history", "users", "user_history", "snapshots")
# They say when, or by whom it was asked.
_MOMENTARY = ("delta_time", "anchor", "seconds_left")


@pytest.fixture(scope="module")
def lakes() -> dict[str, Any]:
    """What the lake says, by the style that it was written from."""
    return {}


@pytest.mark.parametrize("style", get_args(Style))
def test_each_style_leaves_the_same_lake_once(
    style: str,
    lakes: dict[str, Any],
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database_name: str,
    mongo_uri: str,
) -> None:
    simulator = simulate(
        *("--rows", "5", "--anchors", str(ANCHORS), "--change-every", "1000000"),
        *("--start", "2030-01-31T19:10:00+08:00", "--envelope", "mixed"),
    )

    def asked_twice(style: str) -> dict[str, Any]:
        simulator.configure(style=style)
        name = f"{database_name}-{style}"
        styled = endpoint({**environment, "MONGO_DATABASE": name}, simulator)
        with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
            try:
                for turn in range(2):
                    redis_client.rpush(queue_key, *sec_uids(ANCHORS))
                    ended = crawl(styled)
                    assert ended.returncode == 0, ended.log
                    assert_accounted_for(ended)
                    assert ended.stats["rank/answers/ok"] == ANCHORS
                    stored = [ended.stats.get(f"rank/{kind}/stored", 0) for kind in KINDS]
                    assert bool(sum(stored)) == (turn == 0), stored
                    assert not any(stat.startswith("rank/flags/") for stat in ended.stats)
                return read_lake(client[name])
            finally:
                client.drop_database(name)

    for each in ("compact", style):
        if each not in lakes:
            lakes[each] = asked_twice(each)
    lake = lakes[style]
    assert lake["rejected"] == []
    assert len(lake["snapshots"]) == len({each["state"] for each in lake["sightings"]}) == 1
    assert len(lake["sightings"]) <= 4  # of each ten seconds one document
    assert _said(lake) == _said(lakes["compact"])


def _said(lake: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        collection: {each["_id"]: frozen(_lasting(each)) for each in lake[collection]}
        for collection in SAID
    }


def _lasting(document: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in content_of(document).items() if k not in _MOMENTARY}
