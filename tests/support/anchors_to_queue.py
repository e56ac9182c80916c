"""Anchors that are put on a queue."""

from redis import Redis

from rankspider.simulator.world import synthetic_sec_uid

A, B, C, D = IDS = [synthetic_sec_uid(1, index) for index in range(4)]


def waiting(client: Redis, key: str) -> list[str]:
    """What a queue holds, in the order in which a worker takes it; a set's sorted."""
    kind = client.type(key)
    if kind == b"list":
        found = client.lrange(key, 0, -1)
    elif kind == b"set":
        found = sorted(client.smembers(key))
    else:
        found = client.zrange(key, 0, -1, desc=True)
    return [member.decode() for member in found]
