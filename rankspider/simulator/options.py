"""Define how a simulator behaves, for the command's options and the tests."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal, get_args

from rankspider.simulator.style import Style
from rankspider.simulator.world import Churn

Envelope = Literal["bare", "code", "mixed"]
Encoding = Literal["identity", "gzip", "br", "zstd", "mixed"]
_NO_LIMIT: Final = float("inf")
# Least and most of what a number may be; nothing else needs a check.
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "anchors": (1, 10_000_000),
    "rows": (1, 10_000),
    "latency_ms": (0, _NO_LIMIT),
    "jitter_ms": (0, _NO_LIMIT),
    "fail_rate": (0, 1),
    "slow_seconds": (0, _NO_LIMIT),
    "change_seconds": (0.001, 3600),
    "change_every": (1, _NO_LIMIT),
    "speed": (0, 1_000_000),
    "start_ms": (0, 253_402_300_799_000),
}
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "envelope": get_args(Envelope),
    "encoding": get_args(Encoding),
    "style": get_args(Style),
    "churn": get_args(Churn),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Raises `ValueError`, beginning with the field's name, for a value that makes no sense."""

    seed: int = 1
    anchors: int = 1000
    rows: int = 100
    envelope: Envelope = "bare"
    latency_ms: float = 0
    jitter_ms: float = 0
    """Mean of an exponential tail that is added to the latency."""
    fail_rate: float = 0
    """Share of the answers, 0 to 1, replaced by a failure that deserves another try."""
    slow_seconds: float = 30
    sample: Path | None = None
    """A file whose bytes are the only answer, whoever asks."""
    record: Path | None = None
    """A file that gets a line of JSON for each answer."""
    encoding: Encoding = "identity"
    """How bodies are compressed for callers that accept it; mixed: each way in turns."""
    style: Style = "compact"
    """How honest and spoiled answers are written; failures of a fixed text keep theirs."""
    redirect_to: str = "http://elsewhere.invalid"
    """Where the failure ``redirect`` leads: the address before the path."""
    change_seconds: float = 10
    change_every: int | None = None
    """Answers to a state of the list; instead of ``change_seconds``."""
    churn: Churn = "some"
    start_ms: int | None = None
    """Virtual time at the start, milliseconds since 1970; None: now."""
    speed: float = 1
    """Virtual seconds in a second."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))


def _check(name: str, value: object) -> None:
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if name not in LIMITS or (name in ("change_every", "start_ms") and value is None):
        return
    least, most = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        limits = f"from {least:g} to {most:g}" if most < _NO_LIMIT else f"at least {least:g}"
        raise ValueError(f"{name} must be a number {limits}, not {value!r}")
