"""How often anchors are asked, as people say it, and how the watch list is written as lines."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankspider.simulator.world import synthetic_sec_uid
from rankspider.watch.exchange import Imported, line_of, read_lines
from rankspider.watch.terms import Terms, TermsError, duration_text, seconds_in

SEC_UID = synthetic_sec_uid(1, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("10min", 600), ("2h", 7200), ("1.5h", 5400), (" 1D ", 86_400)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_in(text, "--every") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "10 weeks", "1e3s", "٣m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TermsError, match="--every must be like 90s"):
        seconds_in(text, "--every")


@given(st.integers(1, 30 * 86_400))
def test_a_duration_is_read_as_it_was_written(seconds: int) -> None:
    assert seconds_in(duration_text(seconds), "--every") == seconds


@pytest.mark.parametrize(
    ("every", "at_most"), [(0.5, None), (None, 31 * 86_400.0), (600.0, 300.0), (float("nan"), None)]
)
def test_terms_that_make_no_sense(every: float | None, at_most: float | None) -> None:
    with pytest.raises(TermsError):
        Terms(every, at_most)


def test_what_is_exported_is_imported_as_it_was() -> None:
    document: dict[str, Any] = {
        "sec_uid": SEC_UID,
        "every": 300.0,
        "at_most": 7200.0,
        "steady": True,
        "label": "鞋 \u2028",
        "paused": True,
        "by": "person",
    }
    line = line_of(document)
    assert line.count("\n") == 1
    (imported,) = read_lines([b"\n", line.encode()])
    assert imported == Imported(SEC_UID, Terms(300.0, 7200.0, True, "鞋 \u2028"), True)


@pytest.mark.parametrize(
    "line",
    [b"{", b'{"sec_uid": "x"}', b'{"sec_uid": "%s", "evry": 5}' % SEC_UID.encode(), b"\xff"]
    + [b'{"sec_uid": "%s", "every": 0}' % SEC_UID.encode()],
)
def test_a_line_that_makes_no_sense_is_named(line: bytes) -> None:
    with pytest.raises(TermsError, match=r"^line 2: "):
        list(read_lines([b"", line]))
