"""Failures of the endpoint over real sockets, row by row of one table.

Of each: what it is called in the stats, what becomes of the anchor, what becomes of the licence.
Whatever is said here of a licence that is refused, used up or too fast (HTTP 401, 402, 403 and
the vendor's texts) is a GUESS: nobody has published those answers.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from rankspider.connections.redis_keys import Keys
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, Ledger, LicenceState, Policy
from rankspider.simulator.failures import FAILURES
from rankspider.simulator.world import World, failing_sec_uid
from tests.support.crawls import (
    Crawl,
    alternating,
    crawl,
    endpoint,
    failed,
    left_over,
    letters,
    sec_uids,
)
from tests.support.simulators import Simulator
from tests.support.unwanted_calls import Elsewhere


class Row(NamedTuple):
    """A failure by its name in the simulator."""

    name: str
    called: str
    """In the stats, and as a dead letter's reason."""
    outcome: CallOutcome
    """What the licence's record counts it as."""
    said: str = ""
    """Part of the text of the dead letter."""


TROUBLE, SOFT_BAN, ANSWERED = CallOutcome.TROUBLE, CallOutcome.SOFT_BAN, CallOutcome.ANSWERED
THROTTLED, REFUSED, USED_UP = CallOutcome.THROTTLED, CallOutcome.REFUSED, CallOutcome.OUT_OF_QUOTA

# What another try may mend: the anchor waits and is asked again.
PASSING = [
    Row("http500", "server-error", TROUBLE),
    Row("http502", "server-error", TROUBLE),
    Row("http503", "server-error", TROUBLE),
    Row("http503-later", "server-error", TROUBLE),
    Row("http404", "unexpected-status", TROUBLE),
    Row("http444", "dropped-by-platform", TROUBLE),
    Row("redirect", "redirected", TROUBLE),
    Row("reset", "network", TROUBLE),
    Row("cut", "network", TROUBLE),
    Row("slow", "network", TROUBLE),
    Row("bad-gzip", "malformed", TROUBLE),
    Row("bomb-gzip", "overlong", TROUBLE),
    Row("bomb-br", "overlong", TROUBLE),
    Row("bomb-zstd", "overlong", TROUBLE),
    Row("busy", "vendor-busy", TROUBLE),
    Row("not-json", "malformed", TROUBLE),
    Row("bad-utf8", "malformed", TROUBLE),
    Row("empty", "soft-ban", SOFT_BAN),
    Row("captcha", "soft-ban", SOFT_BAN),
    Row("verify", "soft-ban", SOFT_BAN),
]
# What no try will mend: a dead letter at once.
WRONG = [
    Row("params", "wrong-parameters", ANSWERED, "Request params error"),
    Row("params-enveloped", "wrong-parameters", ANSWERED, "Request params error"),
    Row("no-user", "no-such-user", ANSWERED, "用户不存在"),
    Row("private", "private-list", ANSWERED, "该列表不可见"),
]
# What may be mended: a dead letter after so many tries.
NOT_NOW = [
    Row("ended", "live-ended", ANSWERED, "直播已结束"),
    Row("no-message", "no-message", ANSWERED, "系统开小差了"),
    Row("empty-prompts", "empty-prompts", ANSWERED, "Room is not available"),
    Row("unknown-status", "unknown-status", TROUBLE, "status_code 777: Something new"),
]
TRIES = 3
MB = 1024 * 1024
# Answers that hold a list, or say that they do: the anchor is done, and no licence is to blame.
LISTS = ["empty-list", "no-rank", "dup-user", "rank-gap", "negative-score", "bad-begin-time"]
# The same list in other clothes; what becomes of it is tested where lists are.
HARMLESS = ["stale", "twins", "slim", "list-maps", "odd-keys", "huge", "deep"]
# Trouble with the licence (guesses but for not-logged-in): no anchor is to blame.
LICENCE = [
    Row("http401", "licence-refused", REFUSED),
    Row("http402", "licence-used-up", USED_UP),
    Row("http403", "licence-refused", REFUSED),
    Row("token-invalid", "licence-refused", REFUSED),
    Row("token-expired", "licence-refused", REFUSED),
    Row("token-echo", "licence-refused", REFUSED),
    Row("quota", "licence-used-up", USED_UP),
    Row("not-logged-in", "not-logged-in", REFUSED),
    Row("not-logged-in-2483", "not-logged-in", REFUSED),
    Row("logged-out", "not-logged-in", REFUSED),
    Row("http429", "too-fast", THROTTLED),
    Row("http429-date", "too-fast", THROTTLED),
    Row("too-fast", "too-fast", THROTTLED),
]
BANNED = [row for row in PASSING if row.outcome is SOFT_BAN]
STATES = {
    SOFT_BAN: {"cooling"},
    THROTTLED: {"cooling"},
    USED_UP: {"out-of-quota"},
    REFUSED: {"cooling", "refused"},  # refused for good with the second one, 10 s later
}


