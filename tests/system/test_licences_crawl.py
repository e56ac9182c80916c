"""Licences, circuit and limiter in a running crawl: what changes, and what happens then."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import Ledger, Policy, States
from tests.support.crawls import crawling, ended, endpoint, failed, letters, sec_uids
from tests.support.redis_servers import local_redis
from tests.support.simulators import Simulator
from tests.support.suspending import suspended
from tests.support.waiting import until


def states(url: str, queue_key: str, token: str) -> States:
    async def read() -> States:
        client = redis_asyncio.Redis.from_url(url)
        found = await Ledger(client, Keys.of(queue_key), Policy()).states([fingerprint(token)])
        await client.aclose()
        return found

    return asyncio.run(read())


def state(url: str, queue_key: str, token: str) -> str:
    return states(url, queue_key, token).licences[0].state


@pytest.mark.long
def test_another_licence_and_a_mended_endpoint_are_noticed(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    redis_url: str,
    queue_key: str,
    tmp_path: Path,
) -> None:
    tokens, nonsense = tmp_path / "tokens", tmp_path / "nonsense"
    tokens.write_text("fail-http402")
    nonsense.write_text("no list at all")
    simulator = simulate("--rows", "3", "--anchors", "100")
    environment = {
        **endpoint(environment, simulator),
        "RANK_API_TOKENS": "",
        "RANK_API_TOKENS_FILE": str(tokens),
        "RANK_BACKOFF_SECONDS": "0.05",
        "RANK_MAX_DELIVERIES": "50",
    }
    redis_client.rpush(queue_key, *sec_uids(100))
    with crawling(environment) as process:
        until(lambda: state(redis_url, queue_key, "fail-http402") == "out-of-quota")
        simulator.configure(sample=str(nonsense))
        tokens.write_text("fresh")
        until(lambda: states(redis_url, queue_key, "fresh").circuit_open)
        simulator.configure(sample=None)
        crawl = ended(process)
    assert crawl.returncode == 0, crawl.log
    assert crawl.stats["rank/anchors/acked"] == 100
    assert letters(redis_client, queue_key) == {}
    assert "RANK_API_TOKENS_FILE was read again: 1 licence\n" in crawl.log
    assert "the fleet sends probes only" in crawl.log
    assert "the fleet is back at its pace" in crawl.log
    assert crawl.stats["rank/licences/out-of-quota"] == 1
    assert crawl.stats["rank/licences/open"] == crawl.stats["rank/licences/closed"] == 1
    # What it cost: what was under way when the licence was used up, and when the circuit opened.
    assert failed(crawl)["licence-used-up"] <= 32
    assert failed(crawl)["malformed"] <= Policy().least_answers + 40
    served = Counter(simulator.get("/_simulator/stats")["tokens"])
    # A call with the old licence may still have met the nonsense.
    assert served.total() == 100 + sum(failed(crawl).values())


def test_without_redis_nothing_is_sent(
    environment: dict[str, str], simulate: Callable[..., Simulator], queue_key: str, tmp_path: Path
) -> None:
    """The limiter fails closed: a Redis that hangs stops the calls, and its return brings them."""
    simulator = simulate("--rows", "3", "--anchors", "400")

    with local_redis(tmp_path / "redis", []) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        environment = {
            **endpoint(environment, simulator),
            "REDIS_URL": url,
            "RANK_REQUESTS_PER_SECOND": "100",
        }
        with Redis(port=server.port) as client:
            client.rpush(queue_key, *sec_uids(400))
        with crawling(environment) as process:
            until(lambda: simulator.answers() >= 50)
            with suspended(url):
                before = simulator.answers()
                until(simulator.stood_still)
                # What had leave to go out by then.
                assert simulator.answers() - before <= 64
                assert simulator.answers() < 400
            crawl = ended(process)
        assert crawl.returncode == 0, crawl.log
        assert crawl.stats["rank/anchors/acked"] == 400
        assert simulator.answers() == 400
