"""JSON that stands in an answer as text, as from a gateway that passes on what it was given."""

from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw

from rankspider.endpoint.body import MOST_ENVELOPES, UNREADABLE

_any = msgspec.json.Decoder()
_fields = msgspec.json.Decoder(dict[str, Raw])
# What an answer is made of; whatever else is text may look like JSON and be meant as text.
_PARTS = ("data", "extra", "ranks", "anchor_info")


def opened(body: bytes, envelopes: int = 0) -> bytes:
    """Return ``body`` with what its parts say in the place of texts that hold it in JSON, and with
    a list that PHP wrote as an object by its places as a list; ``body`` itself if there is none."""
    with suppress(*UNREADABLE):
        value = _any.decode(body)
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            return opened(value.encode(), envelopes)
        if isinstance(value, dict) and envelopes <= MOST_ENVELOPES:
            return _opened_object(body, envelopes)
    return body


def _opened_object(body: bytes, envelopes: int) -> bytes:
    fields = _fields.decode(body)
    parts = {name: bytes(fields[name]) for name in _PARTS if name in fields}
    plain = {name: opened(part, envelopes + 1) for name, part in parts.items()}
    if "ranks" in plain:
        plain["ranks"] = _as_list(plain["ranks"])
    if plain == parts:
        return body
    return msgspec.json.encode({**fields, **{name: Raw(part) for name, part in plain.items()}})


def _as_list(ranks: bytes) -> bytes:
    value: Any = _any.decode(ranks)
    if not isinstance(value, dict) or not value or not all(map(str.isdecimal, value)):
        return ranks
    return msgspec.json.encode([*_fields.decode(ranks).values()])
