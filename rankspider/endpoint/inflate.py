"""Gzip, as nearly every answer comes, inflated in half the time that Scrapy takes."""

from zlib_ng import zlib_ng

_GZIP = 31  # zlib's number for it, with the largest window


def inflated(body: bytes, limit: int) -> bytes | None:
    """``body``, one sound gzip stream and nothing else, inflated.

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
