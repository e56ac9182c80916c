"""The servers a command needs: the user's own, or embedded ones where none is set."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo.database import Database
from scrapy.settings import BaseSettings

from rankspider.configuration import Configuration
from rankspider.connections import mongo as mongo_server
from rankspider.connections import redis as redis_server
from rankspider.connections.mongo import answering
from rankspider.embedded import Servers, embedded_servers
from rankspider.errors import NotInTheLake
from rankspider.terminal import remark

EMBEDDED_IN = "EMBEDDED_SERVERS_IN"
"""The setting that says in which folder the embedded servers in use keep their data, if any are."""


@contextlib.contextmanager
def reachable_servers(
    settings: BaseSettings, configuration: Configuration, *, mongo: bool = True
) -> Iterator[Servers]:
    """Bring up what is not set, set it in ``settings``, and see that it answers.

    Redis and, unless ``mongo`` is False, MongoDB. Yields those brought up. Raises
    `ServiceUnavailable` or `ConfigurationError`.
    """
    needs_redis = not redis_server.is_configured(settings)
    needs_mongo = mongo and configuration.mongo_uri is None
    with embedded_servers(configuration.data_dir, redis=needs_redis, mongo=needs_mongo) as servers:
        if servers.redis_url is not None:
            settings.set("REDIS_URL", servers.redis_url, priority="cmdline")
        if servers.mongo_uri is not None:
            settings.set("MONGO_URI", servers.mongo_uri, priority="cmdline")
        if servers != Servers():
            settings.set(EMBEDDED_IN, str(configuration.data_dir.resolve()), priority="cmdline")
        redis_server.check(settings)
        if mongo:
            mongo_server.check(settings["MONGO_URI"])
        yield servers


@contextlib.contextmanager
def reachable_lake(
    configuration: Configuration, *, answers_within: float = mongo_server.LONG_SECONDS
) -> Iterator[Database[dict[str, Any]]]:
    """Yield the lake, for a command that reads it: the user's own server, or an embedded one.

    Raises `ServiceUnavailable` or `ConfigurationError`, also for an outage while it is open.
    """
    with (
        lake_address(configuration) as uri,
        mongo_server.connect_blocking(uri, answers_within=answers_within) as connected,
    ):
        yield connected[configuration.mongo_database]


@contextlib.contextmanager
def lake_address(configuration: Configuration) -> Iterator[str]:
    """Yield the URI of a server that answers, for a command that makes its own client.

    Of an embedded one, it says where the lake is, since each folder has its own.
    """
    uri, folder = configuration.mongo_uri, configuration.data_dir.resolve()
    with embedded_servers(configuration.data_dir, redis=False, mongo=uri is None) as servers:
        if uri is None:
            uri = servers.mongo_uri
            remark(f"The lake is {configuration.mongo_database} in {folder} (embedded MongoDB)")
        assert uri is not None
        mongo_server.check(uri)
        try:
            with answering():
                yield uri
        except NotInTheLake as error:
            other = _lake_beside(folder) if servers.mongo_uri else None
            if other is None:
                raise
            raise NotInTheLake(
                f"{error}. There is another lake in {other}: set RANK_DATA_DIR to that folder to "
                "read it"
            ) from None


def _lake_beside(folder: Path) -> Path | None:
    """Return where a command would have found a lake further up, or in the project's own folder."""
    places = [*folder.parent.parents, Path(__file__).resolve().parents[1]]
    others = (place / folder.name for place in places)
    return next((each for each in others if each != folder and any(each.glob("mongo/*/*"))), None)
