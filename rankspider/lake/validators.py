"""Have MongoDB itself insist on the fields that others rely on, typed, in each collection.

A second net under the checks in the code; more fields are always allowed. Whatever may be long may
be null, since what has no room in a document goes to GridFS: see `rankspider.lake.overlong`.
"""

import logging
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from rankspider.items import LIST_FIELDS
from rankspider.lake import collections
from rankspider.lake.kinds import plain_collections

logger = logging.getLogger(__name__)

Schema = dict[str, Any]

_NAMESPACE_EXISTS = 48
_UNAUTHORIZED = 13
_ID: Final = {"bsonType": "string"}
_TEXT: Final = {"bsonType": ["string", "null"]}
_TIME: Final = {"bsonType": "date"}
_TIME_OR_NONE: Final = {"bsonType": ["date", "null"]}
_WHOLE: Final = {"bsonType": ["int", "long"]}
_WHOLE_OR_NONE: Final = {"bsonType": ["int", "long", "null"]}
_NATURAL: Final = {**_WHOLE, "minimum": 0}
_SECONDS: Final = {"bsonType": "number", "minimum": 0}
_FLAG: Final = {"bsonType": "bool"}
_TEXTS: Final = {"bsonType": ["array", "null"], "items": {"bsonType": "string"}}
_MAP: Final = {"bsonType": ["object", "null"]}


def _object(required: Schema, optional: Schema | None = None, *, nullable: bool = False) -> Schema:
    return {
        "bsonType": ["object", "null"] if nullable else "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


_LIST = dict.fromkeys(LIST_FIELDS, _ID)
_HOUR: Final = {"list": _object(_LIST), "begin_time": _TIME}
_NEWEST: Final = {"first_observed_at": _TIME, "observed_at": _TIME}
_INTERVAL: Final = {"first_observed_at": _TIME, "last_observed_at": _TIME}
# Documents of the first release have none.
_FLAGS: Final = {"flags": _TEXTS}
_KEYS: Final = dict.fromkeys(("user_id", "sec_uid"), _ID)
_STANDING: Final = {
    **_HOUR,
    **_KEYS,
    **dict.fromkeys(("rank", "score"), _NATURAL),
    "delta": _WHOLE,
    "gap_description": _TEXT,
    "shop_tags": _TEXTS,
    "room_id": _TEXT,
    "listed": _FLAG,
    "revision": _ID,
}
_PROFILE: Final = {
    **_KEYS,
    "short_id": _WHOLE,
    **dict.fromkeys(("display_id", "nickname"), _TEXT),
    "gender": _WHOLE,
    **dict.fromkeys(("signature", "avatar_uri"), _TEXT),
    "profile": _MAP,
    "revision": _ID,
}
_BESTS: Final = {"best_rank": _NATURAL, "peak_score": _NATURAL}
_STATE: Final = {
    **_HOUR,
    "user_ids": _TEXTS,
    "scores": {"bsonType": ["array", "null"], "items": _NATURAL},
    "delta_time": _WHOLE,
    "revision": _ID,
}
_SIGHTING: Final = {**_HOUR, "state": _ID, "observed_at": _TIME, "revision": _ID}
# Those from before version 2 are of one moment, and have none.
_UNTIL: Final = {"last_observed_at": _TIME}
_CALL: Final = {
    **dict.fromkeys(("purpose", "outcome", "worker"), _ID),
    **dict.fromkeys(("anchor", "user_id", "licence"), _TEXT),
    **dict.fromkeys(("list_state", "standing", "profile"), _TEXT),
    "asked_at": _TIME,
    **dict.fromkeys(("observed_at", "begin_time"), _TIME_OR_NONE),
    "milliseconds": _NATURAL,
    **dict.fromkeys(("status", "bytes"), _WHOLE_OR_NONE),
}
_REJECTED: Final = {
    "kind": {"enum": ["rows", "users", "lists"]},
    **dict.fromkeys(("reason", "payload", "anchor"), _TEXT),
    "revision": _ID,
}
_WATCHED: Final = {
    **dict.fromkeys(("queue", "sec_uid", "label", "by"), _ID),
    **dict.fromkeys(("every", "at_most"), _SECONDS),
    "number": _NATURAL,
    **dict.fromkeys(("steady", "paused"), _FLAG),
    "added_at": _TIME,
}
_TO_TRY_AGAIN: Final = {
    "form": {"enum": ["answer", "item", "text"]},
    "list": _object(_LIST, nullable=True),
    "begin_time": _TIME_OR_NONE,
    "place": _WHOLE_OR_NONE,
}

SCHEMAS: Final[dict[str, Schema]] = {
    collections.RANKS: _object({**_STANDING, **_NEWEST, **_BESTS}, _FLAGS),
    collections.RANK_HISTORY: _object({**_STANDING, **_INTERVAL}, _FLAGS),
    collections.USERS: _object({**_PROFILE, **_NEWEST}),
    collections.USER_HISTORY: _object({**_PROFILE, **_INTERVAL}),
    collections.SNAPSHOTS: _object({**_STATE, **_INTERVAL}, _FLAGS),
    collections.SIGHTINGS: _object(_SIGHTING, _UNTIL),
    collections.CALLS: _object(_CALL),
    collections.REJECTED: _object({**_REJECTED, **_NEWEST}, _TO_TRY_AGAIN),
    collections.WATCHED: _object(_WATCHED),
}


async def ensure_collections(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Make the collections that are missing, and bring the others' validators up to date.

    A validator that is as it should be is left alone: changing one locks its collection. A user
    who may not change them is told so, and goes on without. Raises `CollectionInTheWay`.
    """
    there = await plain_collections(database)
    for name, schema in SCHEMAS.items():
        wanted: Schema = {
            "validator": {"$jsonSchema": schema},
            # What an older version left as it was may stay so.
            "validationLevel": "moderate",
            "validationAction": "error",
        }
        if name not in there:
            await _set(database, "create", name, wanted)
        elif any(there[name].get(option) != value for option, value in wanted.items()):
            await _set(database, "collMod", name, wanted)


async def _set(
    database: AsyncDatabase[dict[str, Any]], command: str, name: str, options: Schema
) -> None:
    try:
        await database.command({command: name, **options})
    except OperationFailure as error:
        if error.code == _NAMESPACE_EXISTS:
            # Another worker was faster, or an older one that knows no validators.
            await _set(database, "collMod", name, options)
        elif error.code == _UNAUTHORIZED:
            logger.warning(
                "The validator of %s cannot be set: grant this user the role dbAdmin on the "
                "database, or start one worker as a user who has it; until then MongoDB itself "
                "checks nothing",
                name,
            )
        else:
            raise
