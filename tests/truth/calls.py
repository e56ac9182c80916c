"""The calls on record beside the endpoint's log; from them follows what is settled."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.truth import documents
from tests.truth.compare import state_text
from tests.truth.differences import Differences
from tests.truth.expected import frozen_user
from tests.truth.facts import Line
from tests.truth.lake import Document, Lake, clock, content_of, frozen

_FIELDS = (
    *("_id", "anchor", "user_id", "asked_at", "milliseconds", "observed_at", "purpose", "outcome"),
    *("status", "bytes", "licence", "worker", "begin_time", "list_state", "standing", "profile"),
)
_Pair = tuple[Document, Line]


class Calls:
    """``pairs``: each call on record with the line of the log that it must be of."""

    def __init__(self, lines: Iterable[Line], lake: Lake, found: Differences) -> None:
        self._states = {each["_id"]: state_text(each) for each in lake["snapshots"]}
        self._standings = {each["_id"] for each in lake["rank_history"]}
        self._profiles = {each["_id"]: frozen(content_of(each)) for each in lake["user_history"]}
        self._found = found
        self._left: dict[object, list[Line]] = defaultdict(list)
        for line in lines:
            self._left[_key_of_line(line)].append(line)
        self.pairs: list[_Pair] = []
        for call in lake["calls"]:
            line = self._line_of(call)
            if line is not None:
                self.pairs.append((call, line))

    @property
    def settled(self) -> set[int]:
        """The orders of the calls on record."""
        return {line.order for _, line in self.pairs}

    @property
    def unrecorded(self) -> list[Line]:
        return [line for lines in self._left.values() for line in lines]

    def _line_of(self, call: Document) -> Line | None:
        candidates = self._left[_key_of_call(call)]
        if not candidates:
            observed = clock(call.get("observed_at"))
            text = f"{call.get('outcome')} for {call.get('anchor')}, {observed}"
            self._found.add("calls", "nobody was asked so", text)
            return None
        # Several only of failures, and where answers share a millisecond.
        fitting = [line for line in candidates if self._tells_list(call, line)]
        line = (fitting or candidates)[0]
        candidates.remove(line)
        return line

    def _tells_list(self, call: Document, line: Line) -> bool:
        state = self._states.get(call.get("list_state", ""))
        return line.said is not None and state == frozen(documents.state(line.said))

    def check(self, pids: Mapping[str, set[int]], between: tuple[int, int]) -> None:
        """``pids``: the workers that asked with each token; all were asked ``between`` these."""
        for call, line in self.pairs:
            self._check_fields(call, line, between)
            self._check_worker(call, line, pids)
            self._check_references(call, line)
        self._check_licences()

    def all_must_be_there(self) -> None:
        """As no worker was stopped before it was done."""
        for line in self.unrecorded:
            observed = line.said.observed if line.said else None
            text = f"call {line.order}, {line.outcome}, for {line.anchor}, {clock(observed)}"
            self._add("missing", text)

    def _check_fields(self, call: Document, line: Line, between: tuple[int, int]) -> None:
        if missing := set(_FIELDS) - set(call):
            self._add("lacks fields", f"{sorted(missing)}")
        said = line.said
        self._equal(call, "purpose", "queue")
        self._equal(call, "observed_at", said.observed if said else None)
        self._equal(call, "begin_time", said.begin * 1000 if said else None)
        if line.status is not None:  # else it is not for the endpoint to know what was seen
            self._equal(call, "status", line.status)
            self._equal(call, "bytes", line.bytes)
        milliseconds, asked = call.get("milliseconds"), call.get("asked_at")
        if not isinstance(milliseconds, int) or milliseconds < 0:
            self._add("milliseconds", f"{milliseconds!r}")
        if not isinstance(asked, int) or not between[0] <= asked <= between[1]:
            self._add("asked_at", f"{clock(asked)}, outside of the life")

    def _check_worker(self, call: Document, line: Line, pids: Mapping[str, set[int]]) -> None:
        _, _, pid = str(call.get("worker")).rpartition(":")
        if pids and not (pid.isdigit() and int(pid) in pids.get(line.token, set())):
            self._add("worker", f"{call.get('worker')} did not ask with {line.token}")

    def _check_references(self, call: Document, line: Line) -> None:
        said = line.said
        if said is None:
            for field in ("user_id", "list_state", "standing", "profile"):
                self._equal(call, field, None)
            return
        if not self._tells_list(call, line):
            self._add("list_state", f"{call.get('list_state')} is not what call {line.order} said")
        row = said.standing_of(line.anchor)
        if row is None:
            for field in ("user_id", "standing", "profile"):
                self._equal(call, field, None)
            return
        self._equal(call, "user_id", row.profile.user_id)
        self._equal(call, "standing", documents.key_of_history(said, row))
        if call.get("standing") not in self._standings:
            self._add("refers to no standing", f"{call.get('standing')}")
        if self._profiles.get(call.get("profile", "")) != frozen_user(row.profile):
            self._add("profile", f"{call.get('profile')} is not what call {line.order} said")

    def _check_licences(self) -> None:
        """A fingerprint a token, and none tells it."""
        tokens: dict[str, set[object]] = defaultdict(set)
        for call, line in self.pairs:
            tokens[line.token].add(call.get("licence"))
        prints = [each for found in tokens.values() for each in found]
        for token, found in tokens.items():
            if len(found) > 1 or prints.count(next(iter(found))) > 1 or None in found:
                self._add("licence", f"{token} is known as {found}")
            if any(token in str(each) for each in found):
                self._add("licence", f"{token} is told")

    def _equal(self, call: Document, field: str, value: object) -> None:
        if call.get(field) != value:
            self._add(field, f"{call.get(field)!r}, not {value!r} ({call['_id']})")

    def _add(self, kind: str, text: str) -> None:
        self._found.add("calls", kind, text)


def check_demands(
    demands: Iterable[tuple[str, int]],
    done: Iterable[Line],
    hopeless: set[str],
    found: Differences,
) -> None:
    """Every anchor that was pushed, when the log had so many lines, was asked and done later."""
    last: dict[str, int] = {}
    for line in done:
        if line.anchor is not None and (line.said is not None or line.outcome in hopeless):
            last[line.anchor] = max(line.order, last.get(line.anchor, -1))
    for anchor, since in demands:
        if last.get(anchor, -1) < since:
            found.add("calls", "an anchor was lost", f"{anchor}, pushed before call {since}")


def _key_of_line(line: Line) -> object:
    return line.anchor, line.outcome, line.said.observed if line.said else None


def _key_of_call(call: Document) -> object:
    return call.get("anchor"), call.get("outcome"), call.get("observed_at")
