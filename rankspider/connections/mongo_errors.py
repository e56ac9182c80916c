"""Tell what an error of MongoDB's means to whoever writes. No other module knows.

``docs/mongodb.md`` has the same as a table, which a test holds against this module. The codes:
https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
"""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import ConnectionFailure, DocumentTooLarge, OperationFailure

from rankspider.secrecy import discreet

# Of one document, and never taken back: the closed list of what is a refusal. Whatever is not on it
# is the server not able now.
OF_ONE_DOCUMENT = {
    2: "BadValue",
    9: "FailedToParse",
    14: "TypeMismatch",
    15: "Overflow",  # nested too deep; for the command as a whole
    22: "InvalidBSON",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    54: "NotSingleValueField",
    55: "InvalidDBRef",
    56: "EmptyFieldName",
    57: "DottedFieldName",
    66: "ImmutableField",
    121: "DocumentValidationFailure",
    378: "NonConformantBSON",
    10334: "BSONObjectTooLarge",
    17280: "KeyTooLong",
    17419: "document too large after the update",  # this and the next have no name
    17420: "document too large",
}
# A refusal as well, unless the index is that of `_id`.
DUPLICATE_KEY = 11000
# An index cannot be as it is asked for: no write is answered so.
_OF_INDEXES = frozenset((27, 67, 68, 85, 86, 197))

_LACKS = "name a MongoDB 5.0 or newer in MONGO_URI: this server cannot do what is needed"
_NO_ENTRY = "mend the user, the password or the authSource in MONGO_URI, or the user's account"
_NO_ROOM = "make room on the disk of the server"
_NO_MAJORITY = "start the members of the replica set that are down: a majority must answer"
# What mends it is known, and it does not pass by itself.
REMEDIES = {
    11: _NO_ENTRY,
    13: "grant the user of MONGO_URI the role readWrite on the database",
    18: _NO_ENTRY,
    20: "MongoDB 5.0 or newer is needed; another server may want retryWrites=false in MONGO_URI",
    59: _LACKS,
    61: "shard the collection by _id",
    64: _NO_MAJORITY,
    79: "define the write concern that MONGO_URI names, or name none",
    100: _NO_MAJORITY,
    115: _LACKS,
    166: "drop the view that has the collection's name",
    168: _LACKS,
    238: _LACKS,
    303: _LACKS,
    371: "let users write again: setUserWriteBlockMode",
    391: _NO_ENTRY,
    8000: "on Atlas, raise the quota or free space; or mend the user and the password",
    14031: _NO_ROOM,
    40324: _LACKS,
}
# Nobody may enter or write, or the server is none to work with: a worker that starts says so and
# ends.
_IN_VAIN = {
    *(11, 13, 18, 20, 391, 8000),
    *(code for code, remedy in REMEDIES.items() if remedy is _LACKS),
}

# The server asks for another try, whatever the code.
RETRY_LABELS = (
    "RetryableWriteError",
    "RetryableError",
    "SystemOverloadedError",
    "TransientTransactionError",
)
_LONGEST_MESSAGE = 300


class NotAbleNow(OperationFailure):
    """A write that must wait for the server, which said ``details``: ``code``, ``errmsg`` …"""

    def __init__(self, details: Mapping[str, Any]) -> None:
        super().__init__(details.get("errmsg", ""), details.get("code"), details)


def is_away(error: Exception) -> bool:
    """Return whether the server, rather than the call, is at fault, so that another try is worth
    it."""
    if isinstance(error, OperationFailure) and not isinstance(error, NotAbleNow):
        return error.code not in OF_ONE_DOCUMENT.keys() | _OF_INDEXES or _asks_for_another(error)
    return isinstance(error, ConnectionFailure | NotAbleNow)


def is_away_at_start(error: Exception) -> bool:
    """Return whether a worker that starts should wait for the server; nothing waits to be stored
    yet."""
    return is_away(error) and getattr(error, "code", None) not in _IN_VAIN


def may_be_one_document(error: OperationFailure | DocumentTooLarge) -> bool:
    """Return whether a command that failed as a whole may have failed for one of its documents."""
    if isinstance(error, DocumentTooLarge):
        return True
    return error.code in OF_ONE_DOCUMENT and not _asks_for_another(error)


def is_race(entry: Mapping[str, Any]) -> bool:
    """Return whether ``entry`` of ``writeErrors`` is about a document that another made just
    now."""
    return entry["code"] == DUPLICATE_KEY and [*entry.get("keyPattern", ["_id"])] == ["_id"]


def is_refusal(entry: Mapping[str, Any]) -> bool:
    """Return whether MongoDB will never take the document that ``entry`` of ``writeErrors`` is
    about."""
    if entry["code"] == DUPLICATE_KEY:
        return not is_race(entry)
    return entry["code"] in OF_ONE_DOCUMENT


def server_message(error: Exception) -> str:
    """Return what the server said, for a log: code, name and message, and what mends it. No
    password."""
    remedy = remedy_of(error)
    return f"{words_of(error)}; to mend it, {remedy}" if remedy else words_of(error)


def remedy_of(error: Exception) -> str | None:
    """Return what mends it, where that is known."""
    return REMEDIES.get(getattr(error, "code", None) or 0)


def words_of(error: Exception) -> str:
    """Return the server's own words: code, name and message. No password."""
    details = getattr(error, "details", None)
    details = details if isinstance(details, Mapping) else {}
    code = details.get("code")
    if code is None:
        return f"{type(error).__name__}: {_message(str(error))}"
    name = details.get("codeName") or OF_ONE_DOCUMENT.get(code)
    text = _message(str(details.get("errmsg", "")))
    return f"{code}{f' {name}' if name else ''}: {text}"


def why_refused(entry: Mapping[str, Any]) -> str:
    """Return MongoDB's words about one document; the index by name if it is a duplicate there."""
    if entry["code"] == DUPLICATE_KEY:
        fields = ", ".join(entry["keyPattern"])
        return f"a unique index on {fields} has its value already: {entry['errmsg']}"
    return str(entry["errmsg"])


def _asks_for_another(error: OperationFailure) -> bool:
    return any(map(error.has_error_label, RETRY_LABELS))


def _message(text: str) -> str:
    return discreet(" ".join(text.split()))[:_LONGEST_MESSAGE]
