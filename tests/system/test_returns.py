"""A list whose points are taken back: a state that went comes back, and is told apart from one
that stayed. Real workers, asked about what they were served."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.moments import HOUR, Period
from rankspider.questions.coverage import hours_covered
from rankspider.questions.curve import curve
from rankspider.questions.lists import ListName
from rankspider.questions.overtakes import overtakes
from rankspider.questions.states import state_at
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.crawls import crawling, ended, endpoint, sec_uids
from tests.support.project import SAMPLE_FILE
from tests.support.returning_list import HOUR_OF_ALL, A, B, C, at, standing_in
from tests.support.simulators import Simulator
from tests.support.waiting import until

LIST = ListName("热度", "全站", "小时榜", "")
SERVED = [
    *((600, A), (1200, B), (1800, A), (1830, A), (2400, B), (2401, A), (2402, B)),
    *((3000, C), (3400, C), (3500, A)),
]
"""Seconds into the hour, and who stood where with how many points."""
FRESH_FROM = 7
"""A fresh worker asks from the eighth on."""


def body(seconds: int, state: list[tuple[str, int]]) -> bytes:
    sample = json.loads(SAMPLE_FILE.read_bytes())
    data, row = sample["data"], sample["data"]["ranks"][0]
    rows = []
    for place, (user_id, score) in enumerate(state, 1):
        each = copy.deepcopy(row)
        *_, delta = standing_in(state, user_id)
        each |= {"rank": place, "score": score, "delta": delta, "gap_description": ""}
        each["user"] |= {"id": int(user_id), "id_str": user_id}
        each["user"]["sec_uid"] = synthetic_sec_uid(5, int(user_id))
        rows.append(each)
    begin_time = round(HOUR_OF_ALL.timestamp())
    data |= {"ranks": rows, "begin_time": begin_time, "delta_time": 3600 - seconds}
    del data["anchor_info"]
    sample["extra"]["now"] = (begin_time + seconds) * 1000
    return json.dumps(sample).encode()


@pytest.fixture
def lake(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Path,
) -> Iterator[Any]:
    simulator = simulate()
    environment = {**endpoint(environment, simulator), "RANK_STOP_WHEN_DRAINED": "0"}
    anchors = iter(sec_uids(len(SERVED)))
    for turn in (SERVED[:FRESH_FROM], SERVED[FRESH_FROM:]):
        with crawling(environment) as process:
            for seconds, state in turn:
                served = tmp_path / str(seconds)
                served.write_bytes(body(seconds, state))
                simulator.configure(sample=str(served))
                redis_client.rpush(queue_key, next(anchors))
                # In this order: what has left the queue is leased until it is acknowledged.
                until(
                    lambda: (
                        not redis_client.exists(queue_key)
                        and not redis_client.exists(Keys.of(queue_key).leases)
                    )
                )
            process.terminate()
            assert ended(process).returncode == 0
    yield database


def test_a_state_that_comes_back(lake: Any) -> None:
    # One document a state, as ever.
    assert lake.snapshots.count_documents({}) == 3
    assert lake.rank_history.count_documents({"user_id": "1002"}) == 3

    # The list at every moment, the moment before, and in between.
    for (seconds, state), (following, _) in zip(SERVED, [*SERVED[1:], (3600, [])], strict=True):
        for moment in (seconds, (seconds + following) / 2, following - 0.001):
            found = state_at(lake, LIST, HOUR_OF_ALL, at(moment))
            assert found is not None
            assert list(zip(found.user_ids, found.scores, strict=True)) == state, moment

    # What one of them went through.
    for user_id in ("1001", "1002", "1003"):
        stood = [(seconds, *standing_in(state, user_id)) for seconds, state in SERVED]
        changes = [
            now
            for before, now in zip([None, *stood], stood, strict=False)
            if before is None or before[1:] != now[1:]
        ]
        shown = [
            (
                round((point.since - HOUR_OF_ALL).total_seconds()),
                point.place,
                point.score,
                point.delta,
            )
            for point in curve(lake, LIST, HOUR_OF_ALL, user_id)
        ]
        assert shown == changes

    # Who passed whom, each time.
    passed = [
        (round((each.seen_at - HOUR_OF_ALL).total_seconds()), each.user_id, each.passed_user_id)
        for each in overtakes(lake, LIST, HOUR_OF_ALL, minutes=60)
    ]
    assert passed == [
        (1200, "1003", "1002"),
        (1800, "1002", "1003"),
        (2400, "1003", "1002"),
        (2401, "1002", "1003"),
        (2402, "1003", "1002"),
        (3000, "1003", "1001"),
        (3500, "1001", "1003"),
        (3500, "1002", "1003"),
    ]
    late = overtakes(lake, LIST, HOUR_OF_ALL, minutes=5)
    assert [(each.user_id, each.passed_user_id) for each in late] == [
        ("1001", "1003"),
        ("1002", "1003"),
    ]

    # And how long nobody looked, though the list was the same before and after.
    hour = Period(HOUR_OF_ALL, HOUR_OF_ALL + HOUR)
    (covered,) = hours_covered(lake, LIST, hour, HOUR_OF_ALL + 5 * HOUR)
    assert (covered.largest_gap_seconds, covered.gap_began_at) == (600, HOUR_OF_ALL)


def test_a_lake_from_before_there_were_sightings(lake: Any) -> None:
    """A state is taken to have held from its first observation to its last; of two, the one that
    came later."""
    lake.sightings.drop()
    found = state_at(lake, LIST, HOUR_OF_ALL, at(1500))
    assert found is not None
    assert list(zip(found.user_ids, found.scores, strict=True)) == B
    assert curve(lake, LIST, HOUR_OF_ALL, "1002")
    assert overtakes(lake, LIST, HOUR_OF_ALL, minutes=60)
    hour = Period(HOUR_OF_ALL, HOUR_OF_ALL + HOUR)
    (covered,) = hours_covered(lake, LIST, hour, HOUR_OF_ALL + 5 * HOUR)
    assert covered.largest_gap_seconds == 600
