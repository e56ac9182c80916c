"""What MongoDB would take for more than text."""

import pytest

from rankspider.lake.documents import escaped, storable


@pytest.mark.parametrize(
    ("key", "stored"),
    [("plain", "plain"), ("$where", "%24where"), ("a.b", "a%2Eb"), ("5%", "5%25"), ("\0", "%00")],
)
def test_keys_that_mean_something_to_mongodb(key: str, stored: str) -> None:
    assert escaped(key) == stored
    assert storable({"list": [{key: 1 << 70}]}) == {"list": [{stored: str(1 << 70)}]}
