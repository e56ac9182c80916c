"""Tell by the ids of its collections whether a lake is still the one that was opened."""

import hashlib
from collections.abc import Iterable

from pymongo.asynchronous.database import AsyncDatabase

from rankspider.errors import RankspiderError
from rankspider.lake.collections import OF_THE_ARCHIVE, OVERLONG, WATCHED, Document
from rankspider.lake.validators import SCHEMAS

# What no worker writes without, and each makes when it opens a lake.
_EVERY_LAKE = (*(name for name in SCHEMAS if name != WATCHED), f"{OVERLONG}.chunks")


class LakeReplaced(RankspiderError):
    """Raised when a lake was replaced: what was concluded from the one before counts for
    nothing."""

    def __init__(self) -> None:
        super().__init__("the lake was dropped meanwhile: its anchor is asked again")


def names_of(*, has_archive: bool) -> tuple[str, ...]:
    """Return the names of the collections that a worker relies on."""
    return (*_EVERY_LAKE, *OF_THE_ARCHIVE) if has_archive else _EVERY_LAKE


async def collection_ids(database: AsyncDatabase[Document], names: Iterable[str]) -> dict[str, str]:
    """Return the collections' ids by name. A collection that is dropped and made anew, by a write
    too, has another."""
    wanted = {"name": {"$in": [*names]}}
    found = await database.list_collections(filter=wanted)
    return {each["name"]: str(each["info"].get("uuid")) async for each in found}


def identity_of(ids: dict[str, str]) -> str:
    """Return what tells a lake from every other, and from itself before it was dropped."""
    own = [f"{name}={ids.get(name)}" for name in _EVERY_LAKE]
    return hashlib.blake2b("\n".join(own).encode(), digest_size=16).hexdigest()
