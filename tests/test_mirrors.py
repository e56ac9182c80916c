"""A list that is known is found in the next answer without a look at its values."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.mirrors import Text
from tests.conftest import ROOT

SAMPLE = json.loads((ROOT / "tests" / "data" / "rank_goods_sample.json").read_bytes())
MIRRORS = re.compile(rb'(?<="url_list":\[)[^\]]*(?=\])')


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def on_other_hosts(body: bytes) -> bytes:
    return MIRRORS.sub(b'"https://p9.example.com/x.webp","https://p3.example.com/y"', body)


BODY = compact(SAMPLE)
KNOWN = decode(BODY).listed
SAME = on_other_hosts(BODY)


def said(answer: Answer) -> tuple[Any, ...]:
    own = answer.anchor_info
    return (
        answer.listed,
        own.raw if own else None,
        answer.other_fields(),
        [bytes(row.raw) for row in answer.rows],
        (answer.identity, answer.begin_time, answer.now_ms, answer.delta_time),
    )


def test_the_sample_has_mirrors_in_its_list() -> None:
    assert len(KNOWN.parts) > 3
    assert SAME != BODY


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("own", [True, False])
def test_a_known_list_on_other_hosts_is_known(wrap: bool, own: bool) -> None:
    answer = json.loads(SAME)
    if not own:
        del answer["data"]["anchor_info"]
    body = compact({"code": 200, "msg": "", "data": answer} if wrap else answer)
    read = decode(body, known=[Text.of(b"[1]"), KNOWN])
    assert read.listed is KNOWN
    assert said(read) == said(decode(body))


def test_the_asked_anchor_may_stand_before_the_list() -> None:
    answer = json.loads(SAME)
    data = answer["data"]
    ranks = data.pop("ranks")
    answer["data"] = {**data, "ranks": ranks}
    assert decode(compact(answer), known=[KNOWN]).listed is KNOWN


def test_a_list_in_another_place_is_not_the_list() -> None:
    for known_first in (True, False):
        answer = json.loads(SAME)
        ranks = answer["data"].pop("ranks")
        other = {"copy": {"ranks": ranks}}
        own = {"ranks": ranks[:1]}
        answer["data"] = {**other, **own, **answer["data"]} if known_first else answer["data"] | own
        body = compact(answer)
        read = decode(body, known=[KNOWN])
        assert said(read) == said(decode(body))
        assert len(read.rows) == 1


def test_what_stands_twice_is_read_as_json_is() -> None:
    """Of two equal keys the last one counts."""
    for twice in (b'"ranks":[],"ranks":', b'"ranks":[0],"ranks":'):
        body = SAME.replace(b'"ranks":', twice, 1)
        assert said(decode(body, known=[KNOWN])) == said(decode(body))
    start = SAME.find(b'"ranks":') + len(b'"ranks":')
    end = KNOWN.end_in(SAME, start)
    body = SAME[:end] + b',"ranks":[]' + SAME[end:]
    assert decode(body, known=[KNOWN]).rows == decode(body).rows == []


PLACES = st.integers(0, len(SAME) - 1)


@settings(max_examples=300, deadline=None)
@given(at=PLACES, length=st.integers(0, 40), instead=st.binary(max_size=20))
@example(at=0, length=len(SAME), instead=b"")
@example(at=SAME.find(b'"ranks":'), length=8, instead=b'"ranks": ')
@example(at=SAME.find(b'"ranks":[') + 8, length=1, instead=b"[[")
def test_any_change_is_read_as_if_nothing_were_known(at: int, length: int, instead: bytes) -> None:
    body = SAME[:at] + instead + SAME[at + length :]
    try:
        anew = said(decode(body))
    except AnswerError as error:
        expected: Any = error.failure
    else:
        expected = anew
    try:
        read: Any = said(decode(body, known=[KNOWN]))
    except AnswerError as error:
        read = error.failure
    in_mirrors = any(
        found.start() <= at and at + length <= found.end() for found in MIRRORS.finditer(SAME)
    )
    # What the addresses of a picture are is not looked at in a list that is known.
    assert read == expected or in_mirrors


@settings(max_examples=200, deadline=None)
@given(json_text=st.binary(max_size=200), before=st.binary(max_size=20), after=st.binary())
def test_a_text_ends_where_it_ends(json_text: bytes, before: bytes, after: bytes) -> None:
    text = Text.of(b"[" + json_text + b"]")
    body = before + b"[" + json_text + b"]" + after
    end = text.end_in(body, len(before))
    assert end in (len(before) + len(json_text) + 2, -1)
    if b"url_list" not in json_text:
        assert end > 0


def test_a_text_that_is_cut_off_is_not_there() -> None:
    text = Text.of(b'[{"url_list":["a"]},1]')
    assert text.end_in(b'x[{"url_list":["b","c"]},1]', 1) == 27
    for cut in (b'x[{"url_list":["b","c"]},1', b'x[{"url_list":["b"', b"x[", b""):
        assert text.end_in(cut, 1) == -1
