"""The lake as the first release left it."""

import json
from typing import Any

from bson import json_util

from tests.support.project import ROOT

# --- A lake that the first release (0.1.0, commit 284fb00) wrote -----------------------------
# Dumped with that release's own code: two honest answers a minute apart, one with a row that
# lacks its score, and one with a negative score. All ids are synthetic.

FIRST_RELEASE = ROOT / "tests" / "data" / "lake-0.1.json"
TEXT = FIRST_RELEASE.read_text(encoding="utf-8")


def old_lake() -> dict[str, list[dict[str, Any]]]:
    options = json_util.JSONOptions(tz_aware=True)
    lake: dict[str, list[dict[str, Any]]] = json_util.loads(TEXT, json_options=options)["lake"]
    return lake


def later_answer(seconds: int) -> dict[str, Any]:
    """The last honest answer that the first release stored, again later."""
    answer: dict[str, Any] = json.loads(TEXT)["answer"]
    answer["extra"]["now"] += seconds * 1000
    answer["data"]["delta_time"] -= seconds
    return answer
