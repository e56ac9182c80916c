"""Decode the bytes of an answer into typed rows, or into one `AnswerError`. Pure functions.

Everything is decoded by structure: the vendor wraps most answers of its kind in ``{"code": 200,
"msg": …, "data": <the bare answer>}``, and this endpoint's sample is bare.
"""

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Annotated, Any

import msgspec
from msgspec import Raw, Struct

from rankspider.endpoint import failure
from rankspider.endpoint.body import MOST_ENVELOPES, UNREADABLE, Body, Mask, is_absent
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.lenient import REDUNDANT, Decoder
from rankspider.endpoint.mirrors import ListText
from rankspider.endpoint.nested_text import opened
from rankspider.endpoint.surrogates import without_halves
from rankspider.endpoint.vendor_message import vendor_message
from rankspider.facts import LIST, RECORDS, USER, Json, facts_of, integer_of, tidied
from rankspider.items import LIST_FIELDS

_ROW_COLUMNS = frozenset(
    ("rank", "score", "delta", "gap_description", "gap_rich_description", "rich_description")
    + ("city_code", "fixed_footer_description", "shop_tags", "user")
)

_ROW = RECORDS["rows"]


class Rooms(Struct):
    """``own_room``: the rooms a user is live in. The string twin is the exact one; of the other,
    what was given exactly is taken where there is none."""

    room_ids: Any = None
    room_ids_str: Annotated[list[str], REDUNDANT] = []

    @property
    def numbers(self) -> list[Any]:
        """Return ``room_ids``, each as a whole number if it is one exactly."""
        given = self.room_ids if isinstance(self.room_ids, list) else [self.room_ids]
        exact = [(room, integer_of(room)) for room in given if room]
        return [room if number is None else number for room, number in exact]

    def exact(self) -> list[str]:
        return self.room_ids_str or [str(room) for room in self.numbers if isinstance(room, int)]


class Identity(Struct):
    """The part of a user that says who it is; only ``id_str`` and ``sec_uid`` are keys."""

    id_str: str
    sec_uid: str
    id: Any = None
    """The same number, of any form; `rankspider.endpoint.checks` flags what differs."""
    own_room: Annotated[Rooms | None, REDUNDANT] = None


class RowShape(Struct):
    """A row without its user. ``rank`` and ``score`` have no default: a row of the newer
    upstream, which lacks them, must fail, never be stored as zeros. A text that cannot be read is
    among `Row.other_fields`, as it came."""

    user: Raw
    rank: int
    score: int
    delta: int = 0
    gap_description: Annotated[str, REDUNDANT] = ""
    gap_rich_description: Annotated[str, REDUNDANT] = ""
    rich_description: Annotated[str, REDUNDANT] = ""
    city_code: Annotated[str, REDUNDANT] = ""
    fixed_footer_description: Annotated[str, REDUNDANT] = ""
    shop_tags: Annotated[list[str] | None, REDUNDANT] = None


class Thumb(Struct):
    uri: str = ""


class ProfileFields(Struct):
    """The part of a user that stands in columns of its own; absent means zero."""

    short_id: int = 0
    display_id: str = ""
    nickname: str = ""
    gender: int = 0
    signature: str = ""
    avatar_thumb: Annotated[Thumb | None, REDUNDANT] = None


class Row(Struct):
    """One standing, as it was answered. ``raw`` is the JSON of the whole row."""

    shape: RowShape
    user: Identity
    raw: Raw

    def other_fields(self) -> Json:
        """Return what the row says beside the fields this code knows and can read."""
        others = _fields.decode(self.raw)
        return {k: tidied(_json(v), None) for k, v in others.items() if not self._has_read(k, v)}

    def _has_read(self, name: str, value: Raw) -> bool:
        """Return whether a column holds what ``value`` says, and not nothing in its place."""
        if name not in _ROW_COLUMNS or getattr(self.shape, name):
            return name in _ROW_COLUMNS
        fact = facts_of(_json(value), _ROW[name])
        return not (any(fact) if isinstance(fact, list) else fact)

    def card(self) -> ProfileFields:
        """Return the user's columns. Raises one of `UNREADABLE`."""
        return _card.decode(self.shape.user)

    def profile(self) -> Json:
        """Return the user object as it came, what is known of it in one form."""
        profile: Json = tidied(_json(self.shape.user), USER)
        return profile


