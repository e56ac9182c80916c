"""Gzip, as nearly every answer comes, inflated in half the time that Scrapy takes."""

import gzip
import io
import zlib

from zlib_ng import zlib_ng

_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 18
_GZIP = 31  # zlib's number for it, with the largest window


def inflated(body: bytes, limit: int) -> bytes | None:
    """Return ``body``, one sound gzip stream and nothing else, inflated.

    None if it is anything else or comes to ``limit`` bytes or more: then it is for Scrapy's own
    middleware, which puts up with more and says what is wrong.
    """
    inflater = zlib_ng.decompressobj(_GZIP)
    try:
        content = inflater.decompress(body, limit)
    except zlib_ng.error:  # type: ignore[misc]  # its stub gives an instance
        return None
    if not inflater.eof or inflater.unused_data or len(content) >= limit:
        return None
    return content


def is_damaged(body: bytes, limit: int) -> bool:
    """Return whether ``body`` begins as gzip and is not whole, or not what was compressed. What is
    sound so far at ``limit`` bytes is looked at no further."""
    if not body.startswith(_MAGIC):
        return False
    seen = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            while seen < limit and (chunk := file.read1(_CHUNK_BYTES)):
                seen += len(chunk)
    except (OSError, EOFError, zlib.error):
        return True
    return False
