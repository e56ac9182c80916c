"""Keep what was served: counts for the curious, and a record that tests compare a lake with."""

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from msgspec.json import encode

from rankspider.simulator.endpoint import HonestAnswer

_KEPT_SECONDS: Final = 600


class AnswerCounts:
    """Answers so far: in all, by failure, token, anchor, and second."""

    def __init__(self) -> None:
        self.answers = 0
        self.failures: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        """Calls by the ``sec_uid`` asked for; ``""`` is the list alone."""
        self._seconds: Counter[int] = Counter()

    def count_call(self, token: str, asked: str) -> int:
        """Note a call; returns how many there were for this anchor, with it."""
        self.tokens[token] += 1
        self.calls[asked] += 1
        return self.calls[asked]

    def count_answer(self, failure: str | None) -> None:
        """Note that a call was answered, or failed as it was meant to."""
        self.answers += 1
        if failure is not None:
            self.failures[failure] += 1
        second = int(time.time())
        if second not in self._seconds:
            for old in [known for known in self._seconds if known <= second - _KEPT_SECONDS]:
                del self._seconds[old]
        self._seconds[second] += 1

    def stats(self) -> dict[str, Any]:
        return {
            "answers": self.answers,
            "failures": self.failures,
            "tokens": self.tokens,
            "per_second": list(self._seconds.items()),
        }


class AnswerJournal:
    """A file with one line of JSON for each answer, also for each that failed on purpose.

    ``rows`` (user_id, rank, score, delta) stand on the first line of their state; a state is
    known by ``begin_time`` and ``state``. Answers of ``--sample`` have neither.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._states: set[tuple[int, int]] = set()

    def write(
        self, answer: HonestAnswer, asked: str | None, status: int, failure: str | None
    ) -> None:
        moment = answer.rendered.listing.moment
        line: dict[str, Any] = {
            "now": answer.now_ms,
            "begin_time": moment.begin_time,
            "asked": asked,
            "status": status,
            "failure": failure,
            "state": moment.number,
        }
        state = moment.begin_time, moment.number
        if state not in self._states:
            self._states.add(state)
            line["rows"] = answer.rendered.listing.standings
        if answer.standing is not None:
            line["anchor_info"] = answer.standing
        self._file.write(encode(line) + b"\n")

    def write_sample(self, now_ms: int, asked: str | None) -> None:
        """Write the line of an answer that was the sample file."""
        fields = {"now": now_ms, "begin_time": None, "asked": asked, "status": 200}
        self._file.write(encode(fields | {"failure": None, "state": None}) + b"\n")

    def close(self) -> None:
        self._file.close()
