"""What an answer says, as plain facts, and the endpoint's log: a JSON line for each call."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct


class ListName(Struct, frozen=True):
    """Which list it is, but for its hour."""

    currency: str
    title: str
    subtitle: str
    city_code: str
    region_name: str


class Profile(Struct, frozen=True):
    """All that changes about a user, or tells one from another."""

    user_id: str
    sec_uid: str
    short_id: int
    display_id: str
    nickname: str
    gender: int
    signature: str
    avatar: str
    level: int


class Row(Struct, frozen=True):
    """A standing, in the list or the asked anchor's own."""

    profile: Profile
    rank: int
    """0: not listed."""
    score: int
    delta: int
    text: str
    """``gap_description``."""
    tags: tuple[str, ...] = ()
    room: str | None = None
    """None: not live."""


class Said(Struct, frozen=True):
    """An answer with a list in it."""

    observed: int
    """``extra.now``, Unix milliseconds."""
    begin: int
    """The start of the hour, Unix seconds."""
    name: ListName
    rows: tuple[Row, ...]
    own: Row | None = None
    """``anchor_info``."""

    def standing_of(self, sec_uid: str | None) -> Row | None:
        """The asked anchor's own standing: its listed row if it is on the list."""
        own = self.own
        ids = {sec_uid, own.profile.sec_uid} if own else {sec_uid}
        return next((row for row in self.rows if row.profile.sec_uid in ids), own)

    @property
    def unlisted(self) -> Row | None:
        """The own row of an anchor that is not on the list."""
        own = self.own
        if own is None or any(row.profile.user_id == own.profile.user_id for row in self.rows):
            return None
        return own


class Line(Struct, frozen=True):
    """One call, in the order of asking."""

    order: int
    anchor: str | None
    token: str
    outcome: str
    """``ok``, or the failure's name as the README lists them."""
    status: int | None
    """HTTP; None where a client may see none."""
    bytes: int | None
    """Of the body; None where a client may see only a part."""
    said: Said | None = None


def write_log(path: Path, lines: Iterable[Line]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read_log(path: Path) -> list[Line]:
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]
