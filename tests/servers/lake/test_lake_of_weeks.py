"""The benchmark's lake is the one that the writes themselves leave behind."""

from itertools import islice
from typing import Any

from benchmarks.lake_of_weeks import FIRST_HOUR, items_of_hour, lake_of_hours
from rankspider.simulator.world import World
from tests.support.stored_lists import store

SECONDS = (17, 317, 617)


def test_documents_are_those_that_the_writes_leave(database: Any) -> None:
    world = World(anchors=12, rows=4)
    store(database, *items_of_hour(world, FIRST_HOUR, SECONDS))
    (made,) = islice(lake_of_hours(world, seconds=SECONDS), 1)
    calls = made.pop("calls").values()
    assert {call["list_state"] for call in calls} == set(made["snapshots"])
    asked = [made["rank_history"][call["standing"]] for call in calls]
    assert [each["sec_uid"] for each in asked] == [call["anchor"] for call in calls]
    assert len(asked) == len(SECONDS)
    for name, documents in made.items():
        stored = {each["_id"]: each for each in database[name].find()}
        assert stored == documents
        # In the order of their fields, too.
        assert [list(stored[key]) for key in stored] == [list(documents[key]) for key in stored]
    assert len(made["rank_history"]) > len(made["ranks"]) >= 4
