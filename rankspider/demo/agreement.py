"""Tell whether the lake says what the simulator served, by the simulator's own record."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from rankspider.questions.board import Board, Place
from rankspider.simulator.world import Standing


class _Line(msgspec.Struct):
    """One answer, as `rankspider.simulator.journal.Record` writes it."""

    now: int
    begin_time: int | None
    state: int | None
    failure: str | None
    rows: list[Standing] | None = None
    anchor_info: Standing | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """The last that was served of one hour's list."""

    at: dt.datetime
    rows: list[Standing]
    own: dict[str, Standing]
    """The last own standing of each asked anchor, by ``user_id``."""

    @classmethod
    def of_hour(cls, record: Path, begin_time: dt.datetime) -> Self:
        """Read it from the file ``record``, which holds an answer of that hour."""
        lines = [msgspec.json.decode(line, type=_Line) for line in record.open("rb")]
        hour = [line for line in lines if line.begin_time == begin_time.timestamp()]
        states = {line.state: line.rows for line in hour if line.rows is not None}
        # Answers that went out side by side may be recorded in either order.
        served = sorted((line for line in hour if line.failure is None), key=lambda line: line.now)
        own = [line.anchor_info for line in served if line.anchor_info is not None]
        return cls(
            at=dt.datetime.fromtimestamp(served[-1].now / 1000, dt.UTC),
            rows=states[served[-1].state],
            own={standing.user_id: standing for standing in own},
        )

    def difference(self, board: Board) -> str | None:
        """Return the first point in which ``board`` differs from what was served; None if it
        agrees."""
        stored = [_standing(place) for place in board.rows]
        if len(stored) != len(self.rows):
            return f"{len(self.rows)} places were served, {len(stored)} are stored"
        asked = [self.own.get(place.user_id) for place in board.own]
        pairs = zip([*self.rows, *asked], [*stored, *map(_standing, board.own)], strict=True)
        for was_served, is_stored in pairs:
            if was_served != is_stored:
                return f"served was {was_served}, stored is {is_stored}"
        return None


def _standing(place: Place) -> Standing:
    return Standing(place.user_id, place.place, place.score, place.delta)
