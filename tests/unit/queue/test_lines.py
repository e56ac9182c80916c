"""Lines that anchors are read from."""

from io import BytesIO

import pytest

from rankspider.queue.lines import read_anchors
from tests.support.anchors_to_queue import A, B


@pytest.mark.parametrize("padding", [b" ", b"x", b"\xff"])
def test_a_line_longer_than_any_read_is_one_refused_line(padding: bytes) -> None:
    long = padding * 1_000_000
    batches = list(read_anchors(BytesIO(b"\n".join([A.encode(), long + A.encode(), B.encode()]))))
    assert [anchor for batch in batches for anchor in batch.anchors] == [A, B]
    assert [refused.line for batch in batches for refused in batch.refused] == [2]
    assert batches[-1].last_line == 3
