"""The project beside an independent truth (`tests.truth`)."""

from pathlib import Path

import pytest

from tests.truth import dress
from tests.truth.life import Plan, Stage, live


@pytest.mark.long
def test_a_life_with_a_kill(redis_url: str, mongo_uri: str, tmp_path: Path) -> None:
    plan = Plan(
        answers=300, workers=2, kills=1, moments=150, commands=1, style=dress.MIXED, failing=0.03
    )
    outcome = live(plan, Stage(redis_url, mongo_uri, tmp_path))
    assert not outcome.differences, f"{outcome.figures}\n{outcome.differences}"
    assert outcome.figures["kills"] == 1
    assert outcome.figures["late"] > 10
    assert outcome.figures["displaced"] > 50


def test_every_question_of_a_life(redis_url: str, mongo_uri: str, tmp_path: Path) -> None:
    plan = Plan(answers=300, workers=2, order=3, moments=20, commands=0, style=dress.MIXED)
    outcome = live(plan, Stage(redis_url, mongo_uri, tmp_path))
    assert not outcome.differences, f"{outcome.figures}\n{outcome.differences}"
    assert outcome.figures["questions"] > 100
