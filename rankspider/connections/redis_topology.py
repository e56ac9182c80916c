"""Redis as one server, as a Cluster, or as the master that Sentinels name.

``redis+cluster://[user:password@]host:port[,host:port…]`` and
``redis+sentinel://[user:password@]host:port[,host:port…]/service[/db]``; ``rediss+…`` for TLS.
The user and the password are the server's; those of protected Sentinels are the options
``sentinel_username`` and ``sentinel_password``.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import redis
from redis import asyncio as redis_asyncio
from redis import cluster, sentinel
from redis.asyncio import cluster as cluster_asyncio
from redis.asyncio.connection import URL_QUERY_ARGUMENT_PARSERS, parse_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from scrapy.utils.misc import load_object

from rankspider.errors import ConfigurationError

# Options of an address that do what they say, given as text. Others of redis-py want an object, or
# would change what is read and written.
OPTIONS = frozenset(
    ("client_name", "db", "health_check_interval", "max_connections")
    + ("password", "protocol", "retry_on_timeout", "sentinel_password", "sentinel_username")
    + ("socket_connect_timeout", "socket_keepalive", "socket_read_size", "socket_timeout")
    + ("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile")
    + ("ssl_check_hostname", "ssl_ciphers", "ssl_keyfile", "ssl_min_version", "ssl_password")
    + ("username",)
)
_CERTIFICATE_RULES = ("none", "optional", "required")
_DECODING = "decode_responses"
UNESCAPED = (
    "has a password or user with / ? or # in it as they are: write %2F %3F %23 (and %40 for @, "
    "%3A for :, %25 for %)"
)
_TLS = "rediss"
_CLUSTER = ("redis+cluster", "rediss+cluster")
_SENTINEL = ("redis+sentinel", "rediss+sentinel")
SCHEMES = ("redis", "rediss", "unix", *_CLUSTER, *_SENTINEL)
_ANY_CLUSTER = (cluster.RedisCluster, cluster_asyncio.RedisCluster)


class _AsyncMasterPool(redis_asyncio.SentinelConnectionPool):
    """Closes the connections to the Sentinels together with its own."""

    async def aclose(self) -> None:
        await super().aclose()
        for client in self.sentinel_manager.sentinels:
            await client.aclose()


class _MasterPool(sentinel.SentinelConnectionPool):
    """Closes the connections to the Sentinels together with its own."""

    def close(self) -> None:
        super().close()
        for client in self.sentinel_manager.sentinels:
            client.close()


@dataclass(frozen=True, slots=True)
class Family:
    """redis-py has every class twice: for asyncio, and blocking."""

    server: Any
    cluster: Any
    node: Any
    sentinel: Any
    master_pool: Any
    retry: Any


ASYNCIO = Family(
    redis_asyncio.Redis,
    cluster_asyncio.RedisCluster,
    cluster_asyncio.ClusterNode,
    redis_asyncio.Sentinel,
    _AsyncMasterPool,
    AsyncRetry,
)
BLOCKING = Family(
    redis.Redis,
    cluster.RedisCluster,
    cluster.ClusterNode,
    sentinel.Sentinel,
    _MasterPool,
    Retry,
)


def client_of(family: Family, parameters: Mapping[str, Any]) -> Any:
    """Return the client of ``family`` for scrapy-redis's ``parameters``: ``url``, checked before by
    `url_problem`, and the rest.

    A ``redis_cls`` of the other family stands for its like in this one. Raises `ConfigurationError`
    for a wrong address. A blocking Cluster client connects here and raises what that brings; every
    other client connects when it is first used.
    """
    options = dict(parameters)
    url: str = options.pop("url", None) or ""
    chosen = _chosen(family, options.pop("redis_cls", None))
    try:
        if (problem := url_problem(url)) is not None:
            raise ConfigurationError(f"REDIS_URL {problem}")
        url = _without_decoding(url)
        scheme = urlsplit(url).scheme
        if scheme in _SENTINEL:
            return _master(family, url, options)
        if scheme in _CLUSTER:
            nodes, of_url, path = _read(url, default_port=6379)
            options |= {**of_url, "startup_nodes": nodes, "db": _database(path)}
            url, chosen = "", chosen if issubclass(chosen, family.cluster) else family.cluster
        if issubclass(chosen, family.cluster):
            options = _for_cluster(family, options)
        client = chosen.from_url(url, **options) if url else chosen(**options)
        if isinstance(client, family.server):
            # Its options are looked at when a connection is made, which is not opened here.
            pool = client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
        return client
    except ValueError:
        # Its text may quote a password.
        raise ConfigurationError("REDIS_URL cannot be used: is it redis://host:port/db?") from None
    except TypeError as error:
        named = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        option = named[1] if named else "an option"
        raise ConfigurationError(
            f"REDIS_URL or REDIS_PARAMS: {option} cannot be used with such an address"
        ) from None


def url_problem(url: str) -> str | None:
    """Return why redis-py cannot use ``url``, or would read something else in it than it says, as
    the rest of a sentence; None if it can. It repeats nothing that may be a part of a password."""
    if not url:
        return None
    parts = urlsplit(url)
    if "@" not in parts.netloc and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return UNESCAPED
    if parts.fragment:
        return "has a # in it: write %23 for one of the password"
    if parts.scheme == "unix":
        return _options_problem(parts.query, is_tls=False)
    database = parts.path.strip("/").rpartition("/")[2] if parts.scheme in _SENTINEL else parts.path
    is_service = parts.scheme in _SENTINEL and "/" not in parts.path.strip("/")
    if not is_service and not re.fullmatch(r"/?[0-9]{0,9}/?", database):
        return (
            "has a / after the host, and then no number: its database must be a number, such as 0"
        )
    return _options_problem(parts.query, is_tls=parts.scheme.startswith(_TLS))


def _options_problem(query: str, *, is_tls: bool) -> str | None:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == _DECODING:
            continue
        if name not in OPTIONS:
            likely = difflib.get_close_matches(name, OPTIONS, 1)
            meant = f": did you mean {likely[0]}?" if likely else ""
            return f"has the option {name!r}, which cannot be given there{meant}"
        if name.startswith("ssl_") and not is_tls:
            return f"has the option {name}, which is for rediss:// alone"
        reader = URL_QUERY_ARGUMENT_PARSERS.get(name)
        try:
            if reader is not None:
                reader(value)
        except ValueError:
            return f"has the option {name} with a value that it does not take"
        if name == "ssl_cert_reqs" and value not in _CERTIFICATE_RULES:
            return f"has the option {name}, which must be one of {', '.join(_CERTIFICATE_RULES)}"
        if name == "protocol" and value not in ("2", "3"):
            return f"has the option {name}, which must be 2 or 3"
    return None


def _without_decoding(url: str) -> str:
    """Return ``url`` without ``decode_responses``. Members are bytes: whatever a producer pushed
    must come back as it was."""
    address, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != _DECODING]
    return f"{address}?{'&'.join(kept)}" if kept else address


def place_of(parameters: Mapping[str, Any]) -> str:
    """Return where the server is, without a login."""
    url: str = parameters.get("url") or ""
    if url:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] or parts.path
    return f"{parameters.get('host', 'localhost')}:{parameters.get('port', 6379)}"


def _chosen(family: Family, given: Any) -> Any:
    if isinstance(given, str):
        given = load_object(given)
    if not isinstance(given, type):
        return family.server
    like = family.cluster if issubclass(given, _ANY_CLUSTER) else family.server
    return given if issubclass(given, like) else like


def _for_cluster(family: Family, options: dict[str, Any]) -> dict[str, Any]:
    if int(options.pop("db", 0) or 0):
        raise ConfigurationError("REDIS_DB: a Redis Cluster has no database but 0")
    # scrapy-redis's default; a Cluster client has its own way to try again, and refuses this.
    options.pop("retry_on_timeout", None)
    nodes = [_host_and_port(node) for node in options.pop("startup_nodes", None) or ()]
    if nodes:
        options["startup_nodes"] = [family.node(*node) for node in nodes]
    return options


def _host_and_port(node: Any) -> tuple[str, int]:
    """Return host and port of a pair, of ``{"host": …, "port": …}`` or of a node of either
    family."""
    if isinstance(node, tuple):
        return node
    if isinstance(node, Mapping):
        return node["host"], int(node["port"])
    return node.host, node.port


def _master(family: Family, url: str, options: dict[str, Any]) -> Any:
    sentinels, of_url, path = _read(url, default_port=26379)
    service, _, database = path.partition("/")
    if not service:
        raise ConfigurationError(
            "REDIS_URL names no master: it must be redis+sentinel://host:port,host:port/service"
        )
    own: dict[str, Any] = {
        name: of_url.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in of_url
    }
    options |= of_url
    if database:
        options["db"] = _database(database)
    shared = {name: options[name] for name in options if name.startswith(("socket_", "ssl"))}
    # The next try is the next Sentinel.
    own["retry"] = family.retry(NoBackoff(), 0)
    manager = family.sentinel(sentinels, sentinel_kwargs={**shared, **own})
    return manager.master_for(
        service,
        redis_class=family.server,
        connection_pool_class=family.master_pool,
        **options,
    )


def _read(url: str, default_port: int) -> tuple[list[tuple[str, int]], dict[str, Any], str]:
    """Return the hosts, redis-py's options and the path of ``url``."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    tls = parts.scheme.startswith(_TLS)
    # redis-py knows its options, and one host only.
    single = (_TLS if tls else "redis", f"{credentials}{at}host", "", parts.query, "")
    options: dict[str, Any] = {**parse_url(urlunsplit(single))}
    del options["host"]
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    return [_split(host, default_port) for host in hosts.split(",")], options, parts.path.strip("/")


def _split(host: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ConfigurationError("REDIS_URL: its list of hosts has an empty entry")
    return parts.hostname, parts.port or default_port


def _database(path: str) -> int:
    if path and not path.isdecimal():
        raise ConfigurationError("REDIS_URL: its database must be a number")
    return int(path or 0)
