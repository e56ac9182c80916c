"""Read each text of an answer once, and remember what it says: a cache of what was read, not of
what is stored."""

import hashlib
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from rankspider.dedupe.arbiter import Version
from rankspider.endpoint.answer import Answer
from rankspider.endpoint.body import UNREADABLE
from rankspider.endpoint.extraction import Extracted, Extraction, Profiles
from rankspider.endpoint.mirrors import ListText
from rankspider.items import ListItem, RankedList, RankItem, RejectedItem, UserItem

# Some 350 KB each: answers that left together arrive in any order around a change of the list.
_MOST_LISTS = 4
_MOST_STATES = 64
# Of one list: writers behind one balancer have a style each, and some have none.
_MOST_TEXTS = 3
_UNREAD = object()
_KINDS: dict[type, str] = {item: item.kind for item in (RankItem, UserItem, ListItem)}


@dataclass(frozen=True)
class AnchorReferences:
    """One anchor's part of an answer, by reference."""

    user_id: str
    standing: str
    """``_id`` of the standing in `rank_history`."""
    profile: str
    """``_id`` of the profile in `user_history`."""


@dataclass(frozen=True)
class ReadRows:
    """The rows of one list, as they were read."""

    list_key: str
    texts: deque[ListText]
    """The latest in which it came, to be found by."""
    value: Any
    """What it says as a whole, mirrors aside; `_UNREAD` if that could not be told."""
    versions: tuple[Version, ...]
    kinds: tuple[str, ...]
    """Of each record, as stats name it."""
    rejected: frozenset[int]
    """Which of the records are rejected."""
    user_ids: frozenset[str]
    anchors: dict[str, AnchorReferences]
    """By ``sec_uid``."""

    @cached_property
    def packed(self) -> bytes:
        return packed(self.versions)

    @cached_property
    def accepted_kinds(self) -> Counter[str]:
        return Counter(k for at, k in enumerate(self.kinds) if at not in self.rejected)

    @cached_property
    def rejected_kinds(self) -> Counter[str]:
        return Counter(k for at, k in enumerate(self.kinds) if at in self.rejected)


@dataclass(frozen=True, slots=True)
class ReadList:
    """One list as a whole."""

    rows: ReadRows
    version: Version
    state: str | None
    """``_id`` of its state in `snapshots`; None if it is rejected as a whole."""


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """One answer."""

    extraction: Extraction
    whole: ReadList
    own: list[Extracted]
    own_versions: tuple[Version, ...]
    anchor: AnchorReferences | None
    """What it says of the asked anchor, on the list or not."""
    is_own_listed: bool
    """Whether its own row is of one of the users in the list, whose row there tells of it."""

    @property
    def ranked_list(self) -> RankedList | None:
        """Return which list of which hour it is; None if it is not the list of an hour."""
        return self.extraction.ranked_list if self.extraction.is_trusted else None

    @property
    def call_fields(self) -> dict[str, Any]:
        """Return what the answer said, for its `rankspider.lake.call.Call`."""
        ranked_list = self.ranked_list
        return {
            "observed_at": self.extraction.observed_at,
            "begin_time": None if ranked_list is None else ranked_list.begin_time,
            "list_state": self.whole.state,
            **(vars(self.anchor) if self.anchor else {}),
        }