def test_every_failure_of_the_simulator_has_a_row() -> None:
    rows = [row.name for row in PASSING + WRONG + NOT_NOW + LICENCE]
    assert sorted([*rows, *LISTS, *HARMLESS]) == sorted(FAILURES)


def quick(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    return {**endpoint(environment, simulator), "RANK_BACKOFF_SECONDS": "0.05"}


async def standing(url: str, queue_key: str, token: str) -> LicenceState:
    client = redis_asyncio.Redis.from_url(url)
    ledger = Ledger(client, Keys.of(queue_key), Policy())
    (found,) = (await ledger.states([fingerprint(token)])).licences
    await client.aclose()
    return found


async def test_what_becomes_of_an_anchor(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    redis_url: str,
    queue_key: str,
    database: Any,
    elsewhere: Elsewhere,
    tmp_path: Path,
) -> None:
    record = tmp_path / "record"
    address = f"http://127.0.0.1:{elsewhere.server_address[1]}"
    options = ["--rows", "3", "--anchors", "60", "--redirect-to", address, "--record", str(record)]
    environment = {**quick(environment, simulate(*options)), "RANK_MAX_DELIVERIES": str(TRIES)}
    passing = {failing_sec_uid(f"once-{row.name}"): row for row in PASSING}
    dying = {failing_sec_uid(row.name): row for row in WRONG + NOT_NOW}
    lists = [failing_sec_uid(name) for name in LISTS]
    redis_client.rpush(queue_key, *alternating([*passing, *dying], lists + sec_uids(60)))
    ended = crawl(
        environment,
        *("-s", "DOWNLOAD_TIMEOUT=4"),
        *("-s", f"DOWNLOAD_MAXSIZE={8 * MB}"),
        *("-s", "MEMUSAGE_CHECK_INTERVAL_SECONDS=0.1"),
    )
    assert ended.returncode == 0, ended.log

    # The anchors: tried again and done, or dead with the reason.
    assert ended.stats["rank/anchors/acked"] == len(passing) + len(lists) + 60, ended.log
    dead = letters(redis_client, queue_key)
    assert {anchor: letter["reason"] for anchor, letter in dead.items()} == {
        anchor: row.called for anchor, row in dying.items()
    }
    for anchor, row in dying.items():
        assert row.said in dead[anchor]["error"]
        assert dead[anchor]["tries"] == (1 if row in WRONG else TRIES)
    assert left_over(redis_client, queue_key) == [Keys.of(queue_key).dead.encode()]

    # The stats: each by its name, as often as it happened.
    expected = Counter(row.called for row in PASSING + WRONG + NOT_NOW * TRIES)
    seen = Counter(failed(ended))
    assert seen == expected
    assert ended.stats["rank/anchors/buried"] == len(dying)
    delayed = sum(seen.values()) - len(dying)
    assert ended.stats["rank/anchors/delayed"] == delayed

    # The licence: it counts what it met, and is as good as before.
    met = await standing(redis_url, queue_key, "demo")
    assert (met.state, met.share) == ("good", 1)
    outcomes = Counter(row.outcome.value for row in PASSING + WRONG + NOT_NOW * TRIES)
    outcomes["ok"] = ended.stats["rank/answers/ok"]
    assert met.counts == dict(outcomes)

    # Three bombs of 256 MB each.
    assert ended.stats["memusage/max"] - ended.stats["memusage/startup"] < 150 * MB
    _look_at_lists(ended, database)
    _look_at_retry_after(record)
    assert elsewhere.heard == []


def _look_at_lists(ended: Crawl, database: Any) -> None:
    """A list that cannot be trusted is quarantined, and an empty one is no error."""
    assert ended.stats["rank/lists/empty"] == 1
    assert database.snapshots.count_documents({"user_ids": []}) == 1
    newer = failing_sec_uid("no-rank")
    assert database.ranks.count_documents({"sec_uid": newer}) == 0
    reasons = [each["reason"] for each in database.rejected.find({"anchor": newer})]
    assert len([reason for reason in reasons if "missing required field `rank`" in reason]) == 4
    of_anchor = Counter(each["anchor"] for each in database.rejected.find())
    assert {failing_sec_uid(name) for name in LISTS if name != "empty-list"} <= set(of_anchor)


def lines(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text().splitlines()]


def _look_at_retry_after(record: Path) -> None:
    anchor = failing_sec_uid("once-http503-later")
    first, second = (line["now"] for line in lines(record) if line["asked"] == anchor)
    assert second - first >= 2000


async def test_what_becomes_of_a_licence(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    redis_url: str,
    queue_key: str,
) -> None:
    rows = LICENCE + BANNED
    good = [f"good-{n}" for n in range(len(rows))]
    bad = [f"fail-{row.name}" for row in rows]
    environment = {
        **quick(environment, simulate("--rows", "3", "--anchors", "400")),
        "RANK_API_TOKENS": ",".join(alternating(bad, good)),
    }
    redis_client.rpush(queue_key, *sec_uids(400))
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log

    # No anchor is to blame: it is back on the queue at once, and no try was counted.
    assert ended.stats["rank/anchors/acked"] == 400
    assert letters(redis_client, queue_key) == {}
    blameless = {row.called for row in LICENCE}
    seen = failed(ended)
    assert set(seen) == {row.called for row in rows}
    back = sum(count for name, count in seen.items() if name in blameless)
    assert ended.stats["rank/anchors/released"] == back
    assert ended.stats["rank/anchors/delayed"] == seen["soft-ban"]

    # Each licence by itself: set aside after little was spent on it.
    for row in rows:
        met = await standing(redis_url, queue_key, f"fail-{row.name}")
        assert met.state in STATES[row.outcome], row
        assert set(met.counts) == {row.outcome.value}, row
        assert met.counts[row.outcome.value] <= 32, row
        assert (met.share < 1) == (row.outcome is THROTTLED), row
        assert row.outcome is not SOFT_BAN or met.counts["soft-ban"] >= Policy().soft_bans
        assert f"fail-{row.name}," not in ended.log
    for token in good:
        met = await standing(redis_url, queue_key, token)
        assert (met.state, set(met.counts)) == ("good", {"ok"})


async def test_what_a_server_asks_to_wait_is_waited(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    redis_url: str,
    queue_key: str,
    tmp_path: Path,
) -> None:
    """429 and ``Retry-After: 2``; then 429 without, which halves the pace and no more."""
    record = tmp_path / "record"
    simulator = simulate("--rows", "3", "--anchors", "90", "--record", str(record))
    environment = {
        **quick(environment, simulator),
        "CONCURRENT_REQUESTS": "4",
        "RANK_MAX_DELIVERIES": "1",
        "RANK_REQUESTS_PER_SECOND_PER_TOKEN": "500",
    }
    first, second = failing_sec_uid("once-http429"), failing_sec_uid("once-too-fast")
    redis_client.rpush(queue_key, *sec_uids(5), first, *sec_uids(65)[5:], second)
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/anchors/acked"] == 67
    assert failed(ended) == {"too-fast": 2}
    assert ended.stats["rank/anchors/released"] == 2
    calls = lines(record)
    said_at = next(line["now"] for line in calls if line["asked"] == first)
    early = [line for line in calls if said_at < line["now"] < said_at + 2000]
    # What left before the fleet had heard of it.
    assert len(early) <= 16
    assert len([line for line in calls if line["now"] >= said_at + 2000]) >= 45
    assert 1 <= ended.stats["rank/licences/waits/cooling"] <= 5
    met = await standing(redis_url, queue_key, "demo")
    assert (met.state, met.counts["throttled"]) == ("good", 2)
    assert 0.25 < met.share < 1


@pytest.mark.long
async def test_all_licences_refused_ends_the_worker_with_every_anchor_back(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    redis_url: str,
    queue_key: str,
) -> None:
    simulator = simulate("--rows", "3", "--anchors", "100")
    tokens = ["fail-token-invalid", "fail-http403"]
    environment = {**quick(environment, simulator), "RANK_API_TOKENS": ",".join(tokens)}
    redis_client.rpush(queue_key, *sec_uids(100))
    ended = crawl(environment)
    assert ended.returncode == 4, ended.log
    assert "'finish_reason': 'licences-refused'" in ended.log
    assert "Traceback" not in ended.log
    assert sorted(redis_client.lrange(queue_key, 0, -1)) == sorted(
        uid.encode() for uid in sec_uids(100)
    )
    keys = Keys.of(queue_key)
    assert redis_client.zcard(keys.leases) == 0
    assert redis_client.hlen(keys.tries) == 0
    for token in tokens:
        assert (await standing(redis_url, queue_key, token)).state == "refused"


@pytest.mark.long
def test_three_in_ten_answers_fail_and_all_anchors_are_stored(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
) -> None:
    """Every kind that another try mends, mixed by a seed: 429, soft bans, time-outs and all."""
    options = ("--rows", "3", "--anchors", "1000", "--fail-rate", "0.3")
    simulator = simulate(*options)
    licences = ",".join(f"licence-{n}" for n in range(8))  # a 429 cools one of them for 2 s
    environment = {**quick(environment, simulator), "RANK_API_TOKENS": licences}
    slow = [failing_sec_uid("once-slow", n) for n in range(20)]
    redis_client.rpush(queue_key, *alternating(sec_uids(1000), slow))
    ended = crawl(environment, "-s", "DOWNLOAD_TIMEOUT=5", timeout=280)
    assert ended.returncode == 0, ended.log
    world = World(seed=1, anchors=1000, rows=3)
    asked = {str(world.anchor(n).user_id) for n in range(1000)}
    assert asked <= set(database.ranks.distinct("user_id"))
    assert letters(redis_client, queue_key) == {}
    assert ended.stats["rank/anchors/acked"] == 1020
    seen = failed(ended)
    assert {"server-error", "network", "too-fast", "soft-ban", "vendor-busy"} <= set(seen)
    assert 0.25 < sum(seen.values()) / (sum(seen.values()) + 1020) < 0.35
    # 1000 / 0.7 and 20 * 2 are 1469 on average.
    assert simulator.get("/_simulator/stats")["answers"] < 1600