class BrokenRow(Struct):
    """A row that could not be read: ``reason`` says why, ``raw`` is its JSON."""

    reason: str
    raw: Raw


class _Clock(Struct):
    now: int


class _Shell(Struct):
    """The outermost fields of any kind of answer."""

    code: Any = None
    errcode: Any = None
    error_code: Any = None
    err_code: Any = None
    errno: Any = None
    ret: Any = None
    retcode: Any = None
    status: Any = None
    success: Any = None
    error: Any = None
    msg: Any = None
    data: Raw = Raw(b"")
    extra: Raw = Raw(b"")
    status_code: int | None = None
    status_msg: Any = None

    @property
    def codes(self) -> list[Any]:
        """Return the fields that vendors tell success or failure by, as far as they stand here."""
        named = (self.code, self.errcode, self.error_code, self.err_code, self.errno)
        return [c for c in (*named, self.ret, self.retcode, self.status) if c is not None]

    @property
    def is_success(self) -> bool:
        """Return whether the shell says that all went well, or nothing at all; what an answer
        brings tells the rest."""
        is_success = self.success is None or _said(self.success) in _TRUE
        return is_success and all(map(self.is_good, self.codes)) and self.error in _NO_ERRORS

    def is_good(self, code: Any) -> bool:
        """Return whether ``code`` means success, of which a vendor's own number says nothing by
        itself."""
        number = integer_of(_said(code))
        if number is None or number in _GOOD_NUMBERS:
            return number is not None or _said(code) in _TRUE
        return number >= _VENDORS_NUMBERS and _SUCCESS.fullmatch(_said(self.msg)) is not None


class _Data(Struct):
    ranks: list[Raw]
    begin_time: int
    delta_time: int = 0
    anchor_info: Raw = Raw(b"")
    currency: str = ""
    title: str = ""
    subtitle: str = ""
    city_code: str = ""
    region_name: Annotated[str, REDUNDANT] = ""


class _StatusMessage(Struct):
    prompts: Annotated[str, REDUNDANT] = ""
    message: Annotated[str, REDUNDANT] = ""


@dataclass(eq=False)
class Answer:
    """One answer. Times: ``now_ms`` Unix milliseconds, ``begin_time`` Unix seconds.

    Its rows are decoded when they are first asked for: most lists were seen before.
    """

    body: Body = field(repr=False)
    _: KW_ONLY
    now_ms: int
    begin_time: int
    delta_time: int
    identity: dict[str, str]
    """Its `LIST_FIELDS`."""
    is_mended: bool = False
    """Whether U+FFFD stands for half a character somewhere in it."""

    @cached_property
    def rows(self) -> list[Row | BrokenRow]:
        """Return the rows in the order of the list."""
        return [row_of(raw) for raw in _ranks.decode(self.body.ranks)]

    @cached_property
    def anchor_info(self) -> Row | BrokenRow | None:
        """Return the asked anchor's own standing; None if it is missing or empty."""
        own = self.body.own
        return None if is_absent(own) else row_of(Raw(own))

    @cached_property
    def listed(self) -> ListText:
        """Return a text that is equal for two answers only if they list the same rows, mirrors
        aside."""
        return self.body.known or ListText.of(self.body.ranks)

    def other_fields(self) -> Json:
        """Return the list's texts, links and switches beside its identity, its times and its
        rows."""
        apart = {*LIST_FIELDS, "ranks", "anchor_info", "begin_time", "delta_time"}
        statuses = tidied(_json(self.body.frame_data), LIST)
        return {k: v for k, v in statuses.items() if k not in apart}

    @property
    def raw(self) -> Raw:
        """Return the JSON of ``data``, as it came."""
        return _unwrapped(_shell.decode(self.body.whole)).data

    def require_readable(self) -> None:
        """Raise `AnswerError` unless all of it is UTF-8 and the list no longer than any is.

        What is not decoded here is kept as it came, and must be readable later.
        """
        _require_utf8(self.body.whole)
        try:
            count = len(_ranks.decode(self.body.ranks))
        except UNREADABLE as error:
            # Nobody looked at the mirrors of a list that was known.
            raise _no_json(error) from None
        if count > _MOST_ROWS:
            raise AnswerError(failure.malformed(f"a list of {count} rows"))