class AnswerReader:
    """Belongs to one worker."""

    def __init__(self, *, keep_private: bool) -> None:
        self._keep_private = keep_private
        self._profiles = Profiles()
        self._rows: deque[ReadRows] = deque(maxlen=_MOST_LISTS)
        self._lists: OrderedDict[bytes, ReadList] = OrderedDict()

    @property
    def list_texts(self) -> list[ListText]:
        """Return the texts of the lists it remembers, the latest first."""
        return [text for rows in self._rows for text in rows.texts]

    def read(self, answer: Answer, anchor: str | None) -> ReadAnswer:
        """Return what ``answer`` says. Raises `AnswerError` if an unknown list cannot be read
        through."""
        extraction = Extraction(
            answer,
            anchor,
            keep_private=self._keep_private,
            profiles=self._profiles,
            is_list_alone=anchor is None,
        )
        list_ = self._list(extraction, self._rows_of(extraction))
        own = extraction.own(list_.rows.user_ids)
        reference = list_.rows.anchors.get(anchor or "")
        if reference is None and extraction.own_user is not None:
            user_id, sec_uid = extraction.own_user
            if sec_uid == anchor and len(own) == 2 and all(each.is_sound for each in own):
                reference = AnchorReferences(user_id, own[0].history_key, own[1].history_key)
        is_listed = extraction.own_user is not None and not own
        return ReadAnswer(extraction, list_, own, tuple(map(version_of, own)), reference, is_listed)

    def _rows_of(self, extraction: Extraction) -> ReadRows:
        """Find them by the quickest way: their bytes, then their values, then what they say."""
        key, text = extraction.list_key, extraction.answer.listed
        there = [rows for rows in self._rows if rows.list_key == key]
        for rows in there:
            if text in rows.texts:
                return rows
        value = _value_of(extraction.answer, text)
        same = next((rows for rows in there if _are_equal(rows.value, value)), None)
        if same is None:
            extraction.answer.require_readable()
            read = _read_rows(extraction, key, value)
            same = next((rows for rows in there if rows.packed == read.packed), None)
        if same is None:
            same = read
            self._rows.appendleft(read)
        same.texts.appendleft(text)
        return same

    def _list(self, extraction: Extraction, rows: ReadRows) -> ReadList:
        digest = _digest(rows.list_key.encode(), extraction.frame.encode(), rows.packed)
        known = self._lists.get(digest)
        if known is not None:
            return replace(known, rows=rows)
        record = extraction.list_record()
        state = record.history_key if record.kind is ListItem and record.is_sound else None
        version = Version(place_of(ListItem, rows.list_key), digest, record.suffix.encode())
        read = self._lists[digest] = ReadList(rows, version, state)
        if len(self._lists) > _MOST_STATES:
            self._lists.popitem(last=False)
        return read


def version_of(record: Extracted) -> Version:
    suffix = record.suffix.encode() if record.suffix != record.digest else b""
    return Version(place_of(record.kind, record.key), bytes.fromhex(record.order), suffix)


def place_of(kind: type, key: str) -> bytes:
    return _digest(kind.__name__.encode(), key.encode("utf-8", "surrogatepass"), size=8)


def packed(versions: Iterable[Version]) -> bytes:
    return b"".join(version.packed for version in versions)


def kind_of(record: Extracted) -> str:
    """Return the kind as stats name it; a rejected record counts as what it would have been."""
    if record.kind is RejectedItem:
        item = record.make()
        assert isinstance(item, RejectedItem)
        return item.kind
    return _KINDS[record.kind]


def _value_of(answer: Answer, text: ListText) -> Any:
    try:
        return text.value(answer.body.ranks)
    except UNREADABLE:
        return _UNREAD  # a row of it can be, which is told by reading it


def _are_equal(one: Any, other: Any) -> bool:
    with suppress(RecursionError):
        return other is not _UNREAD and bool(one == other)
    return False


def _read_rows(extraction: Extraction, key: str, value: Any) -> ReadRows:
    records = extraction.rows
    anchors = {}
    for standing, user in pairwise(records):
        item = standing.make()
        if isinstance(item, RankItem) and standing.is_sound and user.is_sound:
            anchors[item.sec_uid] = AnchorReferences(
                item.user_id, standing.history_key, user.history_key
            )
    return ReadRows(
        list_key=key,
        texts=deque(maxlen=_MOST_TEXTS),
        value=value,
        versions=tuple(map(version_of, records)),
        kinds=tuple(map(kind_of, records)),
        rejected=frozenset(i for i, record in enumerate(records) if not record.is_sound),
        user_ids=extraction.listed_ids,
        anchors=anchors,
    )


def _digest(*parts: bytes, size: int = 16) -> bytes:
    return hashlib.blake2b(b"\0".join(parts), digest_size=size).digest()
