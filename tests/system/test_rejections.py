"""What a worker logs of the records it rejects: the first of each reason, and the counts."""

from collections.abc import Callable
from typing import Any

from redis import Redis

from rankspider.pipelines import rejections
from tests.support.crawls import Crawl, crawl, endpoint, sec_uids
from tests.support.sample_answer import NO_RANK
from tests.support.simulators import Simulator


def lines_of(ended: Crawl) -> list[str]:
    return [
        line.split("[rankspider.pipelines.rejections] ")[1]
        for line in ended.log.splitlines()
        if "[rankspider.pipelines.rejections]" in line
    ]


def test_a_crawl_of_rows_that_nobody_can_read(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "50", "--change-every", "1000")
    environment = endpoint(environment, simulator) | {"RANK_API_TOKENS": "fail-no-rank"}
    redis_client.rpush(queue_key, *sec_uids(20))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    counts = [ended.stats[f"rank/{kind}/rejected"] for kind in ("rows", "lists")]
    assert lines_of(ended) == [
        f"ERROR: A list was rejected, for none of its 3 rows can be trusted: {NO_RANK}; "
        f"{rejections._WHERE}",
        f"WARNING: A row was rejected: {NO_RANK}; {rejections._WHERE}",
        f"WARNING: Rejected, counted in each answer: {counts[0]} rows, {counts[1]} lists; "
        "'scrapy rejects' shows them",
    ]
    assert counts[1] == 20
    assert database.rejected.count_documents({"kind": "lists"}) == 1


def test_a_sound_crawl_says_nothing_of_it(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
) -> None:
    environment = endpoint(environment, simulate("--rows", "3", "--anchors", "50"))
    redis_client.rpush(queue_key, *sec_uids(5))
    ended = crawl(environment)
    assert (ended.returncode, lines_of(ended)) == (0, [])
