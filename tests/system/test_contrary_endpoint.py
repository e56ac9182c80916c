"""Whatever the endpoint says or does, over real sockets: no anchor pays for what it did not do."""

import gzip
import json
import zlib
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from tests.support import processes
from tests.support.crawls import Crawl, crawl, crawling, failed, letters, sec_uids
from tests.support.project import ROOT, scrapy
from tests.support.scripted_endpoint import (
    Script,
    asking,
    http,
    json_body,
    sample_for,
    scripted,
)
from tests.support.waiting import until

SAID = [
    http(json_body({"code": 10001, "msg": "token已过期"})),
    http(json_body({"error": "invalid token"})),
    http(json_body({"success": False, "message": "授权码已到期"})),
    http(json_body({"code": 40001, "msg": "License expired"}), 403, Content_Encoding="gzip"),
]


def environment_of(environment: dict[str, str], url: str, **more: str) -> dict[str, str]:
    return {
        **environment,
        "RANK_API_URL": url,
        "RANK_API_TOKENS": "one",
        "RANK_STOP_WHEN_DRAINED": "1",
        "RANK_BACKOFF_SECONDS": "0.05",
        "RANK_MAX_DELIVERIES": "3",
        **more,
    }


def run(environment: dict[str, str], script: Script, **more: str) -> tuple[Crawl, Any]:
    with scripted(script) as server:
        return crawl(environment_of(environment, server.url, **more)), server.asked


def waiting(client: Redis, queue_key: str) -> set[bytes]:
    keys = Keys.of(queue_key)
    return {*client.lrange(queue_key, 0, -1), *client.zrange(keys.delayed, 0, -1)}


@pytest.mark.parametrize("said", SAID, ids=["code", "error", "success", "status"])
def test_a_licence_that_is_refused_in_any_words_buries_nobody(
    environment: dict[str, str], redis_client: Redis, queue_key: str, said: bytes
) -> None:
    redis_client.rpush(queue_key, *sec_uids(20))
    ended, asked = run(environment, lambda *_: said)
    assert ended.returncode == 4, ended.log
    assert letters(redis_client, queue_key) == {}
    assert len(waiting(redis_client, queue_key)) == 20
    assert asked.total() <= 32
    assert "It said: " in ended.log


@pytest.mark.parametrize("count", [2, 60])
def test_a_refusal_of_everybody_in_unknown_words_is_nobodys_fault(
    environment: dict[str, str], redis_client: Redis, queue_key: str, count: int
) -> None:
    redis_client.rpush(queue_key, *sec_uids(count))
    ended, asked = run(
        environment, lambda *_: http(json_body({"code": 10001, "msg": "天书 of user"}))
    )
    assert ended.returncode == 4, ended.log
    assert "'finish_reason': 'refused-alike'" in ended.log
    assert "天书 of user" in ended.log
    assert letters(redis_client, queue_key) == {}
    assert len(waiting(redis_client, queue_key)) == count
    assert redis_client.hlen(Keys.of(queue_key).held) == 0
    assert asked.total() <= 40


