"""Moments and ranges of hours as people write them."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from scrapy.settings import Settings

from rankspider.configuration import Configuration
from rankspider.errors import ConfigurationError, MomentError
from rankspider.moments import HOUR, Period, Range, hour_of, hour_text, moment_in

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = dt.datetime(2026, 3, 1, 10, 42, 7, tzinfo=dt.UTC)
TEN = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T18:42", dt.datetime(2026, 3, 1, 10, 42, tzinfo=dt.UTC)),
        ("2026-03-01 18:42:30", dt.datetime(2026, 3, 1, 10, 42, 30, tzinfo=dt.UTC)),
        ("2026-03-01T18:42+00:00", dt.datetime(2026, 3, 1, 18, 42, tzinfo=dt.UTC)),
        ("2026-03-01T18:42Z", dt.datetime(2026, 3, 1, 18, 42, tzinfo=dt.UTC)),
        ("2026-03-01", dt.datetime(2026, 2, 28, 16, tzinfo=dt.UTC)),
        ("now", NOW),
        ("3h", NOW - 3 * HOUR),
        ("2d", NOW - 48 * HOUR),
        ("45min", NOW - dt.timedelta(minutes=45)),
    ],
)
def test_what_a_moment_may_look_like(text: str, moment: dt.datetime) -> None:
    assert moment_in(text, "--at", SHANGHAI, NOW) == moment


@pytest.mark.parametrize("text", ["", "noon", "3", "-3h", "999999d", "2026-13-01", "19:00", "3H"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(MomentError, match=r"--from must be like 2030-01-31T19:00") as raised:
        moment_in(text, "--from", SHANGHAI, NOW)
    assert raised.value.exit_code == 2


def test_ranked_hours_begin_on_utcs_also_where_the_offset_is_half_an_hour() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    hour = hour_of(moment_in("2026-03-01T16:12", "--hour", kolkata, NOW))
    assert hour == TEN
    assert hour_text(hour, kolkata) == "2026-03-01 15:30+05:30"


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        (Range(None, None, None), TEN - 23 * HOUR, TEN + HOUR),
        (Range(None, None, 2), TEN - HOUR, TEN + HOUR),
        (Range(TEN - 5 * HOUR, None, None), TEN - 5 * HOUR, TEN + HOUR),
        (Range(TEN - 5 * HOUR, None, 2), TEN - 5 * HOUR, TEN - 3 * HOUR),
        (Range(None, TEN, 3), TEN - 3 * HOUR, TEN),
        (Range(TEN - 2 * HOUR, TEN, None), TEN - 2 * HOUR, TEN),
        # An hour that a limit falls into belongs to the range.
        (Range(NOW - HOUR, NOW, None), TEN - HOUR, TEN + HOUR),
    ],
)
def test_a_range_of_hours(given: Range, start: dt.datetime, end: dt.datetime) -> None:
    period = given.period(24, TEN)
    assert (period.start, period.end) == (start, end)
    hours = list(period)
    assert hours[0] == period.newest_first[-1] == start
    assert hours[-1] == period.newest_first[0] == end - HOUR
    assert len(period) == len(hours)
    assert start in period
    assert end not in period


def test_ranges_without_an_hour() -> None:
    with pytest.raises(MomentError, match="--from must be before --to"):
        Range(TEN, TEN, None).period(24, TEN)
    with pytest.raises(MomentError, match="leave out one"):
        Range(TEN - HOUR, TEN, 1)
    with pytest.raises(MomentError, match="--hours must be from 1"):
        Range(None, None, 0)
    with pytest.raises(MomentError, match="--from must be before --to"):
        Period(TEN, TEN)


def settings(**values: str) -> Settings:
    made = Settings()
    made.setmodule("rankspider.settings")
    made.setdict(values, priority="cmdline")
    return made


def test_the_zone_is_a_setting() -> None:
    read = Configuration.read(settings(RANK_TIMEZONE="America/New_York"))
    assert hour_text(TEN, read.timezone) == "2026-03-01 05:00-05:00"


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "America", "../etc/passwd", "+08:00", "\0"])
def test_a_zone_nobody_knows(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^RANK_TIMEZONE must be an IANA zone"):
        Configuration.read(settings(RANK_TIMEZONE=name))
