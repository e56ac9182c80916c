"""The connection to MongoDB."""

from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import ConfigurationError as UriError
from pymongo.errors import OperationFailure, PyMongoError

from rankspider.connections.mongo_errors import why_unreachable
from rankspider.errors import ConfigurationError, ServiceUnavailable

# An acknowledgement by less than a majority can be rolled back, and one before the journal is
# written can be lost with the process.
_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "tz_aware": True,
    "appname": "rankspider",
    # A server that vanished without a word would hold a write for as long as TCP does.
    "socketTimeoutMS": 60_000,
    # Less than that: else a server without its majority would wait on for each write that was
    # given up here, and be sent the next.
    "wTimeoutMS": 50_000,
}
_CHECK_MILLISECONDS = 5000


def connect(uri: str) -> AsyncMongoClient[dict[str, Any]]:
    """A client that belongs to the running loop; it connects when it is first used."""
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=_CHECK_MILLISECONDS, **_OPTIONS)


def connect_blocking(uri: str) -> MongoClient[dict[str, Any]]:
    """The same for commands, which read a few documents and end."""
    return MongoClient(uri, serverSelectionTimeoutMS=_CHECK_MILLISECONDS, **_OPTIONS)


def check(uri: str) -> None:
    """Raise `ServiceUnavailable` or `ConfigurationError` unless MongoDB answers at ``uri``.

    No message repeats ``uri``, which may hold a password.
    """
    try:
        with connect_blocking(uri) as client:
            client.admin.command("ping")
    except (UriError, ValueError) as error:  # plain ones, for a port that is no number
        raise ConfigurationError(f"MONGO_URI cannot be used: {error}") from None
    except OperationFailure as error:
        raise ServiceUnavailable(
            f"MongoDB refused the connection ({error.code}): check the user, the password and "
            "the authSource in MONGO_URI"
        ) from None
    except PyMongoError as error:
        raise ServiceUnavailable(
            f"MongoDB cannot be reached within {_CHECK_MILLISECONDS // 1000} s "
            f"({why_unreachable(error)}): start it, mend MONGO_URI, or unset MONGO_URI for an "
            "embedded server"
        ) from None
