"""Anchors that are queued from within the process."""

from redis import Redis

from rankspider.queue.producer import REMEMBERED, Producer
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.anchors_to_queue import A, waiting


def test_a_list_forgets_what_lies_far_back(redis_client: Redis, queue_key: str) -> None:
    many = [synthetic_sec_uid(2, index) for index in range(2 * REMEMBERED)]
    producer = Producer(redis_client, queue_key, None)
    for place in range(0, len(many), 5000):
        assert producer.put(many[place : place + 5000]) == 0
    assert producer.put(many[-REMEMBERED:]) == REMEMBERED
    assert redis_client.llen(queue_key) == len(many)
    assert producer.put([A, many[0], A]) == 1
    assert waiting(redis_client, queue_key)[len(many) :] == [A, many[0]]
    redis_client.delete(queue_key)