def test_a_refusal_with_one_licence_alone_is_no_anchors_fault(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    def script(anchor: str, _: int) -> bytes:
        if asking.token == "good-licence":
            return http(sample_for(anchor))
        return http(json_body({"code": 7123, "msg": "天书"}))

    redis_client.rpush(queue_key, *sec_uids(40))
    ended, asked = run(environment, script, RANK_API_TOKENS="good-licence,strange-licence")
    assert ended.returncode == 0, ended.log
    assert letters(redis_client, queue_key) == {}
    assert ended.stats["rank/answers/ok"] == 40
    assert asked.total() <= 40 + 24  # it is set aside after ten, and by those under way


def test_what_is_said_of_every_anchor_is_said_of_none(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    """As when the vendor renames a parameter: the first are given up, the rest wait."""
    redis_client.rpush(queue_key, *sec_uids(60))
    wrong = {"status_code": 10011, "data": {"message": "Request params error"}, "extra": {}}
    ended, asked = run(environment, lambda *_: http(json_body(wrong)))
    assert ended.returncode == 4, ended.log
    assert "dead-letters --reason wrong-parameters" in ended.log
    given_up = letters(redis_client, queue_key)
    assert len(given_up) < 10
    assert len(waiting(redis_client, queue_key)) == 60 - len(given_up)
    assert asked.total() <= 60


def test_a_few_bad_anchors_among_good_ones_are_buried_and_stop_nobody(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    members = sec_uids(60)
    bad = set(members[37:60:6])

    def script(anchor: str, _: int) -> bytes:
        if anchor in bad:
            return http(json_body({"code": 404, "msg": "user not found"}))
        return http(sample_for(anchor))

    redis_client.rpush(queue_key, *members)
    ended, asked = run(environment, script)
    assert ended.returncode == 0, ended.log
    dead = letters(redis_client, queue_key)
    assert set(dead) == bad
    assert all("user not found" in letter["error"] for letter in dead.values())
    assert ended.stats["rank/anchors/acked"] == 56
    assert all(asked[anchor] == 3 for anchor in bad)


def test_what_everybody_meets_is_waited_out(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    """The licence is refused in words that nobody knows, and is good again later."""
    is_good = False

    def script(anchor: str, _: int) -> bytes:
        if is_good:
            return http(sample_for(anchor))
        return http(json_body({"code": 10001, "msg": "天书"}))

    redis_client.rpush(queue_key, *sec_uids(30))
    with scripted(script) as server, crawling(environment_of(environment, server.url)) as process:
        until(lambda: server.asked.total() >= 12)
        is_good = True
        log = process.communicate(timeout=120)[1]
    assert process.returncode == 0, log
    assert "The endpoint answers again" in log
    assert letters(redis_client, queue_key) == {}
    assert Crawl(0, log).stats["rank/anchors/acked"] == 30


def test_a_connection_that_ends_without_a_word_costs_no_try(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    """And an anchor that always ends it is given up all the same, later."""
    members = sec_uids(40)
    always, thrice = members[35], members[38]

    def script(anchor: str, nth: int) -> bytes:
        is_silent = anchor == always or (anchor == thrice and nth <= 3)
        return b"" if is_silent else http(sample_for(anchor))

    redis_client.rpush(queue_key, *members)
    ended, asked = run(environment, script)
    assert ended.returncode == 0, ended.log
    assert set(letters(redis_client, queue_key)) == {always}
    assert (asked[thrice], asked[always]) == (4, 6)


DEFORMED = {
    "gzip": http(b"slow down", 429, Content_Encoding="gzip", Retry_After="1"),
    "br": http(b"slow down", 429, Content_Encoding="br", Retry_After="1"),
    "deflate": http(b"slow down", 429, Content_Encoding="deflate", Retry_After="1"),
    "zstd": http(b"slow down", 429, Content_Encoding="zstd", Retry_After="1"),
    "unknown": http(b"slow down", 429, Content_Encoding="x-own", Retry_After="1"),
    "lie": http(b"slow down", 429, Content_Length="99999999999", Retry_After="1"),
    "endless": http(b"x" * 3_000_000, 429, Content_Length="3000001", Retry_After="1"),
    "cut": http(gzip.compress(b"slow down")[:9], 429, Content_Encoding="gzip", Retry_After="1"),
}


@pytest.mark.parametrize("name", DEFORMED)
def test_the_status_counts_whatever_its_body_is(
    environment: dict[str, str], redis_client: Redis, queue_key: str, name: str
) -> None:
    redis_client.rpush(queue_key, *sec_uids(3))

    def script(anchor: str, nth: int) -> bytes:
        return DEFORMED[name] if anchor == sec_uids(3)[1] and nth == 1 else http(sample_for(anchor))

    ended, _ = run(environment, script)
    assert ended.returncode == 0, ended.log
    assert failed(ended) == {"too-fast": 1}, ended.log
    assert ended.stats["rank/anchors/acked"] == 3


def spoilt(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("damage", ["checksum", "length", "cut", "half"])
def test_a_damaged_gzip_is_not_stored(
    environment: dict[str, str], redis_client: Redis, queue_key: str, damage: str, database: Any
) -> None:
    redis_client.rpush(queue_key, *sec_uids(3))

    def script(anchor: str, nth: int) -> bytes:
        sound = gzip.compress(sample_for(anchor))
        bodies = {
            "checksum": spoilt(sound, len(sound) - 6),
            "length": spoilt(sound, len(sound) - 2),
            "cut": sound[:-4],
            "half": sound[: len(sound) // 2],
        }
        body = bodies[damage] if nth == 1 else sound
        return http(body, Content_Encoding="gzip")

    ended, _ = run(environment, script)
    assert ended.returncode == 0, ended.log
    assert failed(ended) == {"network": 3}, ended.log
    assert ended.stats["rank/answers/ok"] == 3


def test_the_bytes_tell_how_a_body_is_compressed(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    def dressed(anchor: str) -> list[bytes]:
        plain = sample_for(anchor)
        packed = gzip.compress(plain)
        return [
            http(packed),
            http(packed, Content_Encoding="br"),
            http(packed, Content_Encoding="deflate"),
            http(gzip.compress(packed), Content_Encoding="gzip"),
            http(gzip.compress(zlib.compress(plain)), Content_Encoding="deflate, gzip"),
            http(plain, Content_Encoding="gzip"),
            http(plain, Content_Encoding="br"),
            http(plain, Content_Encoding="identity"),
            http(plain, Content_Encoding="utf-8"),
        ]

    members = sec_uids(len(dressed("")))
    redis_client.rpush(queue_key, *members)
    ended, asked = run(environment, lambda anchor, _: dressed(anchor)[members.index(anchor)])
    assert ended.returncode == 0, ended.log
    assert asked.total() == ended.stats["rank/answers/ok"] == len(members)
    assert "cannot decode" not in ended.log


def test_an_answer_that_is_no_http_costs_a_try(
    environment: dict[str, str], redis_client: Redis, queue_key: str
) -> None:
    members = sec_uids(20)

    def script(anchor: str, _: int) -> bytes:
        return b"220 ready\r\n\r\n" if anchor == members[10] else http(sample_for(anchor))

    redis_client.rpush(queue_key, *members)
    ended, asked = run(environment, script)
    assert ended.returncode == 0, ended.log
    assert set(letters(redis_client, queue_key)) == {members[10]}
    assert asked[members[10]] == 3


@pytest.mark.parametrize("size", [9_000, 65_536])
def test_a_long_header_and_a_false_one_are_no_reason_to_fail(
    environment: dict[str, str], redis_client: Redis, queue_key: str, size: int
) -> None:
    redis_client.rpush(queue_key, *sec_uids(3))
    more = {"Content_Encoding": "gzip", "Set_Cookie": "c" * size, "X_Trace": "t" * size}
    ended, asked = run(environment, lambda anchor, _: http(sample_for(anchor), **more))
    assert ended.returncode == 0, ended.log
    assert asked.total() == ended.stats["rank/anchors/acked"] == 3


@pytest.mark.parametrize("own", [None, {}, "another"])
def test_an_own_standing_that_never_comes_is_told(
    environment: dict[str, str], redis_client: Redis, queue_key: str, own: Any
) -> None:
    members = sec_uids(15)

    def script(anchor: str, _: int) -> bytes:
        answer = json.loads(sample_for(sec_uids(16)[15]))
        if own != "another":
            answer["data"]["anchor_info"] = own
        return http(json_body(answer))

    redis_client.rpush(queue_key, *members)
    ended, _ = run(environment, script)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/answers/without_own"] == 15
    assert ended.log.count("no standing of the anchor asked for") == 2
    for command in ("calls", "coverage"):
        shown = processes.run(
            scrapy(command, "--from", "2021-01-01", "--to", "2099-01-01")
            if command == "calls"
            else scrapy(command, "--hours", "2"),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        assert ": 15" in shown, shown
