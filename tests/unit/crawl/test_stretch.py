"""When failures in a row are nobody's fault."""

import pytest

from rankspider.crawl.stretch import FailureStreak
from rankspider.endpoint.failure import Failure, Verdict

REFUSED = Failure(Verdict.RETRY, "refused", "天书")
BROKEN = Failure(Verdict.RETRY, "malformed", "?")


def stretch_of(answers: int, *failed: tuple[str, Failure]) -> FailureStreak:
    stretch = FailureStreak()
    for _ in range(answers):
        stretch.answered()
    for anchor, failure in failed:
        stretch.failed(anchor, failure)
    return stretch


def test_nobody_is_to_blame_before_anybody_was_answered() -> None:
    stretch = stretch_of(0, ("a", REFUSED))
    assert stretch.is_everybodys
    assert not stretch.is_long
    assert not stretch_of(0, ("a", BROKEN)).is_everybodys
    mixed = [(anchor, failed) for anchor in "abcdef" for failed in (REFUSED, BROKEN)]
    assert stretch_of(0, *mixed * 2).is_long
    assert not stretch_of(0, *mixed).is_long


@pytest.mark.parametrize(
    ("answers", "anchors", "is_everybodys"),
    [(1, 5, False), (1, 6, True), (200, 10, False), (200, 11, True), (10**6, 51, True)],
)
def test_a_few_bad_anchors_are_to_blame_themselves(
    answers: int, anchors: int, is_everybodys: bool
) -> None:
    failed = [(str(nth % anchors), REFUSED) for nth in range(200)]
    stretch = stretch_of(min(answers, 2000), *failed)
    assert stretch.is_everybodys is is_everybodys
    assert stretch.is_long is is_everybodys


def test_another_answer_ends_it() -> None:
    failed = [(str(nth), REFUSED) for nth in range(50)]
    stretch = stretch_of(1, *failed, ("x", BROKEN))
    assert not stretch.is_everybodys
    stretch = stretch_of(1, *failed)
    stretch.answered()
    stretch.failed("x", REFUSED)
    assert not stretch.is_everybodys


def test_it_is_told_once_and_again_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    stretch_of(0, *((str(nth), REFUSED) for nth in range(100)))
    assert [record.args[0] for record in caplog.records] == [10, 20, 40, 80]  # type: ignore[index]
    assert "天书" in caplog.text
