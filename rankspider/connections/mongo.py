"""The connection to MongoDB."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import ConfigurationError as UriError
from pymongo.errors import OperationFailure

from rankspider.connections.mongo_errors import is_away, is_of_user, server_message
from rankspider.connections.mongo_kind import refuse_unsuitable, too_old
from rankspider.connections.reach import why
from rankspider.errors import ConfigurationError, ServiceUnavailable

# An acknowledgement by less than a majority can be rolled back, and one before the journal is
# written can be lost with the process.
_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "tz_aware": True,
    "appname": "rankspider",
    # Less than WRITE_SECONDS: else a server without its majority would wait on for each write that
    # was given up here, and be sent the next.
    "wTimeoutMS": 50_000,
}
_CHECK_MILLISECONDS = 5000
_UNAUTHORIZED = 13
_IS_NOBODY = "requires authentication"
WRITE_SECONDS = 60.0
"""How long an answer may take: a server that vanished without a word would hold a write for as long
as TCP does."""
LONG_SECONDS = 12 * 3600.0
"""The same for what reads much of a large lake, or waits for an index."""


def connect(uri: str, *, answers_within: float = WRITE_SECONDS) -> AsyncMongoClient[dict[str, Any]]:
    """Return a client that belongs to the running loop; it connects when it is first used."""
    return AsyncMongoClient(uri, **_options(answers_within))


def connect_blocking(
    uri: str, *, answers_within: float = LONG_SECONDS
) -> MongoClient[dict[str, Any]]:
    """Return a blocking client, for commands, most of which read."""
    return MongoClient(uri, **_options(answers_within))


def _options(answers_within: float) -> dict[str, Any]:
    return {
        **_OPTIONS,
        "serverSelectionTimeoutMS": _CHECK_MILLISECONDS,
        "socketTimeoutMS": int(answers_within * 1000),
    }


@contextmanager
def answering() -> Iterator[None]:
    """Raise `ServiceUnavailable` for whatever MongoDB fails with meanwhile."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise ServiceUnavailable(f"MongoDB did not answer ({server_message(error)})") from None


def check(uri: str) -> None:
    """Raise `ServiceUnavailable` or `ConfigurationError` unless MongoDB answers at ``uri``.

    No message repeats ``uri``, which may hold a password.
    """
    refuse_unsuitable(_hosts(uri), {})  # before pymongo, which only warns of them
    try:
        # pymongo only warns of an option that it does not know, and does without it.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            client = connect_blocking(uri, answers_within=WRITE_SECONDS)
    except (UriError, ValueError, UserWarning) as error:  # plain ones for a port that is no number
        raise ConfigurationError(f"MONGO_URI cannot be used: {error}") from None
    except OSError as error:
        raise ConfigurationError(
            f"MONGO_URI names the file {error.filename}, which cannot be read: {error.strerror}"
        ) from None
    with client:
        try:
            # Needs no rights. Behind a tunnel, members have names of their own.
            hello, built = (client.admin.command(name) for name in ("hello", "buildInfo"))
            members = [*hello.get("hosts", ()), hello.get("me", "")]
            refuse_unsuitable([member.partition(":")[0] for member in members], built)
            # Unlike a ping, it wants a login where there are users.
            client.admin.command("listDatabases", nameOnly=True, authorizedDatabases=True)
        except OperationFailure as error:
            # Whoever is somebody may lack the right to list databases, and need none.
            if error.code != _UNAUTHORIZED or _IS_NOBODY in str(error).lower():
                raise _refused(error) from None
        except UriError as error:  # of another protocol than pymongo's
            raise too_old(str(error)) from None
        except Exception as error:
            if not is_away(error):
                raise
            raise ServiceUnavailable(
                f"MongoDB cannot be reached within {_CHECK_MILLISECONDS // 1000} s "
                f"({type(error).__name__}: {_why(client, error)}): start it, mend MONGO_URI, or "
                "unset MONGO_URI for an embedded server"
            ) from None


def _hosts(uri: str) -> list[str]:
    places = re.split("[/?]", uri.rpartition("@")[2].rpartition("://")[2])[0]
    return [place.partition(":")[0] for place in places.split(",")]


def _refused(error: OperationFailure) -> ServiceUnavailable:
    if error.code == _UNAUTHORIZED:
        return ServiceUnavailable(
            "MongoDB wants a user and a password, and none is given: write "
            "MONGO_URI=mongodb://USER:PASSWORD@host:port/"
        )
    if not is_of_user(error):
        return ServiceUnavailable(f"MongoDB cannot serve now ({server_message(error)}): try again")
    return ServiceUnavailable(
        f"MongoDB refused the connection ({error.code}): check the user, the password and "
        "the authSource in MONGO_URI"
    )


def _why(client: MongoClient[dict[str, Any]], error: Exception) -> str:
    """Return what is wrong with each server that cannot be had, or with what they are together."""
    servers = client.topology_description.server_descriptions().values()
    errors = [why(server.error) for server in servers if server.error is not None]
    if errors:
        return "; ".join(errors)
    return str(error).partition(", Topology Description")[0]
