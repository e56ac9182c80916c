"""Every collection and index of the lake, each named once."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

RANKS = "ranks"
RANK_HISTORY = "rank_history"
USERS = "users"
USER_HISTORY = "user_history"
SNAPSHOTS = "snapshots"
REJECTED = "rejected"
# Bucket (GridFS) of what a document has no room for: see `rankspider.lake.overlong`.
OVERLONG = "overlong"
# One document, the lake's version: see `rankspider.lake.version`.
META = "meta"

DATED = {
    RANKS: "begin_time",
    RANK_HISTORY: "begin_time",
    USERS: "observed_at",
    USER_HISTORY: "last_observed_at",
    SNAPSHOTS: "begin_time",
    REJECTED: "observed_at",
}
"""The time by which a collection's documents have an age."""

_INDEXES: dict[str, list[IndexModel]] = {
    RANKS: [
        IndexModel([("begin_time", DESCENDING), ("rank", ASCENDING)], name="hour_place"),
        IndexModel([("user_id", ASCENDING), ("begin_time", DESCENDING)], name="user_hour"),
        IndexModel([("sec_uid", ASCENDING), ("begin_time", DESCENDING)], name="sec_uid_hour"),
    ],
    RANK_HISTORY: [
        IndexModel(
            [("user_id", ASCENDING), ("begin_time", DESCENDING), ("first_observed_at", ASCENDING)],
            name="user_hour_time",
        ),
        IndexModel(
            [("begin_time", DESCENDING), ("first_observed_at", ASCENDING)], name="hour_time"
        ),
    ],
    USERS: [
        IndexModel([("sec_uid", ASCENDING)], name="sec_uid"),
        IndexModel([("display_id", ASCENDING)], name="display_id"),
        IndexModel([("nickname", ASCENDING)], name="nickname"),
    ],
    USER_HISTORY: [
        IndexModel([("user_id", ASCENDING), ("first_observed_at", ASCENDING)], name="user_time"),
    ],
    SNAPSHOTS: [
        IndexModel(
            [("begin_time", DESCENDING), ("first_observed_at", ASCENDING)], name="hour_time"
        ),
    ],
    REJECTED: [
        IndexModel([("reason", ASCENDING), ("observed_at", DESCENDING)], name="reason_time"),
    ],
    f"{OVERLONG}.chunks": [
        IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], name="files_id_n", unique=True),
    ],
}


async def ensure_indexes(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Make the indexes that are missing; making one that is there changes nothing."""
    for collection, indexes in _INDEXES.items():
        await database[collection].create_indexes(indexes)
