"""Report what has become of the lines a producer reads, for the person who waits for it."""

import json
import sys
import time
from dataclasses import dataclass

from rankspider.queue.lines import Batch, Refused
from rankspider.terminal import harmless, remark

_MOST_COMPLAINTS = 100
_SHOWN_CHARACTERS = 80
_PROGRESS_SECONDS = 5.0


@dataclass(slots=True)
class EnqueueReport:
    """The counts of lines so far, by what has become of them."""

    queued: int = 0
    repeated: int = 0
    refused: int = 0
    reached: str = ""
    """The last line that Redis has acknowledged, as people name it."""
    told_at: float = 0.0
    done: str = "queued"
    """What is done with an anchor."""

    def add(self, source: str, batch: Batch, repeated: int) -> None:
        for said in batch.remarks:
            remark(f"{source}: {said}")
        for refused in batch.refused:
            self._complain(source, refused)
        self.queued += len(batch.anchors) - repeated
        self.repeated += repeated
        self.reached = f"line {batch.last_line:,} of {source}"
        if time.monotonic() - self.told_at >= _PROGRESS_SECONDS:
            if self.told_at:
                remark(f"{self.queued:,} {self.done}, at {self.reached}")
            self.told_at = time.monotonic()

    def _complain(self, source: str, refused: Refused) -> None:
        self.refused += 1
        if self.refused <= _MOST_COMPLAINTS:
            text = harmless(refused.text.strip()[:400].decode("utf-8", "backslashreplace"))
            if len(text) > _SHOWN_CHARACTERS:
                text = f"{text[:_SHOWN_CHARACTERS]}…"
            remark(f"{source}:{refused.line}: {refused.reason}: {text}")

    @property
    def certain(self) -> str:
        if not self.reached:
            return f"nothing is {self.done} yet"
        return f"all up to {self.reached} is {self.done}"

    def end_complaints(self) -> None:
        if self.refused > _MOST_COMPLAINTS:
            remark(f"… and {self.refused - _MOST_COMPLAINTS:,} more")

    def end(self, queue: str, kind: str, *, as_json: bool) -> None:
        self.end_complaints()
        if as_json:
            counts = {"queued": self.queued, "repeated": self.repeated, "refused": self.refused}
            line = json.dumps({**counts, "queue": queue, "kind": kind})
        else:
            line = (
                f"{self.queued:,} queued, {self.repeated:,} repeated, {self.refused:,} refused "
                f"({kind} {queue})"
            )
        sys.stdout.write(f"{line}\n")
