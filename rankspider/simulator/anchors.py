"""Who an anchor is: the part of its profile that does not change from call to call."""

from dataclasses import dataclass
from typing import Final

from rankspider.simulator.identity import Draw, stranger_user_id, synthetic_sec_uid, user_id

TAGS: Final = ("综合", "女装", "美妆", "食品饮料", "珠宝玉石", "母婴", "家居", "图书")
_DECORATIONS: Final = (
    "",
    "",
    "",
    " ✨",
    "🎀",
    " 旗舰店",
    " 👩‍👧 好物",
    " ｡◕‿◕｡",
    " ñandú",
    " שלום",
)
_SIGNATURES: Final = (
    "",
    "",
    "模拟数据，并非真人",
    "每晚八点开播 🕗\n认准本店 ❤️",
    "合作请私信\r\n\t工作日 9:00–18:00",
    'quotes " and \\ and <b>tags</b> & 100% 🧪',
    "𝕊𝕚𝕞𝕦𝕝𝕒𝕥𝕖𝕕 👨‍👩‍👧‍👦 \u202bأهلا\u202c",
)
_SHORT_ID_KINDS: Final = (0, 10**8, 10**9, 10**11)
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Anchor:
    """A seller; ``index`` is None for one that is not of the world and never on its list."""

    index: int | None
    user_id: int
    sec_uid: str
    short_id: int
    display_id: str
    nickname: str
    gender: int
    signature: str
    avatar: str
    diamonds: int
    shop_tag: str
    session_seconds: int
    luck: int
    """A number of this anchor's own, from which the rest is drawn."""

    def session_start(self, begin_time: int) -> int:
        """Return the Unix second at which the live session of the hour ``begin_time`` began."""
        return begin_time - (begin_time + self.luck) % self.session_seconds

    def is_live_unlisted(self, begin_time: int) -> bool:
        """Return whether the anchor is live in that hour though the list does not show it: some
        four hours a day."""
        return (self.session_start(begin_time) // self.session_seconds + self.luck) % 6 == 0

    def room_id(self, begin_time: int) -> int:
        """Return the session's second in the upper 32 bits, and 11 in bits 8 to 11."""
        start = self.session_start(begin_time)
        tail = Draw("room", self.user_id, start)
        return start << 32 | tail.below(1 << 20) << 12 | 11 << 8 | tail.below(1 << 8)


def anchor_of_world(seed: int, index: int) -> Anchor:
    """Return anchor ``index`` of the world of ``seed``."""
    return _anchor(index, user_id(seed, index), synthetic_sec_uid(seed, index))


def stranger(sec_uid: str) -> Anchor:
    """Return the anchor made up for any other ``sec_uid``."""
    return _anchor(None, stranger_user_id(sec_uid), sec_uid)


def _anchor(index: int | None, user: int, sec_uid: str) -> Anchor:
    draw = Draw("anchor", sec_uid)
    name = f"模拟访客 {user % 10000:04}" if index is None else f"模拟主播 {index:04}"
    most = _SHORT_ID_KINDS[draw.below(len(_SHORT_ID_KINDS))]
    short_id = most and most // 10 + draw.below(most - most // 10)
    names = (str(short_id or user), f"sim_{user % 10**6}", f"Sim.Anchor_{user % 10**4}-")
    return Anchor(
        index=index,
        user_id=user,
        sec_uid=sec_uid,
        short_id=short_id,
        display_id=names[draw.below(len(names))],
        nickname=name + _DECORATIONS[draw.below(len(_DECORATIONS))],
        gender=draw.below(3),
        signature=_SIGNATURES[draw.below(len(_SIGNATURES))],
        avatar=f"simulated/{draw.below(1 << 64):016x}",
        diamonds=draw.below(5) and draw.below(2_000_000),
        shop_tag=TAGS[draw.below(len(TAGS))],
        session_seconds=(2 + draw.below(5)) * _HOUR,
        luck=draw.below(1 << 30),
    )
