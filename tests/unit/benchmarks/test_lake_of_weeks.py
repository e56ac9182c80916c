"""The benchmark's made-up answers say what decoded ones say."""

from benchmarks.lake_of_weeks import FIRST_HOUR, items_of_hour
from rankspider.items import UserItem
from rankspider.simulator.world import World


def test_what_takes_no_json_is_the_same() -> None:
    """Each hour's first answer is decoded as the spider does it, the others are made up."""
    world = World(anchors=40, rows=10)
    for second in range(17, 3600, 400):
        decoded = list(items_of_hour(world, FIRST_HOUR, [second]))
        made_up = list(items_of_hour(world, FIRST_HOUR, [2, second]))[-len(decoded) :]
        expected = [item for item in decoded if not isinstance(item, UserItem)]
        assert made_up[-len(expected) :] == expected
