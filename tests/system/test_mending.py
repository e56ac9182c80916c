"""A worker killed between a history and what follows from it."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from tests.support.crawls import crawl, endpoint, left_over, sec_uids, start_worker
from tests.support.lake_records import assert_follows_from_history
from tests.support.simulators import Simulator
from tests.support.waiting import until


@pytest.mark.long
def test_a_worker_killed_between_history_and_the_rest(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "40", "--start", "2026-01-05T10:10:00Z")
    environment = {**endpoint(environment, simulator), "RANK_LEASE_SECONDS": "1"}
    redis_client.rpush(queue_key, *sec_uids(40))
    worker = start_worker(environment)

    def is_half_stored() -> bool:
        history, now = database.rank_history, database.ranks
        return bool(history.count_documents({}) > now.count_documents({}))

    until(is_half_stored)
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert left_over(redis_client, queue_key) == []
    assert "documents brought up to their history" in ended.log
    assert_follows_from_history(database)
