"""The servers a command needs: the user's own, or embedded ones where none is set."""

import contextlib
from collections.abc import Iterator

from scrapy.settings import BaseSettings

from rankspider.anchors import connection
from rankspider.configuration import Configuration
from rankspider.embedded import Servers, embedded_servers
from rankspider.lake import client


@contextlib.contextmanager
def reachable_servers(
    settings: BaseSettings, configuration: Configuration, *, mongo: bool = True
) -> Iterator[Servers]:
    """Bring up what is not set, set it in ``settings``, and see that it answers.

    Redis and, unless ``mongo`` is False, MongoDB. Yields those brought up. Raises
    `ServiceUnavailable` or `ConfigurationError`.
    """
    needs_redis = not connection.is_configured(settings)
    needs_mongo = mongo and configuration.mongo_uri is None
    with embedded_servers(configuration.data_dir, redis=needs_redis, mongo=needs_mongo) as servers:
        if servers.redis_url is not None:
            settings.set("REDIS_URL", servers.redis_url, priority="cmdline")
        if servers.mongo_uri is not None:
            settings.set("MONGO_URI", servers.mongo_uri, priority="cmdline")
        connection.check(settings)
        if mongo:
            client.check(settings["MONGO_URI"])
        yield servers
