"""The simulated rank endpoint without its network: who asks, and what the answer is."""

import zlib
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import encode

from rankspider.simulator.anchors import Anchor
from rankspider.simulator.clock import Clock, PaceByAnswers, PaceBySeconds, seconds_left
from rankspider.simulator.profile import Profile, at_mirrors, with_mirrors
from rankspider.simulator.rendered_list import (
    CURRENCY,
    VARIANTS,
    Presentation,
    RenderedList,
    row_end,
    unlisted_row_end,
)
from rankspider.simulator.style import Style, end_of
from rankspider.simulator.world import Standing, World

_GZIP_START: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_UINT32: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class HonestAnswer:
    """One honest answer; ``standing`` is the asked anchor's, None for the list alone.

    It is put into words when they are asked for: ``wrapped`` in an envelope or bare, in a style.
    """

    now_ms: int
    rendered: RenderedList
    standing: Standing | None
    variant: int
    tail: bytes

    def body(self, wrapped: bool, style: Style = "compact") -> bytes:
        """Return the JSON."""
        presentation = Presentation.of_call(wrapped, style, self.variant)
        return self.rendered.head(self.variant, presentation) + self._tail(presentation)

    def gzipped(self, wrapped: bool, style: Style = "compact") -> bytes:
        """Return the same compressed; the shared part only once for each variant."""
        presentation = Presentation.of_call(wrapped, style, self.variant)
        shared = self.rendered.deflated(self.variant, presentation)
        tail = self._tail(presentation)
        deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        blocks = deflate.compress(tail) + deflate.flush()
        checksum = zlib.crc32(tail, shared.checksum)
        size = (shared.size + len(tail)) & _UINT32
        trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
        return b"".join((_GZIP_START, shared.blocks, blocks, trailer))

    def _tail(self, presentation: Presentation) -> bytes:
        tail = self.tail + b"}" if presentation.wrapped else self.tail
        return end_of(presentation.opening, tail, *presentation[1:])


class RankEndpoint:
    """Answers from a world, by a clock, at a pace."""

    def __init__(self, world: World, clock: Clock, pace: PaceBySeconds | PaceByAnswers) -> None:
        self._world = world
        self._clock = clock
        self._pace = pace
        self._calls = 0
        self._rendered: RenderedList | None = None
        self._hour = 0
        self._listed: dict[int, Profile] = {}

    def answer(self, sec_uid: str | None) -> HonestAnswer:
        """Return the answer to a call now; without ``sec_uid`` it has no ``anchor_info``."""
        now_ms = self._clock.now_ms()
        rendered = self._current(now_ms)
        self._calls += 1
        standing, row = None, b""
        if sec_uid is not None:
            anchor = self._world.find(sec_uid)
            standing = rendered.listing.standing_of(anchor)
            row = b',"anchor_info":' + self._own_row(anchor, standing, rendered)
        tail = b"]" + row + _list_end(rendered.listing.moment.begin_time, now_ms)
        return HonestAnswer(now_ms, rendered, standing, self._calls % VARIANTS, tail)

    def _current(self, now_ms: int) -> RenderedList:
        moment = self._pace.moment(now_ms)
        if self._rendered is None or self._rendered.listing.moment != moment:
            if moment.begin_time != self._hour:
                self._hour = moment.begin_time
                self._listed.clear()
            listing = self._world.list_at(moment)
            tags = [self._world.anchor(index).shop_tag for index in listing.anchors]
            self._rendered = RenderedList(listing, tags, self._listed_profile)
        return self._rendered

    def _listed_profile(self, index: int) -> Profile:
        """Return the profile of a listed anchor: live, and the same for the whole hour."""
        if index not in self._listed:
            self._listed[index] = Profile.of(self._world.anchor(index), self._hour, live=True)
        return self._listed[index]

    def _own_row(self, anchor: Anchor, standing: Standing, rendered: RenderedList) -> bytes:
        if standing.rank and anchor.index is not None:
            profile = self._listed_profile(anchor.index)
            end = row_end(standing, anchor.shop_tag)
        else:
            live = anchor.is_live_unlisted(self._hour)
            profile = Profile.of(anchor, self._hour, live)
            end = unlisted_row_end(standing, rendered.listing.threshold)
        user = with_mirrors(at_mirrors(profile.json), [profile], self._calls)
        return b'{"user":' + user + end


def _list_end(begin_time: int, now_ms: int) -> bytes:
    """Return an answer after its rows, from the comma on."""
    fields: dict[str, Any] = {
        "seats": [],
        "charts_description": "",
        "subtitle": "小时榜",
        "title": "全站",
        "begin_time": begin_time,
        "direction": "模拟数据：本榜单由本机模拟器生成",
        "region_name": "",
        "is_hide_entrance": False,
        "top_img_url": "",
        "delta_time": seconds_left(begin_time, now_ms),
        "last_hour_description": "",
        "rules_url": "https://simulator.invalid/rules?type=fullscreen&hide_nav_bar=1",
        "highlight_content": "",
        "city_code": "",
        "currency": CURRENCY,
        "rules_url_v2": "simulator://rules",
    }
    end = encode({"extra": {"now": now_ms}, "status_code": 0})
    return b"," + encode(fields)[1:] + b"," + end[1:]
