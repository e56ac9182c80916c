"""The keys beside a queue's own."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from redis.crc import key_slot
from scrapy.settings import Settings

from rankspider.configuration import Configuration
from rankspider.connections.redis_keys import Keys, has_a_slot_to_share
from rankspider.errors import ConfigurationError


@given(st.text("ab{}:", min_size=1))
@example("goods_rank:anchors")
@example("shop:{cn}:anchors")
@example("a}{b}")
@example("{{a}}")
@example("{a")
def test_keys_share_a_cluster_slot(key: str) -> None:
    assume(has_a_slot_to_share(key))
    names = Keys.of(key).all()
    assert len(set(names)) == 10
    assert len({key_slot(name.encode()) for name in names}) == 1


@pytest.mark.parametrize("key", ["a}", "{}", "a{}{b}", "}{"])
def test_a_queue_key_that_leaves_no_slot_to_share(key: str) -> None:
    assert not has_a_slot_to_share(key)
    settings = Settings()
    settings.setmodule("rankspider.settings")
    settings.set("RANK_QUEUE_KEY", key)
    with pytest.raises(ConfigurationError, match="RANK_QUEUE_KEY: its braces"):
        Configuration.read(settings)
