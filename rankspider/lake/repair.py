"""Bring what is derived up to its history, after a worker was cut off between the two.

A worker writes an item's history first. One that is killed before the rest is durable leaves a
standing or a profile that nothing but its history tells of; the anchor comes
back, but what it brings then may be newer.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from rankspider.lake import collections
from rankspider.lake.collections import Document
from rankspider.lake.documents import standing_now
from rankspider.lake.pending import WriteRefused
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer

logger = logging.getLogger(__name__)

Database = AsyncDatabase[dict[str, Any]]

# What was cut off is of the hour, or of the one before if that turned in the meantime.
_HOURS = 2
_LOOKED_UP = 100


async def repair_lake(database: Database, writer: Writer) -> int:
    """Bring `ranks` and `users` of the lake's two latest hours up to the histories.

    Return how many of their documents were behind; some may have been on their way there by
    another worker. Raises `pymongo.errors.PyMongoError` where the lake cannot be read; may be
    called again then.
    """
    # What can be rolled back yet is not told from what is there.
    database = database.with_options(read_concern=ReadConcern("majority"))
    hours = await _latest_hours(database)
    if not hours:
        return 0
    count = 0
    for hour in hours:
        begin = int(hour.timestamp())
        ids = {"_id": {"$gte": f"{begin}/", "$lt": f"{begin}0"}}  # 0 comes after /
        fields = ["rank", "listed", "score", "first_observed_at", "revision"]
        standings = database[collections.RANK_HISTORY].find(ids, fields)
        count += await _bring_up(database, writer, standings, 6, _fold_standings)
    recent = {"first_observed_at": {"$gte": min(hours)}}
    users = database[collections.USER_HISTORY].find(recent, ["first_observed_at", "revision"])
    count += await _bring_up(database, writer, users, 1, _fold_users)
    return count


async def _latest_hours(database: Database) -> list[dt.datetime]:
    hours: list[dt.datetime] = []
    earlier: Document = {}
    while len(hours) < _HOURS:
        found = await database[collections.RANK_HISTORY].find_one(
            earlier, ["begin_time"], sort=[("begin_time", -1)]
        )
        if found is None:
            break
        hours.append(found["begin_time"])
        earlier = {"begin_time": {"$lt": hours[-1]}}
    return hours


async def _bring_up(
    database: Database,
    writer: Writer,
    history: AsyncCursor[Document],
    id_parts: int,
    fold: Callable[[str, list[Document]], Write],
) -> int:
    """Bring up the documents that follow from ``history``; return how many were behind.

    ``id_parts``: how many parts of an id in the history are the id in the collection that follows
    from it; ``fold``: the bounds that some documents of one such id come to.
    """
    count = 0
    while documents := await history.to_list(_LOOKED_UP):  # looked up by their ids at once
        groups: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            groups["/".join(document["_id"].split("/")[:id_parts])].append(document)
        newest = {key: max(same, key=itemgetter("revision")) for key, same in groups.items()}
        bounds = {key: fold(key, same) for key, same in groups.items()}
        some = next(iter(bounds.values()))
        derived = database[some.collection]
        found = derived.find({"_id": {"$in": [*newest]}}, ["revision", *some.bounds])
        stored = {document["_id"]: document async for document in found}
        behind = {
            newest[key]["_id"]: key
            for key in newest
            if _is_behind(stored.get(key), bounds[key], newest[key]["revision"])
        }
        whole = history.collection.find({"_id": {"$in": [*behind]}})
        writes = [standing_now(each, bounds[behind[each["_id"]]]) async for each in whole]
        try:
            await writer.write(*writes)
        except WriteRefused as refused:  # the others are stored
            logger.warning("A document stays behind its history: %s", refused)
        count += len(writes)
    return count


def _is_behind(stored: Document | None, bounds: Write, revision: str) -> bool:
    if stored is None or stored["revision"] < revision:
        return True
    falls = any(value < stored[name] for name, value in bounds.least.items())
    rises = any(value > stored[name] for name, value in bounds.most.items())
    best = bounds.best_rank or 0
    return falls or rises or (best > 0 and not 0 < stored["best_rank"] <= best)


def _fold_standings(key: str, documents: list[Document]) -> Write:
    ranks = [each["rank"] for each in documents if each["rank"] and each["listed"]]
    return Write(
        collections.RANKS,
        key,
        None,
        least={"first_observed_at": min(each["first_observed_at"] for each in documents)},
        most={"peak_score": max(each["score"] for each in documents)},
        best_rank=min(ranks, default=0),
    )


def _fold_users(key: str, documents: list[Document]) -> Write:
    first = min(each["first_observed_at"] for each in documents)
    return Write(collections.USERS, key, None, {"first_observed_at": first})
