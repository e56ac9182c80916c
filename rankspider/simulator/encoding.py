"""Bodies compressed as servers do, and bodies that inflate beyond all measure."""

import sys
import zlib
from collections.abc import Callable
from typing import Final

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOMB_BYTES: Final = 256 * 1024 * 1024
_CHUNK: Final = b" " * (1024 * 1024)
_LEVEL: Final = 1


def compressed(body: bytes, encoding: str) -> bytes:
    """Return ``body`` as ``br`` or ``zstd``."""
    if encoding == "br":
        return bytes(brotli.compress(body, quality=_LEVEL))
    return bytes(zstd.compress(body, _LEVEL))


def bomb(encoding: str) -> bytes:
    """Return some KB that inflate to 256 MB of blanks; never in memory as a whole."""
    feed, finish = _compressor(encoding)
    chunks = [feed(_CHUNK) for _ in range(BOMB_BYTES // len(_CHUNK))]
    return b"".join([*chunks, finish()])


def _compressor(encoding: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    if encoding == "gzip":
        gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        return gzip.compress, gzip.flush
    if encoding == "br":
        br = brotli.Compressor(quality=_LEVEL)
        return br.process, br.finish
    frame = zstd.ZstdCompressor(_LEVEL)
    return frame.compress, frame.flush
