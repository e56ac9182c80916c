"""Which of two observations of one moment is the newer."""

import pytest

from rankspider.dedupe.reading import version_of
from rankspider.endpoint.extraction import extracted
from tests.support.lake_records import standing


@pytest.mark.parametrize("listed", [False, True])
def test_of_one_moment_the_fleet_and_the_lake_take_the_same_for_the_newer(listed: bool) -> None:
    """By how both compare them: as bytes, and as the text of a revision."""
    standings = [standing(1, 0, score, 0, listed=listed) for score in range(50)]
    by_fleet = sorted(standings, key=lambda each: version_of(extracted(each)).digest)
    assert by_fleet == sorted(standings, key=lambda each: each.tie)
    own, row = standing(1, 0, 1, 0, listed=False), standing(1, 1, 1, 0)
    assert version_of(extracted(own)).digest < version_of(extracted(row)).digest
