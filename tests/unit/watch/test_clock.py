"""The endpoint's clock, estimated from answers of which some come from a cache."""

import random

from hypothesis import example, given
from hypothesis import strategies as st

from rankspider.watch.clock import EndpointClock


@given(
    ahead=st.floats(-3600, 3600),
    drift_ppm=st.floats(-50, 50),
    cached=st.floats(0, 0.9),
    seed=st.integers(0, 1000),
)
@example(ahead=3.7, drift_ppm=20, cached=0.9, seed=1)
def test_it_is_found_within_a_round_trip(
    ahead: float, drift_ppm: float, cached: float, seed: int
) -> None:
    draw, clock = random.Random(seed), EndpointClock()
    at, longest = 1_700_000_000.0, 0.0
    for nth in range(200):
        at += draw.expovariate(0.5)
        way, back = draw.uniform(0.01, 0.4), draw.uniform(0.01, 0.4)
        made = at + way
        is_cached = nth > 0 and draw.random() < cached
        age = draw.uniform(0, 5) if is_cached else 0.0
        shown = made - age
        now = shown + ahead + (shown - 1_700_000_000.0) * drift_ppm / 1e6
        longest = max(longest, way + back)
        clock.note(now, at, at + way + back)
    offset = clock.offset
    assert offset is not None
    true = ahead + (at - 1_700_000_000.0) * drift_ppm / 1e6
    drifted = 600 * abs(drift_ppm) / 1e6
    assert offset.low <= offset.high
    assert offset.low <= true + drifted + 0.001
    assert abs((offset.low + offset.high) / 2 - true) <= longest + drifted + 0.001


def test_nothing_is_known_before_the_first_answer_and_old_ones_are_forgotten() -> None:
    clock = EndpointClock()
    assert clock.offset is None
    clock.note(now=1010.0, sent=1000.0, received=1000.5)
    offset = clock.offset
    assert offset is not None
    assert (offset.low, offset.high) == (9.5, 10.0)
    clock.note(now=1997.0, sent=2000.0, received=2000.5)  # it was set right meanwhile
    offset = clock.offset
    assert offset is not None
    assert (offset.low, offset.high) == (-3.5, -3.0)
