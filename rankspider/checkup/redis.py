"""Redis: can a run work with it, what does it keep, and how does the queue stand?"""

import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import NoPermissionError
from redis.sentinel import SentinelConnectionPool
from redis.utils import str_if_bytes
from scrapy.settings import BaseSettings

from rankspider.checkup.clock import ClockReading, agreement
from rankspider.checkup.finding import SERVER, SETTING, Finding, failed, ok, warning
from rankspider.checkup.secrets import Secrets
from rankspider.connections.redis import REDIS_ERRORS, connect_blocking, try_out, unavailable
from rankspider.connections.redis_keys import Keys
from rankspider.errors import RankspiderError

_OLDEST = (6, 2)
_TIMEOUT_SECONDS = 5
_SIZES = {"list": redis.Redis.llen, "set": redis.Redis.scard, "zset": redis.Redis.zcard}


def look_at(
    settings: BaseSettings, queue: str, note: str | None, secrets: Secrets
) -> Iterator[Finding]:
    """Look at the server. ``note`` says which embedded server it is, if it is one."""
    timeouts = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), _TIMEOUT_SECONDS)
    try:
        with connect_blocking(settings, **timeouts) as client:
            yield from _looked_at(client, Keys.of(queue), note)
    except RankspiderError as error:
        yield failed(error.exit_code, "Redis", str(error))
    except REDIS_ERRORS as error:
        problem = unavailable(error, settings)
        yield failed(problem.exit_code, "Redis", str(problem))


def _looked_at(client: redis.Redis, keys: Keys, note: str | None) -> Iterator[Finding]:
    server = _server_of(client, keys)
    information = _information(server)
    yield _version(information, note)
    yield _kind(client, information)
    yield _writable(server, keys, information)
    if information:
        yield from _kept(server, information)
    yield _queue(server, keys)
    sent = time.time()
    seconds, micros = server.time()
    reading = ClockReading(sent, time.time(), seconds + micros / 1e6)
    yield agreement("Redis", reading, "leases run by Redis's clock: set both by NTP")


def _server_of(client: redis.Redis, keys: Keys) -> redis.Redis:
    """Return the server to look at: of a Cluster, the one that has the queue."""
    if not isinstance(client, RedisCluster):
        return client
    node = client.get_node_from_key(keys.queue)
    server: redis.Redis = client.get_redis_connection(node)
    return server


def _information(server: redis.Redis) -> dict[str, Any]:
    """Return what INFO says; nothing where this user may not ask for it; a run does not need it."""
    try:
        information: dict[str, Any] = server.info()
    except NoPermissionError:
        return {}
    return information


def _version(information: dict[str, Any], note: str | None) -> Finding:
    where = f": {note}" if note else ""
    if not information:
        remedy = "allow this user INFO to see more here"
        return warning("Redis", f"answers{where}, but not what it is", remedy)
    version = str(information.get("valkey_version") or information["redis_version"])
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < _OLDEST:
        return failed(
            SERVER, "Redis", f"version {version} is too old", "6.2 or newer is needed: upgrade it"
        )
    return ok("Redis", f"version {version} answers{where}", version=version)


def _kind(client: redis.Redis, information: dict[str, Any]) -> Finding:
    replicas = int(information.get("connected_slaves", 0))
    copies = f"{replicas} replica" + ("s" if replicas != 1 else "")
    if isinstance(client, RedisCluster):
        what = f"a Cluster; the queue is in one slot, on a server with {copies}"
        return ok("Redis kind", what, kind="cluster", replicas=replicas)
    if isinstance(client.connection_pool, SentinelConnectionPool):
        what = f"the master that Sentinel names, with {copies}; a failover can lose the last writes"
        return ok("Redis kind", what, kind="sentinel", replicas=replicas)
    if information.get("cluster_enabled"):
        remedy = "write REDIS_URL=redis+cluster://host:port,..."
        return warning("Redis kind", "one server of a Cluster is asked", remedy, kind="single")
    return ok("Redis kind", f"a single server with {copies}", kind="single", replicas=replicas)


def _writable(server: redis.Redis, keys: Keys, information: dict[str, Any]) -> Finding:
    about = "Redis writable"
    if information.get("role") == "slave":
        remedy = "set REDIS_URL to its master, or to redis+sentinel://..."
        return failed(SERVER, about, "this is a replica, which takes no writes", remedy)
    try:
        try_out(server, keys)
    except redis.ResponseError as error:
        return failed(SERVER, about, str(unavailable(error)))
    return ok(about, "a key beside the queue was written and deleted again, by a script")


def _kept(server: redis.Redis, information: dict[str, Any]) -> Iterator[Finding]:
    """Yield what outlives a crash, and what full memory takes away."""
    try:
        # Two names in one call: only Redis 7 understands that.
        known = {**server.config_get("appendfsync"), **server.config_get("save")}
    except redis.ResponseError:
        known = {}  # hosted ones keep it to themselves
    yield _persistence(bool(information.get("aof_enabled")), known)
    policy = str(information.get("maxmemory_policy", "unknown"))
    about, limit = "Redis memory", int(information.get("maxmemory", 0))
    if policy == "noeviction":
        yield ok(about, "noeviction: full memory is an error, never a dropped key", policy=policy)
    else:
        lost = "what the fleet knows of licences" if "volatile" in policy else "queue and leases"
        when = "full memory drops" if limit else "no limit is set yet, but full memory would drop"
        yield warning(
            about, f"{policy}: {when} {lost}", "set maxmemory-policy noeviction", policy=policy
        )


def _persistence(appends: bool, known: dict[str | None, str | None]) -> Finding:
    about = "Redis persistence"
    facts = {
        "appendonly": appends,
        "appendfsync": known.get("appendfsync"),
        "save": known.get("save"),
    }
    if appends and known.get("appendfsync") == "always":
        return ok(about, "appendonly, appendfsync always: what was pushed stays", **facts)
    if appends and known.get("appendfsync") == "no":
        what = "appendonly, appendfsync no: a power cut can lose the last half minute"
        return warning(about, what, "set appendfsync everysec or always", **facts)
    if appends:
        what = f"appendonly, appendfsync {known.get('appendfsync', 'not told')}"
        return ok(about, f"{what}: a power cut can lose the last second", **facts)
    if not known:
        what = "no appendonly, and CONFIG is not allowed: a crash can lose what was pushed"
    elif known.get("save"):
        what = (
            f"snapshots only (save {known['save']}): a crash loses what was pushed since the last"
        )
    else:
        what = "neither appendonly nor snapshots: a restart loses queue, leases and dead letters"
    return warning(about, what, "set appendonly yes", **facts)


def _queue(server: redis.Redis, keys: Keys) -> Finding:
    """Return how the queue stands. It is only read: what is due stays where it is."""
    about = "queue"
    kind = str_if_bytes(server.type(keys.queue))
    if kind != "none" and kind not in _SIZES:
        what = f"{keys.queue} is a Redis {kind}, and a queue is a LIST, a SET or a ZSET"
        return failed(SETTING, about, what, "set RANK_QUEUE_KEY to another key")
    counts = {
        "waiting": _SIZES[kind](server, keys.queue) if kind in _SIZES else 0,
        "leased": server.zcard(keys.leases),
        "delayed": server.zcard(keys.delayed),
        "dead": server.hlen(keys.dead),
    }
    numbers = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    shape = "not there yet, or drained" if kind == "none" else f"a {kind}"
    return ok(about, f"{keys.queue} is {shape}: {numbers}", kind=kind, **counts)
