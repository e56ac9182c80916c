"""What stands in Redis for a licence, and under which key. Never the token itself."""

import hashlib

from rankspider.anchors.keys import Keys

_BYTES = 6


def fingerprint(token: str) -> str:
    """12 hex digits, the same in every worker, from which no token can be had back."""
    raw = token.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(raw, digest_size=_BYTES, person=b"rank licence").hexdigest()


def licences_key(keys: Keys) -> str:
    """HASH: fingerprint → record, and ``pace`` and ``circuit``; all msgpack, the script's own.

    In the queue's Redis Cluster slot.
    """
    stem, _, _ = keys.leases.rpartition(":")
    return f"{stem}:licences"
