"""Tell what an error of MongoDB's means to whoever writes. No other module knows.

``docs/mongodb.md`` has the same as a table, which a test holds against this module. The codes:
https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
"""

from collections.abc import Mapping
from traceback import walk_tb
from typing import Any

from bson.errors import InvalidBSON
from pymongo.errors import (
    ConfigurationError,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

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
_OF_THE_USER = frozenset((11, 13, 18, 391, 8000))
# Nobody may enter or write, the server is none to work with, or what is asked for cannot be: a
# worker that starts says so and ends.
_IN_VAIN = {
    *_OF_THE_USER,
    20,
    *(code for code, remedy in REMEDIES.items() if remedy is _LACKS),
    *OF_ONE_DOCUMENT,
    *_OF_INDEXES,
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
    """Return whether the server, or what lies on the way there, is at fault rather than the call:
    it failed, is out of reach, or answered what the driver cannot read."""
    if isinstance(error, PyMongoError):
        return not isinstance(error, InvalidOperation)
    return isinstance(error, InvalidBSON) or _is_of_a_broken_reply(error)


def is_away_at_start(error: Exception) -> bool:
    """Return whether a worker that starts should wait for the server; nothing waits to be stored
    yet."""
    if isinstance(error, ConfigurationError):
        return False
    if isinstance(error, OperationFailure) and _asks_for_another(error):
        return True
    return is_away(error) and _code_of(error) not in _IN_VAIN


def is_of_user(error: OperationFailure) -> bool:
    """Return whether the user of MONGO_URI is not let in."""
    return _code_of(error) in _OF_THE_USER


def may_be_one_document(error: OperationFailure | DocumentTooLarge) -> bool:
    """Return whether a command that failed as a whole may have failed for one of its documents."""
    if isinstance(error, DocumentTooLarge):
        return True
    return _code_of(error) in OF_ONE_DOCUMENT and not _asks_for_another(error)


def is_race(entry: Mapping[str, Any]) -> bool:
    """Return whether ``entry`` of ``writeErrors`` is about a document that another made just
    now."""
    return _code_in(entry) == DUPLICATE_KEY and [*entry.get("keyPattern", ["_id"])] == ["_id"]


def is_refusal(entry: Mapping[str, Any]) -> bool:
    """Return whether MongoDB will never take the document that ``entry`` of ``writeErrors`` is
    about."""
    code = _code_in(entry)
    return not is_race(entry) if code == DUPLICATE_KEY else code in OF_ONE_DOCUMENT


def server_message(error: Exception) -> str:
    """Return what the server said, for a log: code, name and message, and what mends it. No
    password."""
    remedy = remedy_of(error)
    return f"{words_of(error)}; to mend it, {remedy}" if remedy else words_of(error)


def remedy_of(error: Exception) -> str | None:
    """Return what mends it, where that is known."""
    return REMEDIES.get(_code_of(error) or 0)


def words_of(error: Exception) -> str:
    """Return the server's own words: code, name and message. No password."""
    details = getattr(error, "details", None)
    if isinstance(details, Mapping) and "errmsg" in details:
        code = _code_in(details)
        name = details.get("codeName") or OF_ONE_DOCUMENT.get(code or 0)
        head = " ".join(str(each) for each in (code, name) if each is not None)
        text = _message(str(details["errmsg"]))
        return f"{head}: {text}" if head else text
    text = f"{type(error).__name__}: {_message(str(error).partition(', full error:')[0])}"
    return text if isinstance(error, PyMongoError) else f"its reply cannot be read: {text}"


def refused_for_good(collection: str, entry: Mapping[str, Any]) -> NotAbleNow:
    """Return what to wait for if MongoDB refuses a document that has no place in the quarantine:
    only a rule of the operator's own can do that."""
    remedy = f"drop the validator or the unique index of your own from {collection}"
    return NotAbleNow({**entry, "errmsg": f"{why_refused(entry)}; to mend it, {remedy}"})


def why_refused(entry: Mapping[str, Any]) -> str:
    """Return MongoDB's words about one document; the index by name if it is a duplicate there."""
    why = str(entry.get("errmsg"))
    if _code_in(entry) == DUPLICATE_KEY:
        return f"a unique index on {', '.join(entry['keyPattern'])} has its value already: {why}"
    return why


def _code_of(error: Exception) -> int | None:
    return _code_in({"code": getattr(error, "code", None)})


def _code_in(details: Mapping[str, Any]) -> int | None:
    """Return the code; None where there is none, or none that MongoDB would send."""
    code = details.get("code")
    return int(code) if isinstance(code, int | float) else None


def _is_of_a_broken_reply(error: Exception) -> bool:
    """Return whether the driver itself failed: it takes the fields of each reply for granted."""
    if not isinstance(error, LookupError | TypeError | AttributeError):
        return False
    modules = [str(frame.f_globals["__name__"]) for frame, _ in walk_tb(error.__traceback__)]
    return bool(modules) and modules[-1].partition(".")[0] in ("pymongo", "bson")


def _asks_for_another(error: OperationFailure) -> bool:
    return any(map(error.has_error_label, RETRY_LABELS))


def _message(text: str) -> str:
    return discreet(" ".join(text.split()))[:_LONGEST_MESSAGE]
