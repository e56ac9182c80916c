"""Documents over MongoDB's 16 MB: what has no room goes to GridFS, and the document says where."""

import hashlib
from typing import Any

import bson
from bson import json_util
from gridfs import NoFile
from gridfs.asynchronous import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.lake import collections
from rankspider.lake.documents import Document

# A document may have 16 MiB; the update around it needs room too.
ROOM_BYTES = 15 * 1024 * 1024


async def fitted(database: AsyncDatabase[dict[str, Any]], content: Document) -> Document:
    """A copy of ``content`` that fits, its longest fields durable in GridFS instead.

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
    text = json_util.dumps(fields, sort_keys=True).encode()
    file_id = hashlib.sha256(text).hexdigest()
    bucket = AsyncGridFSBucket(database, bucket_name=collections.OVERLONG)
    if await database[f"{collections.OVERLONG}.files"].find_one({"_id": file_id}):
        return file_id
    try:
        await bucket.delete(file_id)  # chunks of an upload that was cut off
    except NoFile:
        pass
    await bucket.upload_from_stream_with_id(file_id, f"{file_id}.json", text)
    return file_id
