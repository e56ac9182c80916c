"""The lake beside the truth, document for document."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from tests.truth import documents
from tests.truth.differences import Differences
from tests.truth.expected import Expected, SightingKey
from tests.truth.lake import Document, Lake, clock, clocks, content_of, frozen, without_mirrors
from tests.truth.timeline import Timeline, bounds

_REVISION_DIGITS = 15
_Key = TypeVar("_Key", bound=Hashable)


def compare(expected: Expected, lake: Lake, found: Differences, collections: Iterable[str]) -> None:
    """Add to ``found`` what ``lake`` says otherwise, in ``collections``."""
    checks: dict[str, Callable[[Expected, Lake, Differences], None]] = {
        "ranks": _ranks,
        "rank_history": _rank_history,
        "users": _users,
        "user_history": _user_history,
        "snapshots": _snapshots,
        "sightings": _sightings,
        "rejected": _rejected,
    }
    for collection in collections:
        if collection in checks:
            checks[collection](expected, lake, found)


def state_text(document: Document) -> str:
    """What tells the state of a document of `snapshots`."""
    apart = ("flags", documents.LIST_MOMENT)
    return frozen({k: v for k, v in content_of(document).items() if k not in apart})


def _ranks(expected: Expected, lake: Lake, found: Differences) -> None:
    pairs = _paired("ranks", expected.standings, lake["ranks"], _id, found)
    for key, timeline, document in pairs:
        check = _Check("ranks", key, timeline, document, found)
        check.newest()
        rows = expected.rows[key]
        places = [(row.rank, is_settled) for row, is_settled in rows if row.rank]
        best = bounds(places, least=True)
        if not any(is_settled for _, is_settled in places):
            best |= {0}
        check.is_one_of("best_rank", best)
        scores = [(row.score, is_settled) for row, is_settled in rows]
        check.is_one_of("peak_score", bounds(scores, least=False))


def _users(expected: Expected, lake: Lake, found: Differences) -> None:
    for key, timeline, document in _paired("users", expected.users, lake["users"], _id, found):
        _Check("users", key, timeline, document, found).newest()


def _rank_history(expected: Expected, lake: Lake, found: Differences) -> None:
    _history("rank_history", expected.standings, lake, _id, found)


def _user_history(expected: Expected, lake: Lake, found: Differences) -> None:
    _history("user_history", expected.users, lake, lambda each: frozen(content_of(each)), found)
    for document in lake["user_history"]:
        _begins_with("user_history", document, document.get("user_id"), found)


def _snapshots(expected: Expected, lake: Lake, found: Differences) -> None:
    _history("snapshots", expected.lists, lake, state_text, found)
    for document in lake["snapshots"]:
        _begins_with("snapshots", document, _list_key(document), found)


def _sightings(expected: Expected, lake: Lake, found: Differences) -> None:
    states = {document["_id"]: state_text(document) for document in lake["snapshots"]}

    def name(document: Document) -> SightingKey:
        key, _, rest = document["_id"].rpartition("/")
        start, _, digest = rest.partition("-")
        return key, states.get(f"{key}/{digest}", "an unknown state"), int(start)

    wanted = expected.sightings
    certain = {key: any(is_settled for _, is_settled in seen) for key, seen in wanted.items()}
    for key, document in _matched("sightings", certain, lake["sightings"], name, found):
        list_key, state, start = key
        check = _Check("sightings", f"{list_key}/{start}", Timeline([]), document, found)
        check.is_one_of("observed_at", bounds(wanted[key], least=True))
        check.is_one_of("last_observed_at", bounds(wanted[key], least=False))
        if states.get(document.get("state", "")) != state:
            found.add("sightings", "refers to another state", document["_id"])
        hour = _loaded(state)
        if any(document.get(field) != hour[field] for field in ("list", "begin_time")):
            found.add("sightings", "is of another hour or list", document["_id"])


def _rejected(expected: Expected, lake: Lake, found: Differences) -> None:
    for document in lake["rejected"]:
        found.add("rejected", "nothing was to be rejected", str(document.get("reason")))


def _history(
    collection: str,
    timelines: Mapping[str, Timeline],
    lake: Lake,
    name: Callable[[Document], str],
    found: Differences,
) -> None:
    """One document for each thing that was said at each place, with its two times."""
    places = {doc: place for place in timelines.values() for doc in place.by_document}
    groups = {doc: place.by_document[doc] for doc, place in places.items()}
    for key, group, document in _paired(collection, groups, lake[collection], name, found):
        shown = document["_id"]
        _Check(collection, shown, group, document, found).history(places[key])


def _paired(
    collection: str,
    wanted: Mapping[str, Timeline],
    actual: Iterable[Document],
    name: Callable[[Document], str],
    found: Differences,
) -> Iterable[tuple[str, Timeline, Document]]:
    certain = {key: timeline.is_certain for key, timeline in wanted.items()}
    for key, document in _matched(collection, certain, actual, name, found):
        yield key, wanted[key], document


def _matched(
    collection: str,
    certain: Mapping[_Key, bool],
    actual: Iterable[Document],
    name: Callable[[Document], _Key],
    found: Differences,
) -> list[tuple[_Key, Document]]:
    """Each document that ought to be there, by its name; note what is missing, or too many."""
    named: dict[_Key, Document] = {}
    for document in actual:
        key = name(document)
        if key not in certain:
            found.add(collection, "nothing that was answered says so", str(document["_id"]))
        elif key in named:
            found.add(collection, "doubled", f"{document['_id']} and {named[key]['_id']}")
        else:
            named[key] = document
    for key, must_be in certain.items():
        if must_be and key not in named:
            found.add(collection, "missing", str(key)[:300])
    return list(named.items())


class _Check:
    """One document."""

    def __init__(
        self,
        collection: str,
        key: str,
        timeline: Timeline,
        document: Document,
        found: Differences,
    ) -> None:
        self._collection = collection
        self._key = key
        self._timeline = timeline
        self._document = document
        self._found = found

    def newest(self) -> None:
        """It says what the newest observation said."""
        self._says(self._timeline, "observed_at")

    def history(self, place: Timeline) -> None:
        """It says what an observation of its own said; ``place`` has all the others.

        Until when a row of a list stood, the list's own times tell: of a row that something else
        followed, the last time is any at which it was seen. And what stands beside that which
        names the document, such as the room, is that of any of its own observations: one that came
        late changes it no more.
        """
        is_of_list = self._collection == "snapshots"
        self._says(place, "last_observed_at", place.last_news if is_of_list else place.times)

    def _says(
        self, place: Timeline, last: str, times: Callable[[str], set[int]] | None = None
    ) -> None:
        self.is_one_of("first_observed_at", self._timeline.first_times())
        content = documents.without_free_text(content_of(self._document))
        content.pop(documents.LIST_MOMENT, None)
        text = frozen(content)
        said = self._timeline.newest if times is None else self._timeline.seen
        allowed = {each.content for each in said}
        if text not in allowed:
            self._differs(content, max(self._timeline.newest, key=lambda each: each.age).content)
            return
        self.is_one_of(last, (times or place.last_news)(text))
        moment = self._document.get(last)
        # What came late has none; what was seen again may be noted without one.
        if not "0" <= str(self._document.get("revision")) < f"{moment + 1:0{_REVISION_DIGITS}d}-":
            self._add("revision is of a later time", f"{self._document.get('revision')}")
        free = (documents.OWN_TEXT, documents.LIST_MOMENT)
        kept = {name: self._document[name] for name in free if name in self._document}
        if kept and not set(kept.values()) & set(self._timeline.free_values(text)):
            self._add("a text that was not said with it", f"{kept}")

    def is_one_of(self, field: str, allowed: set[int]) -> None:
        value = self._document.get(field)
        if value in allowed:
            return
        if field.endswith("_at"):
            self._add(field, f"{clock(value)}, not {clocks(allowed)}")
        else:
            self._add(field, f"{value}, not {sorted(allowed)}")

    def _differs(self, content: Document, truth: str) -> None:
        wanted = _loaded(truth)
        fields = [
            f"{name} {one!r}, not {other!r}"
            for name, one, other in _unequal(without_mirrors(content), wanted)
        ]
        newest = max(each.at for each in self._timeline.newest)
        self._add("says something else", f"{'; '.join(fields)} (newest {clock(newest)})"[:400])

    def _add(self, kind: str, text: str) -> None:
        self._found.add(self._collection, kind, f"{self._key}: {text}")


def _unequal(one: Any, other: Any, name: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Where two contents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _unequal(one.get(key), other.get(key), f"{name}.{key}".lstrip("."))
    elif frozen(one) != frozen(other):
        yield name, one, other


def _loaded(content: str) -> Document:
    loaded: Document = json.loads(content)
    return loaded


def _id(document: Document) -> str:
    return str(document["_id"])


def _list_key(document: Document) -> str:
    name = documents.ListName(**document["list"])
    return documents.list_key(document["begin_time"] // 1000, name)


def _begins_with(collection: str, document: Document, key: object, found: Differences) -> None:
    start, _, digest = str(document["_id"]).rpartition("/")
    if start != key or not digest:
        found.add(collection, "a wrong _id", str(document["_id"]))
