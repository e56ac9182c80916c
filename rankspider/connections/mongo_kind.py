"""Whether a server is a MongoDB that rankspider can use. Others speak its protocol."""

from collections.abc import Iterable, Mapping
from typing import Any

from rankspider.errors import ServiceUnavailable

OLDEST = (5, 0)
# As drivers and mongosh tell them apart, by their names:
# https://github.com/mongodb-js/devtools-shared/tree/main/packages/mongodb-build-info
_BY_HOST = {
    ".cosmos.azure.com": "Azure Cosmos DB",
    ".documents.azure.com": "Azure Cosmos DB",
    ".docdb.amazonaws.com": "Amazon DocumentDB",
    ".docdb-elastic.amazonaws.com": "Amazon DocumentDB",
}
# And by what each, and no MongoDB, has in its answer to `buildInfo`.
_BY_FIELD = {"_t": "Azure Cosmos DB", "ferretdb": "FerretDB", "ferretdbVersion": "FerretDB"}


def refuse_unsuitable(hosts: Iterable[str], built: Mapping[str, Any]) -> None:
    """Raise `ServiceUnavailable` for a server that cannot be used.

    ``hosts`` are the names by which it is known, ``built`` is what it answered to `buildInfo`.
    """
    names = [host.rstrip(".").lower() for host in hosts]
    other = next((_BY_FIELD[field] for field in _BY_FIELD if field in built), None) or next(
        (_BY_HOST[end] for name in names for end in _BY_HOST if name.endswith(end)), None
    )
    if other is not None:
        raise ServiceUnavailable(
            f"MONGO_URI leads to {other}, which is no MongoDB and lacks what is needed: name a "
            "MongoDB 5.0 or newer, or unset MONGO_URI for an embedded server"
        )
    if tuple(built.get("versionArray", OLDEST))[:2] < OLDEST:
        raise too_old(f"it is of version {built.get('version')}")


def too_old(why: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"MongoDB 5.0 or newer is needed in MONGO_URI, one that pymongo can talk to: {why}"
    )
