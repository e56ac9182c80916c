"""One state of the list as JSON, rendered once for many answers."""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from msgspec.json import encode

from rankspider.simulator.profile import Profile, at_mirrors, with_mirrors
from rankspider.simulator.style import CHANGING, Style, start_of
from rankspider.simulator.world import Listing, Standing

CURRENCY: Final = "热度"
VARIANTS: Final = 16  # renderings of one state; they differ in the images' mirrors
_OPENING: Final = b'{"data":{"ranks":['
_CLOSING: Final = b"]}}"
ENVELOPE: Final = '{"code":200,"msg":"成功","data":'.encode()
_RICH_TEXT: Final = (
    '<html><body><b><font size="12" color="#161823">{}</font></b>'
    '<span><font size="12" color="#80161823">{}</font></span></body></html>'
)

Profiles = Callable[[int], Profile]
"""By the anchor's index."""


class Presentation(NamedTuple):
    """The things in which two answers that say the same differ, mirrors aside."""

    wrapped: bool
    style: Style
    variant: int = 0
    """Of a style in which two calls differ."""

    @classmethod
    def of_call(cls, wrapped: bool, style: Style, variant: int) -> Self:
        return cls(wrapped, style, variant if style in CHANGING else 0)

    @property
    def opening(self) -> bytes:
        """Return an answer up to its list's first row, not written in any style yet."""
        return ENVELOPE + _OPENING if self.wrapped else _OPENING

    @property
    def closing(self) -> bytes:
        """Return the end of an answer that is nothing but a list."""
        return _CLOSING + b"}" if self.wrapped else _CLOSING


class Deflated(NamedTuple):
    """The start of a gzip body: whole deflate blocks, and what its trailer will need."""

    blocks: bytes
    checksum: int
    size: int


def score_text(score: int) -> str:
    """Return 4.9万 for 49232; plain digits below 10000."""
    return str(score) if score < 10_000 else f"{score // 1000 / 10:.1f}万"


def row_end(standing: Standing, shop_tag: str) -> bytes:
    """Return a listed row after its ``user``, from the comma on."""
    text = score_text(standing.score)
    return _after_user(
        standing, text, _RICH_TEXT.format(text, CURRENCY), shop_tags=[shop_tag], footer=""
    )


def unlisted_row_end(standing: Standing, threshold: int) -> bytes:
    """Return the end of the row of an anchor that is not listed; ``threshold`` is the last place's
    score."""
    missing = max(1, threshold - standing.score + 1)
    return _after_user(
        standing,
        f"距上榜还差{score_text(missing)}{CURRENCY}",
        "",
        shop_tags=[],
        footer=score_text(standing.score) + CURRENCY,
    )


def _after_user(
    standing: Standing, gap: str, rich_gap: str, *, shop_tags: list[str], footer: str
) -> bytes:
    fields = {
        "score": standing.score,
        "rank": standing.rank,
        "gap_description": gap,
        "delta": standing.delta,
        "rich_description": "",
        "city_code": "",
        "gap_rich_description": rich_gap,
        "shop_tags": shop_tags,
        "fixed_footer_description": footer,
    }
    return b"," + encode(fields)[1:]


class RenderedList:
    """The rendered list of one state: everything of an answer that all callers share.

    Nothing is rendered before it is asked for, so states of a single answer stay cheap.
    """

    def __init__(self, listing: Listing, tags: list[str], profiles: Profiles) -> None:
        self.listing = listing
        self._profiles = [profiles(index) for index in listing.anchors]
        self._row_ends = [
            row_end(standing, tag) for standing, tag in zip(listing.standings, tags, strict=True)
        ]
        # Plain dicts: a cache that held this object's methods would keep it from being freed.
        self._pieces: dict[Presentation, list[bytes]] = {}
        self._heads: dict[tuple[int, Presentation], bytes] = {}
        self._deflated: dict[tuple[int, Presentation], Deflated] = {}

    def head(self, variant: int, presentation: Presentation) -> bytes:
        """Return an answer from its first byte to the last listed row."""
        key = variant, presentation
        if key not in self._heads:
            if presentation not in self._pieces:
                self._pieces[presentation] = self._in_pieces(presentation)
            self._heads[key] = with_mirrors(self._pieces[presentation], self._profiles, variant)
        return self._heads[key]

    def deflated(self, variant: int, presentation: Presentation) -> Deflated:
        """Return the same, compressed."""
        key = variant, presentation
        if key not in self._deflated:
            self._deflated[key] = _deflate(self.head(variant, presentation))
        return self._deflated[key]

    def _in_pieces(self, presentation: Presentation) -> list[bytes]:
        """Return the pieces between which the mirrors go, written in their style once for all
        variants."""
        rows = b",".join(
            b'{"user":' + profile.json + end
            for profile, end in zip(self._profiles, self._row_ends, strict=True)
        )
        return at_mirrors(
            start_of(presentation.opening + rows, presentation.closing, *presentation[1:])
        )


def _deflate(head: bytes) -> Deflated:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A full flush ends on a byte and forgets the window: any other blocks may follow.
    blocks = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Deflated(blocks, zlib.crc32(head), len(head))
