"""Compress answers, alone or as the difference from an earlier answer of the same list."""

import hashlib
import sys

from rankspider.errors import ArchiveDamaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Half the bytes of level 3 for twice its time, which is still 1 to 2 ms for an answer of 430 KB.
_LEVEL = 5
# A window over both the base and the answer lets every byte of the base be referred to. 27 is
# what zstd's readers accept by default.
_LEAST_WINDOW_LOG, _MOST_WINDOW_LOG = 20, 27


def digest_of_body(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Base:
    """An answer that later answers of the same list are compressed against.

    Compressing against it costs 4 KB where the mirrors' hosts alone differ in a list of 100 rows,
    which by itself takes 21 KB.
    """

    def __init__(self, body: bytes) -> None:
        self.dictionary = zstd.ZstdDict(body, is_raw=True)
        self._size = len(body)

    def compressed(self, body: bytes) -> bytes:
        """Return ``body`` as bytes that only this base can restore; this has been tried."""
        window = max((self._size + len(body)).bit_length(), _LEAST_WINDOW_LOG)
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: _LEVEL,
            zstd.CompressionParameter.window_log: min(window, _MOST_WINDOW_LOG),
        }
        # Digested: the base is indexed once for all that follow.
        dictionary = self.dictionary.as_digested_dict
        return _tried(body, zstd.compress(body, options=options, zstd_dict=dictionary), self)


def compressed(body: bytes) -> bytes:
    """Return ``body`` as bytes that need nothing else to be restored; this has been tried."""
    return _tried(body, zstd.compress(body, _LEVEL), None)


def restored(data: bytes, base: Base | None) -> bytes:
    """Return the answer that ``data`` was made of. Raises `ArchiveDamaged`."""
    try:
        return zstd.decompress(data, zstd_dict=None if base is None else base.dictionary)
    except zstd.ZstdError as error:
        raise ArchiveDamaged(f"an archived answer cannot be decompressed: {error}") from None


def _tried(body: bytes, data: bytes, base: Base | None) -> bytes:
    """Return ``data`` once ``body`` was restored from it: after the acknowledgement nobody else has
    the answer."""
    if restored(data, base) != body:
        raise ArchiveDamaged("zstd does not bring back what it was given; try another version")
    return data
