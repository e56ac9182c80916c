"""What befalls a fleet in the middle of its work, at seeded places of the log."""

import random
import time
from collections.abc import Callable, Sequence

from tests.support.suspending import suspended
from tests.truth.facts import Line
from tests.truth.fleet import Fleet

_BACKLOG_SECONDS = 1.0
_STOP_SECONDS = 20.0


class Trouble:
    """So many kills, stops under a backlog, and losses of what the fleet remembers."""

    def __init__(
        self,
        seed: int,
        answers: int,
        counts: tuple[int, int, int],
        forget: Callable[[], int],
        mongo_uri: str,
    ) -> None:
        kills, stops, losses = counts
        self._choose = random.Random(f"trouble {seed}")
        kinds = ["kill"] * kills + ["stop"] * stops + ["forget"] * losses
        places = [self._choose.uniform(0.08, 0.92) * answers for _ in kinds]
        self._due = sorted(zip(places, kinds, strict=True))
        self._forget = forget
        self._mongo_uri = mongo_uri
        self.forgotten = 0

    @property
    def is_over(self) -> bool:
        return not self._due

    def befall(self, fleet: Fleet, lines: Sequence[Line]) -> None:
        """Whatever is due, one at a time."""
        if not self._due or len(lines) < self._due[0][0]:
            return
        _, kind = self._due[0]
        if kind == "forget":
            self.forgotten += self._forget()
            happened = True
        elif kind == "kill":
            happened = fleet.kill_one(self._choose, lines)
        else:
            happened = self._stop_under_backlog(fleet, lines)
        if happened:
            self._due.pop(0)

    def _stop_under_backlog(self, fleet: Fleet, lines: Sequence[Line]) -> bool:
        """SIGINT while MongoDB takes nothing; it goes on when the worker has ended."""
        with suspended(self._mongo_uri):
            time.sleep(_BACKLOG_SECONDS)
            worker = fleet.interrupt_one(self._choose, lines)
            deadline = time.monotonic() + _STOP_SECONDS
            while worker and worker.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        return worker is not None
