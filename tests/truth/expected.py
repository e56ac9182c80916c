"""The lake as it must be, from what was answered and what of that is settled."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache

from msgspec.structs import replace

from tests.truth import documents
from tests.truth.dress import delta_time
from tests.truth.facts import Line, ListName, Profile, Row, Said
from tests.truth.lake import frozen
from tests.truth.timeline import Seen, Timeline

BUCKET = 10
"""Seconds of observed time that one document of `sightings` is for."""
SightingKey = tuple[str, str, int]
"""The list, its state, and the start of the bucket in Unix seconds."""


class Expected:
    """``settled`` has the orders of the calls whose anchors were acknowledged."""

    def __init__(self, lines: Iterable[Line], settled: Collection[int]) -> None:
        standings: dict[str, list[Seen]] = defaultdict(list)
        users: dict[str, list[Seen]] = defaultdict(list)
        lists: dict[str, list[Seen]] = defaultdict(list)
        self.answers: list[tuple[Said, bool]] = []
        """Each with whether it is settled."""
        self.sightings: dict[SightingKey, list[tuple[int, bool]]] = defaultdict(list)
        self.rows: dict[str, list[tuple[Row, bool]]] = defaultdict(list)
        """All that was said of each standing, for what only ever rises or falls."""
        for line in lines:
            said, is_settled = line.said, line.order in settled
            if said is None:
                continue
            self.answers.append((said, is_settled))
            list_seen = _list_seen(said, is_settled)
            lists[documents.key_of_list(said)].append(list_seen)
            self._sight(said, list_seen)
            for row, is_listed in _standings(said):
                key = documents.key_of_standing(said, row.profile.user_id)
                standings[key].append(_standing_seen(said, row, is_settled, is_listed))
                self.rows[key].append((row, is_settled))
                users[row.profile.user_id].append(_user_seen(said, row, is_settled, is_listed))
        self.standings = {key: Timeline(seen) for key, seen in standings.items()}
        self.users = {key: Timeline(seen) for key, seen in users.items()}
        self.lists = {key: Timeline(seen) for key, seen in lists.items()}

    def _sight(self, said: Said, seen: Seen) -> None:
        start = said.observed // 1000 // BUCKET * BUCKET
        key = (documents.key_of_list(said), seen.document, start)
        self.sightings[key].append((said.observed, seen.is_settled))


def _standings(said: Said) -> Iterable[tuple[Row, bool]]:
    """Each with whether it is of the list itself."""
    yield from ((row, True) for row in said.rows)
    if said.unlisted is not None:
        yield said.unlisted, False


def _standing_seen(said: Said, row: Row, is_settled: bool, is_listed: bool) -> Seen:
    content = frozen_standing(said.begin, said.name, _without_text(row, is_listed), is_listed)
    document = documents.key_of_history(said, row)
    return Seen(said.observed, content, document, is_settled, is_listed, row.text)


def _without_text(row: Row, is_listed: bool) -> Row:
    """One row for all the texts of an own standing, so that few are worked out."""
    return row if is_listed else replace(row, text="")


@lru_cache(maxsize=100_000)
def frozen_standing(begin: int, name: ListName, row: Row, is_listed: bool) -> str:
    said = Said(0, begin, name, ())
    return frozen(documents.standing(said, row, is_listed=is_listed))


def _user_seen(said: Said, row: Row, is_settled: bool, is_listed: bool) -> Seen:
    content = frozen_user(row.profile)
    # Nothing tells a profile of a list from one of an own row.
    return Seen(said.observed, content, content, is_settled)


@lru_cache(maxsize=100_000)
def frozen_user(profile: Profile) -> str:
    return frozen(documents.user(profile))


def _list_seen(said: Said, is_settled: bool) -> Seen:
    state, flags = documents.state(said), documents.flags(said)
    content = frozen({**state, "flags": flags})
    return Seen(said.observed, content, frozen(state), is_settled, free=delta_time(said))
