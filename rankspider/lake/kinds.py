"""Refuse a lake of which a collection is of a kind that cannot hold records."""

from collections.abc import Mapping

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.errors import RankspiderError
from rankspider.lake.collections import ARCHIVE_INDEXES, INDEXES, META, OVERLONG, Document

_NAMES = frozenset((*INDEXES, *ARCHIVE_INDEXES, META, f"{OVERLONG}.files"))


class CollectionInTheWay(RankspiderError):
    """A view or another special collection has the name of one of rankspider's."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}. Drop or rename it and start again")


async def plain_collections(database: AsyncDatabase[Document]) -> dict[str, Document]:
    """Return the options of the lake's collections that are there, by name. Raises
    `CollectionInTheWay`."""
    found = await database.list_collections()
    there = {each["name"]: each async for each in found if each["name"] in _NAMES}
    for name, collection in there.items():
        why = _why_unfit(collection.get("type"), collection.get("options", {}))
        if why is not None:
            raise CollectionInTheWay(name, why)
    return {name: collection.get("options", {}) for name, collection in there.items()}


def _why_unfit(kind: str | None, options: Mapping[str, Document]) -> str | None:
    if kind == "view" or "viewOn" in options:
        return "is a view, which takes no writes"
    if kind == "timeseries" or "timeseries" in options:
        return "is a time-series collection, whose documents cannot be changed one by one"
    if options.get("capped"):
        return "is capped: MongoDB deletes its oldest documents to make room"
    if "collation" in options:
        locale = options["collation"].get("locale")
        return f"compares ids by the collation {locale}, which takes different ones for the same"
    return None