def _no_json(error: Exception) -> AnswerError:
    return AnswerError(failure.malformed(f"no JSON answer: {error}"[:300]))


def _require_utf8(body: bytes) -> None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _no_json(error) from None


def _said(value: Any) -> str:
    return str(value).strip().casefold()


_GOOD_NUMBERS = (0, 1, 200)
_TRUE = frozenset(("1", "ok", "success", "true", "200", ""))
# Below, numbers are HTTP's, or too small to be told from failures by words.
_VENDORS_NUMBERS = 1000
_SUCCESS = re.compile(r"(?:ok|success(?:ful(?:ly)?)?|(?:请求|操作|查询|获取|调用)?成功)[!.！。]?")
_NO_ERRORS: tuple[Any, ...] = (None, False, 0, "", [], {})
_ranks = msgspec.json.Decoder(list[Raw])
_shell = Decoder(_Shell)
_data = Decoder(_Data)
_clock = Decoder(_Clock)
_prompt = Decoder(_StatusMessage)
_shape = Decoder(RowShape)
_identity = Decoder(Identity)
_card = Decoder(ProfileFields)
_any = msgspec.json.Decoder()
_fields = msgspec.json.Decoder(dict[str, Raw])
# With either of them an answer is a captcha, whatever its body says.
WALL_HEADERS = ("bdturing-verify", "x-vc-bdturing-parameters")
# The year 10000 in Unix seconds: neither Python nor BSON's readers go further.
END_OF_TIME = 253_402_300_800
# A body of millions of tiny values takes a hundred times its size to read: 100 MB would need 10 GB.
_LARGE_BYTES = 8 * 1024 * 1024
_MOST_COMMAS = 5_000_000
_MOST_ROWS = 10_000
# 2015, before the platform began.
_FIRST_MS = 1_420_070_400_000
# A stale cache's answer is some hours old; a time in another unit is decades off.
_FAR_MS = 7 * 24 * 3600 * 1000


def decode(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    trusting: bool = False,
    known: Iterable[ListText] = (),
    mask: Mask = bytes,
) -> Answer:
    """Read the body of an HTTP 200; ``headers`` have lower-case names. All that is read was masked.

    Raises `AnswerError` for anything but a list. A ``trusting`` reader compares the rows
    with known ones first, and calls `Answer.require_readable` before it reads others. Whoever
    gives what lists are ``known``, as `Answer.listed` of other answers, is quicker to be told
    that this is one of them. Halves of characters are mended, see
    `rankspider.endpoint.surrogates`.
    """
    body = body.lstrip(b" \t\r\n" + codecs.BOM_UTF8)
    _reject_walls(body, headers or {}, mask)
    try:
        return _read(body, trusting, known, mask)
    except AnswerError as error:
        raise AnswerError(failure.explained(error.failure, vendor_message(mask(body)))) from None


def _read(body: bytes, trusting: bool, known: Iterable[ListText], mask: Mask) -> Answer:
    if len(body) > _LARGE_BYTES and body.count(b",") > _MOST_COMMAS:
        raise AnswerError(failure.malformed("more values than any list has"))
    try:
        return _decoded(Body(body, mask), trusting, known)
    except AnswerError:
        plain = opened(mask(body)) if len(body) <= _LARGE_BYTES else body
        mended = without_halves(plain) if len(body) <= _LARGE_BYTES else body
        if mended == body:
            raise
    answer = _decoded(Body(mended, mask), trusting, known)
    answer.is_mended = mended != plain
    return answer


def _decoded(body: Body, trusting: bool, known: Iterable[ListText]) -> Answer:
    body.take_apart(known)
    _require_utf8(body.frame)
    try:
        shell = _shell.decode(body.frame)
    except UNREADABLE as error:
        raise _no_json(error) from None
    answer = _bare(_unwrapped(shell), body)
    if not trusting:
        answer.require_readable()
    return answer


def of_data(data: bytes, now_ms: int) -> Answer:
    """Return the answer whose ``data`` was kept: the JSON, and ``extra.now`` in Unix milliseconds.

    Raises `AnswerError`.
    """
    return decode(b'{"status_code":0,"extra":{"now":%d},"data":%b}' % (now_ms, data))


