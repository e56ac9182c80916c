"""Bodies that are inflated here, and those that are left to Scrapy."""

import gzip
import zlib

import pytest

from rankspider.endpoint.inflate import inflated

CONTENT = b'{"data": {"ranks": [' + b"1, " * 100_000 + b"1]}}"
SOUND = gzip.compress(CONTENT)


def test_a_sound_gzip_stream_is_inflated() -> None:
    assert inflated(SOUND, len(CONTENT) + 1) == CONTENT


@pytest.mark.parametrize(
    "odd",
    [
        SOUND[:-1],
        SOUND[: len(SOUND) // 2],
        SOUND + b"\0",
        SOUND + SOUND,
        SOUND[:-5] + bytes([SOUND[-5] ^ 1]) + SOUND[-4:],
        zlib.compress(CONTENT),
        CONTENT,
        b"",
    ],
    ids=["cut", "half", "more", "two", "checksum", "deflate", "plain", "nothing"],
)
def test_whatever_else_is_left_to_scrapy(odd: bytes) -> None:
    assert inflated(odd, 1 << 30) is None


def test_what_is_too_long_is_left_to_scrapy() -> None:
    assert inflated(SOUND, len(CONTENT)) is None
    assert inflated(gzip.compress(bytes(50_000_000)), 1000) is None
