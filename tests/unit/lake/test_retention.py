"""The setting RANK_RETENTION."""

import pytest
from scrapy.utils.project import get_project_settings

from rankspider.configuration import Configuration
from rankspider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (None, {}),
        ("", {}),
        ("rank_history=90", {"rank_history": 90}),
        ("calls=30", {"calls": 30}),
        (" rank_history=90, snapshots=30,", {"rank_history": 90, "snapshots": 30}),
    ],
)
def test_the_setting(value: str | None, days: dict[str, int]) -> None:
    settings = get_project_settings()
    settings.set("RANK_RETENTION", value)
    assert Configuration.read(settings).retention == days


@pytest.mark.parametrize(
    "value",
    ["90", "ranks", "ranks=", "ranks=0", "ranks=1.5", "ranks=-1", "ranks=24001", "meta=3"]
    + ["ranks = 90", "ranks=1,ranks=2", "ranks=٣", "ranks=1d"],
)
def test_a_setting_that_is_unclear_deletes_nothing(value: str) -> None:
    settings = get_project_settings()
    settings.set("RANK_RETENTION", value)
    with pytest.raises(ConfigurationError, match="RANK_RETENTION must be like"):
        Configuration.read(settings)
