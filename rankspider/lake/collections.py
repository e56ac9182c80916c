"""Every collection and index of the lake, each named once."""

from typing import Any

from pymongo import DESCENDING, IndexModel

Document = dict[str, Any]

RANKS = "ranks"
RANK_HISTORY = "rank_history"
USERS = "users"
USER_HISTORY = "user_history"
SNAPSHOTS = "snapshots"
# When each state of `snapshots` was seen, again and again: a state may come back, which its own
# interval does not tell. The first and the last in each ten seconds.
SIGHTINGS = "sightings"
# Each call that was made, as it ended: see `rankspider.lake.call`.
CALLS = "calls"
REJECTED = "rejected"
# The anchors of the watch list: see `rankspider.watch.watch_list`. Not what was collected, but what
# people want collected; Redis has a copy, with the turns.
WATCHED = "watched"
# What the lake says of itself: its version (`rankspider.lake.version`).
META = "meta"
# Answers as they came, with RANK_ARCHIVE=1: see `rankspider.archive`.
ARCHIVE = "archive"
# What archived answers need beside their own document: an earlier answer that they were
# compressed against, or a piece of one too long for a document.
ARCHIVE_BASES = "archive_bases"
OF_THE_ARCHIVE = (ARCHIVE, ARCHIVE_BASES)
# Bucket (GridFS) of what a document has no room for: see `rankspider.lake.overlong`.
OVERLONG = "overlong"
# Begins the names of those that a checkup makes, and removes at once.
TRIAL = "doctor_trial"

NOBODY = "rankspider/nobody"
"""An ``_id`` that no document has."""

WITHOUT_QUARANTINE = (SIGHTINGS, CALLS, REJECTED, *OF_THE_ARCHIVE)
"""Collections whose documents are no records: one that MongoDB refuses can go nowhere else."""

DERIVED = (RANKS, USERS)
"""Collections that follow from others, the histories, and are written after those."""

DATED = {
    RANKS: "begin_time",
    RANK_HISTORY: "begin_time",
    USERS: "observed_at",
    USER_HISTORY: "last_observed_at",
    SNAPSHOTS: "begin_time",
    CALLS: "asked_at",
    REJECTED: "observed_at",
}
"""The time by which a collection's documents have an age."""

_NEWEST_HOUR = ("begin_time", DESCENDING)
INDEXES: dict[str, list[IndexModel]] = {
    RANKS: [
        IndexModel([_NEWEST_HOUR, "rank"], name="hour_place"),
        IndexModel([_NEWEST_HOUR, "best_rank"], name="hour_best"),
        IndexModel(["user_id", _NEWEST_HOUR], name="user_hour"),
    ],
    RANK_HISTORY: [
        IndexModel(["user_id", _NEWEST_HOUR, "first_observed_at"], name="user_hour_time"),
        IndexModel([_NEWEST_HOUR, "first_observed_at"], name="hour_time"),
    ],
    USERS: [
        IndexModel("sec_uid", name="sec_uid"),
        IndexModel("short_id", name="short_id"),
        IndexModel("display_id", name="display_id"),
        IndexModel("nickname", name="nickname"),
        IndexModel("observed_at", name="time"),
    ],
    USER_HISTORY: [
        IndexModel(["user_id", "first_observed_at"], name="user_time"),
        IndexModel("first_observed_at", name="time"),
        IndexModel("display_id", name="display_id"),
        IndexModel("nickname", name="nickname"),
    ],
    SNAPSHOTS: [IndexModel([_NEWEST_HOUR, "first_observed_at"], name="hour_time")],
    SIGHTINGS: [IndexModel([_NEWEST_HOUR, "observed_at"], name="hour_time")],
    CALLS: [
        IndexModel([_NEWEST_HOUR, "observed_at"], name="hour_time"),
        IndexModel(["user_id", "observed_at"], name="user_time"),
        IndexModel("asked_at", name="asked"),
        IndexModel(["anchor", "asked_at"], name="anchor_asked"),
    ],
    REJECTED: [
        IndexModel(["reason", ("observed_at", DESCENDING)], name="reason_time"),
        IndexModel(["anchor", ("observed_at", DESCENDING)], name="anchor_time"),
        IndexModel("observed_at", name="time"),
    ],
    WATCHED: [IndexModel(["queue", "number"], name="queue_number")],
    f"{OVERLONG}.chunks": [IndexModel(["files_id", "n"], name="files_id_n", unique=True)],
}
_EXPIRY = IndexModel("expires_at", name="expiry", expireAfterSeconds=0)
ARCHIVE_INDEXES: dict[str, list[IndexModel]] = {
    ARCHIVE: [
        IndexModel(["anchor", "observed_at"], name="anchor_time"),
        IndexModel(["begin_time", "observed_at"], name="hour_time"),
        IndexModel("observed_at", name="time"),
        _EXPIRY,
    ],
    ARCHIVE_BASES: [_EXPIRY],
}
