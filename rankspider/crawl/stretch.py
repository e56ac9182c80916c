"""Tell from calls that fail alike, one after the other, whether the anchors are to blame, or none
is."""

import logging
import time

from rankspider.endpoint.failure import Failure

logger = logging.getLogger(__name__)

# So many anchors may fail in a row after good answers, and each is to blame by itself; with many
# good answers a twentieth of them, up to the second number.
_FEW, _MOST_FEW = 5, 50
_GOOD_FOR_ONE = 20
# So many failures in a row are told of, and told to the fleet.
_MANY = 10
# A drained worker does not wait for longer, unless the endpoint is in trouble that passes.
_PATIENCE_SECONDS = 30.0
_VENDORS_WORDS = frozenset(("refused", "vendor-busy"))
_PASSING = frozenset(
    ("network", "server-error", "vendor-busy", "too-fast", "dropped-by-platform", "soft-ban")
)


class FailureStreak:
    """The failures of one name that a worker met in a row, over all anchors and licences: any
    other answer ends it. Before the first list, or word about an anchor, the name is all one.

    While everybody fails alike, nobody is to blame: no try is counted.
    """

    def __init__(self, *, is_silent: bool = False) -> None:
        """``is_silent``: it is of one licence, and logs nothing."""
        self._is_silent = is_silent
        self._answers = 0
        self._failures = self._alike = 0
        self._anchors: set[str | None] = set()
        self._told_at = _MANY
        self._began_at = 0.0
        self._last = ""

    def answered(self) -> None:
        """End the stretch: the endpoint answers, and the licence is good."""
        if self._failures >= _MANY and self.is_everybodys and not self._is_silent:
            logger.warning("The endpoint answers again, after %d failures", self._failures)
        self._answers += 1
        self._begin()

    def _begin(self) -> None:
        self._failures, self._told_at = 0, _MANY
        self._anchors.clear()

    def refused(self, anchor: str | None, failed: Failure) -> bool:
        """Note that the endpoint said something of an anchor, and so answers. Return whether it
        says the same of so many in a row, and no list, that it is no word about any of them."""
        if failed.name != self._last:
            self.answered()
        self.failed(anchor, failed)
        return self._alike >= _MANY and self.is_long

    def failed(self, anchor: str | None, failed: Failure) -> None:
        """Note one more failure, which goes on with the stretch or begins another."""
        if self._answers and failed.name != self._last:
            self._begin()
        if not self._failures:
            self._began_at = time.monotonic()
        self._failures += 1
        self._alike = self._alike + 1 if failed.name == self._last else 1
        self._anchors.add(anchor)
        self._last = failed.name
        if self.is_long and self._failures >= self._told_at and not self._is_silent:
            self._told_at = 2 * self._failures
            logger.warning(
                "The last %d calls, for %d anchors, all failed, the last one with %s (%s). That is "
                "the endpoint's fault, the licence's or the whole queue's: no try is counted, no "
                "anchor is given up, and only a probe goes out now and then until one is answered. "
                "'scrapy doctor' asks without an anchor; if that is answered, look at the queue. "
                "Anchors that were given up for it before: 'scrapy dead-letters --reason %s'",
                self._failures,
                len(self._anchors),
                failed.name,
                failed.message,
                failed.name,
            )

    @property
    def is_everybodys(self) -> bool:
        """Return whether the failures are no single anchor's fault. What a vendor says in its own
        words before it was ever heard to answer is no word about the anchor that happened to be
        the first."""
        few = min(_MOST_FEW, max(_FEW, self._answers // _GOOD_FOR_ONE))
        is_first_word = not self._answers and self._last in _VENDORS_WORDS
        return is_first_word or len(self._anchors) > few

    @property
    def is_long(self) -> bool:
        """Return whether the stretch is so long that the fleet should hold back."""
        is_many = self._alike >= _MANY or self._failures >= 2 * _MANY
        return self.is_everybodys and is_many

    @property
    def is_refusal(self) -> bool:
        """Return whether the stretch is one of refusals: to wait for its end makes little sense,
        since it is no outage, and lasts."""
        lasts = time.monotonic() - self._began_at > _PATIENCE_SECONDS
        return self.is_long and lasts and not self.passes

    @property
    def passes(self) -> bool:
        """Return whether the last failure is one of an outage, which ends by itself."""
        return self._last in _PASSING
