"""Flags in the lake are the same whatever the order of observations."""

import asyncio
from itertools import chain

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankspider.connections.mongo import connect
from tests.support.lake_records import lake_after
from tests.support.sample_answer import (
    Change,
    moved,
    overtaken,
    records,
    rounded_rooms,
    sample,
    second_row,
)

CHANGES: list[Change] = [
    second_row(),
    overtaken,
    second_row(delta=5),
    second_row(gap_description="1"),
    rounded_rooms,
    lambda answer: answer["data"].update(delta_time=3),
]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.data(),
    observed=st.lists(
        st.tuples(st.sampled_from(CHANGES), st.integers(0, 3)), min_size=1, max_size=4
    ),
)
def test_any_order_leaves_the_same_flags(
    mongo_uri: str,
    database_name: str,
    data: st.DataObject,
    observed: list[tuple[Change, int]],
) -> None:
    batches = []
    for change, seconds in observed:
        answer = sample()
        change(answer)
        moved(seconds)(answer)
        batches.append(records(answer))
    shuffled = data.draw(st.permutations(batches + batches[:1]))

    async def compare() -> None:
        client = connect(mongo_uri)
        first = await lake_after(client[database_name], [list(chain(*batches))])
        second = await lake_after(client[database_name], shuffled)
        await client.close()
        assert second == first

    asyncio.run(compare())
