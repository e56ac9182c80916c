"""The watch list in both places, whatever interrupts a change or empties Redis."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.watch.terms import Terms
from rankspider.watch.turns import Turns
from rankspider.watch.watch_list import WatchList

ANCHORS = [f"anchor-{n}" for n in range(5)]


@pytest.fixture
def watch_list(database: Any, redis_client: Redis, queue_key: str) -> Iterator[WatchList]:
    keys = Keys.of(queue_key)
    yield WatchList(database, Turns(redis_client, keys), queue_key)
    redis_client.delete(*keys.of_script())


def there(watch_list: WatchList) -> set[str]:
    return set(watch_list.turns)


def terms_of(watch_list: WatchList) -> dict[str, tuple[Any, ...]]:
    names = ("every", "at_most", "steady", "label", "paused", "by")
    return {each["sec_uid"]: tuple(each[name] for name in names) for each in watch_list}


def test_what_is_said_once_more_changes_nothing_else(watch_list: WatchList) -> None:
    first = watch_list.add(dict.fromkeys(ANCHORS, Terms(every=300.0, label="shoes")))
    assert (first.new, first.changed, first.unchanged) == (5, 0, 0)
    again = watch_list.add(dict.fromkeys(ANCHORS, Terms()))
    assert (again.new, again.changed, again.unchanged) == (0, 0, 5)
    more = watch_list.add({ANCHORS[0]: Terms(every=60.0), "another": Terms(every=10_000.0)})
    assert (more.new, more.changed, more.unchanged) == (1, 1, 0)
    terms = terms_of(watch_list)
    assert terms[ANCHORS[0]] == (60.0, 7200.0, False, "shoes", False, "person")
    assert terms[ANCHORS[1]] == (300.0, 7200.0, False, "shoes", False, "person")
    assert terms["another"] == (10_000.0, 10_000.0, False, "", False, "person")
    assert there(watch_list) == terms.keys()
    assert watch_list.is_in_redis
    numbers = [each["number"] for each in watch_list]
    assert len(set(numbers)) == len(numbers) == len(watch_list)


def test_anchors_are_removed_and_paused(watch_list: WatchList) -> None:
    watch_list.add(dict.fromkeys(ANCHORS, Terms()))
    assert watch_list.remove([ANCHORS[0], "nobody"]) == 1
    assert watch_list.pause(ANCHORS[:3], is_paused=True) == 2
    assert [each and each.due_at is None for each in watch_list.turns.of(ANCHORS)] == [
        None,
        True,
        True,
        False,
        False,
    ]
    watch_list.pause_all(is_paused=True)
    assert watch_list.is_paused
    assert watch_list.is_in_redis


def test_redis_that_was_emptied_is_brought_up_with_the_same_turns(
    watch_list: WatchList, redis_client: Redis, queue_key: str
) -> None:
    watch_list.add(dict.fromkeys(ANCHORS, Terms(every=3600.0)))
    watch_list.pause(ANCHORS[:1], is_paused=True)
    watch_list.pause_all(is_paused=True)
    keys = Keys.of(queue_key)
    turns = redis_client.zrange(keys.turns, 0, -1)
    for lost in ([*keys.of_script()], [keys.turns], [keys.watched], [keys.plan]):
        redis_client.delete(*lost)
        assert not watch_list.is_in_redis
        assert watch_list.mend() == len(ANCHORS)
        assert watch_list.is_in_redis
        assert redis_client.zrange(keys.turns, 0, -1) == turns
        assert redis_client.hget(keys.plan, "paused") == b"1"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_change_that_is_interrupted_is_made_up_for(
    watch_list: WatchList, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Of the three steps that follow the first word of it, the nth fails."""
    watch_list.add(dict.fromkeys(ANCHORS[:3], Terms()))
    steps = [(watch_list, "_write"), (watch_list, "_send"), (watch_list.turns, "note_revision")]
    owner, name = steps[nth - 1]

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, name, fail)
        watch_list.add(dict.fromkeys(ANCHORS[3:], Terms()))
    assert not watch_list.is_in_redis
    watch_list.mend()
    assert watch_list.is_in_redis
    assert there(watch_list) == terms_of(watch_list).keys()


def test_what_redis_has_and_mongodb_has_not_goes(watch_list: WatchList, database: Any) -> None:
    watch_list.add(dict.fromkeys(ANCHORS, Terms()))
    database["watched"].delete_one({"sec_uid": ANCHORS[0]})
    assert watch_list.is_in_redis  # nobody can tell by then
    database["meta"].update_one({"_id": {"$regex": "^watch "}}, {"$inc": {"revision": 1}})
    assert not watch_list.is_in_redis
    assert watch_list.mend() == 4
    assert there(watch_list) == set(ANCHORS[1:])


def test_another_queue_has_a_list_of_its_own(
    watch_list: WatchList, database: Any, redis_client: Redis, queue_key: str
) -> None:
    other_key = f"{queue_key}:other"
    keys = Keys.of(other_key)
    other = WatchList(database, Turns(redis_client, keys), other_key)
    watch_list.add({ANCHORS[0]: Terms()})
    assert other.is_in_redis
    assert other.mend() == 0
    other.add({ANCHORS[1]: Terms()})
    assert there(watch_list) == {ANCHORS[0]}
    assert there(other) == {ANCHORS[1]}
    redis_client.delete(*keys.of_script())


def test_one_worker_at_a_time_mends_it(watch_list: WatchList) -> None:
    assert watch_list.turns.claim_mending(60)
    assert not watch_list.turns.claim_mending(60)