def row_of_user(raw: bytes) -> Row:
    """Return a row of nothing but a user, from the user's JSON. Raises one of `UNREADABLE`."""
    shape = RowShape(user=Raw(raw), rank=0, score=0)
    return Row(shape=shape, user=_identity.decode(raw), raw=Raw(b"{}"))


def _reject_walls(body: bytes, headers: Mapping[str, str], mask: Mask) -> None:
    """Raise `AnswerError` for a soft ban, which comes as HTTP 200 with nothing, with a page, or
    with a captcha's headers."""
    if any(name in headers for name in WALL_HEADERS):
        raise AnswerError(failure.soft_ban("captcha asked for in a header"))
    start = body.lstrip()[:1]
    if not start:
        raise AnswerError(failure.soft_ban("empty body"))
    if start == b"<":
        statuses = vendor_message(mask(body))
        page = failure.soft_ban(f"a page instead of an answer: {statuses}".rstrip(": "))
        raise AnswerError(failure.explained(page, statuses))


def _unwrapped(shell: _Shell, envelopes: int = 0, *, says_success: bool = False) -> _Shell:
    """Return the bare answer, whatever was put around it; raise `AnswerError` for what says no."""
    if not shell.is_success:
        numbers = (integer_of(_said(code)) for code in shell.codes if not shell.is_good(code))
        code = next((number for number in numbers if number is not None), None)
        raise AnswerError(failure.of_vendor_code(code, str(shell.msg or "")))
    if shell.status_code is not None:
        return shell
    says_success = says_success or bool(shell.codes) or shell.success is not None
    if shell.extra:  # the answer itself, with a code in place of its `status_code` if it has one
        shell.status_code = 0 if says_success else None
        return shell
    if envelopes == MOST_ENVELOPES or not (shell.data or (says_success and not envelopes)):
        return shell
    try:
        within = _shell.decode(shell.data)
    except UNREADABLE as error:
        message = f"an envelope without an answer in it: {error}"
        raise AnswerError(failure.malformed(message[:300])) from None
    return _unwrapped(within, envelopes + 1, says_success=says_success)


def _bare(shell: _Shell, body: Body) -> Answer:
    if shell.status_code is None:
        raise AnswerError(failure.malformed("no status_code"))
    if shell.status_code != 0:
        raise AnswerError(failure.of_platform_status(shell.status_code, _message(shell)))
    try:
        data = _data.decode(shell.data)
        now_ms = _clock.decode(shell.extra).now
    except UNREADABLE as error:
        raise AnswerError(failure.malformed(f"no list in it: {error}"[:300])) from None
    if not _is_plausible(now_ms, data.begin_time):
        raise AnswerError(failure.malformed(f"extra.now is no time of this list: {now_ms}"))
    if not body.has_list:
        raise AnswerError(failure.malformed("no list in it"))
    body.frame_data = shell.data
    return Answer(
        body,
        now_ms=now_ms,
        begin_time=data.begin_time,
        delta_time=data.delta_time,
        identity={name: getattr(data, name) for name in LIST_FIELDS},
    )


def _is_plausible(now_ms: int, begin_time: int) -> bool:
    """Return whether ``now_ms`` is a time, and one at which that hour's list may be answered.

    A ``begin_time`` that is no hour is for others to judge.
    """
    if not _FIRST_MS <= now_ms < END_OF_TIME * 1000:
        return False
    is_hour = 0 < begin_time < END_OF_TIME and begin_time % 3600 == 0
    return not is_hour or abs(now_ms - begin_time * 1000) <= _FAR_MS


def _message(shell: _Shell) -> str:
    """Return the message for people if there is one, else the technical one."""
    try:
        prompt = _prompt.decode(shell.data)
    except UNREADABLE:
        prompt = _StatusMessage()  # ``data`` is absent or a list: the message may stand outside
    for text in (prompt.prompts, prompt.message, shell.status_msg, shell.msg):
        if text and str(text).strip():
            return str(text).strip()
    return ""


def row_of(raw: Raw) -> Row | BrokenRow:
    """Return one row, from its JSON."""
    try:
        shape = _shape.decode(raw)
        return Row(shape=shape, user=_identity.decode(shape.user), raw=raw)
    except UNREADABLE as error:
        return BrokenRow(reason=f"unreadable row: {error}"[:300], raw=raw)


def _json(raw: Raw) -> Json:
    value: Json = _any.decode(raw)
    return value
