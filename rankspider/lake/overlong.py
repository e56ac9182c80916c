"""Documents over MongoDB's 16 MB: what has no room goes to GridFS, and the document says where."""

import contextlib
import datetime as dt
import hashlib
from typing import Any

import bson
from bson import json_util
from gridfs.asynchronous import AsyncGridFSBucket
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from rankspider.lake import collections
from rankspider.lake.collections import Document

# A document may have 16 MiB; the update around it needs room too.
ROOM_BYTES = 15 * 1024 * 1024
# A multiple of a page, with room for the chunk's own fields in what MongoDB allocates.
CHUNK_BYTES = 255 * 1024
_READING = json_util.JSONOptions(tz_aware=True)


async def fitted(database: AsyncDatabase[dict[str, Any]], content: Document) -> Document:
    """Return a copy of ``content`` that fits, its longest fields durable in GridFS instead.

    The fields moved away stand there as null and are named in ``overlong.fields``;
    ``overlong.file`` is the ``_id`` of the file, in the bucket ``overlong``, that holds them as
    MongoDB Extended JSON.
    """
    moved: Document = {}
    fitting = dict(content)
    for name in sorted(content, key=lambda name: -len(bson.encode({name: content[name]}))):
        moved[name], fitting[name] = content[name], None
        if len(bson.encode(fitting)) <= ROOM_BYTES:
            break
    fitting["overlong"] = {"file": await _keep(database, moved), "fields": sorted(moved)}
    return fitting


async def _keep(database: AsyncDatabase[dict[str, Any]], fields: Document) -> str:
    """Store ``fields`` as a GridFS file named by its content, whoever else does so just now."""
    text = json_util.dumps(fields, sort_keys=True).encode()
    file_id = hashlib.sha256(text).hexdigest()
    chunks = database[f"{collections.OVERLONG}.chunks"]
    for n, start in enumerate(range(0, len(text), CHUNK_BYTES)):
        chunk = {"files_id": file_id, "n": n, "data": text[start : start + CHUNK_BYTES]}
        await _put(chunks, f"{file_id}/{n}", chunk)
    # Last, so that a file that is there is whole.
    described = {
        "filename": f"{file_id}.json",
        "length": len(text),
        "chunkSize": CHUNK_BYTES,
        "uploadDate": dt.datetime.now(dt.UTC),
    }
    await _put(database[f"{collections.OVERLONG}.files"], file_id, described)
    return file_id


async def _put(collection: AsyncCollection[dict[str, Any]], id_: str, content: Document) -> None:
    with contextlib.suppress(DuplicateKeyError):  # brought by another at this moment
        await collection.update_one({"_id": id_}, {"$setOnInsert": content}, upsert=True)


async def whole(database: AsyncDatabase[dict[str, Any]], document: Document) -> Document:
    """Return ``document`` with what `fitted` moved away back in its place."""
    overlong = document.get("overlong")
    if overlong is None:
        return document
    bucket = AsyncGridFSBucket(database, bucket_name=collections.OVERLONG)
    stream = await bucket.open_download_stream(overlong["file"])
    fields: Document = json_util.loads(await stream.read(), json_options=_READING)
    return {**document, **fields}
