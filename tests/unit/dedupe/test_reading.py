"""A list is known again by what it says, in whatever style it is written."""

import json
import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankspider.dedupe.reading import AnswerReader, ReadAnswer
from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.redaction import masked
from tests.support.rewriting import rewritten
from tests.support.sample_answer import Change, Document, sample

TOKEN = "token+S3cr3t/1"
OWN = "MS4wLjABAAAArEm3vfpDvU19b3zzV0kyqGRUrdLBHfbGL5lBJRfxz3M"


def compact(answer: Document) -> bytes:
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()


def said(body: bytes) -> list[tuple[type, str]]:
    items = Extraction(decode(body), None, keep_private=False)
    return [(type(item), item.digest) for item in items]


def user(**changes: Any) -> Change:
    return lambda answer: answer["data"]["ranks"][1]["user"].update(changes)


def row(**changes: Any) -> Change:
    return lambda answer: answer["data"]["ranks"][1].update(changes)


WRITERS: list[Callable[[Document], bytes]] = [
    lambda answer: compact(answer) + b" \n",
    lambda answer: b"\xef\xbb\xbf" + compact(answer),
    lambda answer: json.dumps(answer).encode(),
    lambda answer: json.dumps(answer, indent="\t").encode(),
    lambda answer: json.dumps(answer).replace("/", "\\/").encode(),
    lambda answer: json.dumps(answer, sort_keys=True).encode(),
    lambda answer: compact(answer).replace(b'"user":', b'"\\u0075ser":'),
    lambda answer: compact(answer).replace(b'"ranks":', b'"r\\u0061nks" :'),
    lambda answer: compact(answer).replace(b'"url_list":[', b'"url_list": [ '),
    lambda answer: compact(answer).replace(b'"url_list":', b'"url\\u005flist":'),
    lambda answer: re.sub(rb'(?<="url_list":\[)[^]]+', b'"http://[::1]/]?"', compact(answer)),
    lambda answer: compact(answer).replace(b'"score":49232', b'"score":1,"score":49232'),
    lambda answer: compact(answer).replace(b'"score":49232', b'"score":4.9232e4'),
    lambda answer: compact(answer).replace(b'"level":0', b'"level":-0.0'),
]  # fmt: skip


def read(reader: AnswerReader, body: bytes) -> ReadAnswer:
    return reader.read(decode(body, trusting=True, known=reader.list_texts), OWN)


@pytest.mark.parametrize("write", WRITERS)
def test_other_bytes_are_no_other_list(
    write: Callable[[Document], bytes],
) -> None:
    reader = AnswerReader(keep_private=False)
    before = read(reader, compact(sample()))
    for _ in range(2):
        again = read(reader, write(sample()))
        assert again.whole.version == before.whole.version
        assert again.own_versions == before.own_versions
        assert again.whole.rows is before.whole.rows


@pytest.mark.parametrize("shuffled", [True, False])
def test_a_known_list_is_told_without_a_look_at_its_rows(
    shuffled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, answers = AnswerReader(keep_private=False), []
    for number in range(6):
        answer, choose = sample(), random.Random(number)
        for each in answer["data"]["ranks"]:
            entries = list(each["user"].items())
            choose.shuffle(entries)
            each["user"] = dict(entries)
        in_turns = [compact, lambda answer: json.dumps(answer).encode()][number % 2]
        answers.append(compact(answer) if shuffled else in_turns(sample()))
    read(reader, answers[0])
    monkeypatch.setattr("rankspider.dedupe.reading._read_rows", None)  # it would fail
    for body in answers * 2:
        read(reader, body)


@pytest.mark.parametrize(
    "change", [row(score=29086, delta=20146), user(nickname="x"), user(level=1)]
)
def test_one_change_in_any_style_is_news(change: Change) -> None:
    reader = AnswerReader(keep_private=False)
    before = read(reader, compact(sample())).whole.rows.packed
    for write in WRITERS[:6]:
        answer = sample()
        change(answer)
        assert read(reader, write(answer)).whole.rows.packed != before


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30))
def test_any_rewriting_leaves_the_same_facts(seed: int) -> None:
    choose, reader = random.Random(seed), AnswerReader(keep_private=False)
    before = read(reader, compact(sample()))
    for _ in range(2):
        body = rewritten(sample(), choose)
        again = read(reader, body)
        assert again.whole.version == before.whole.version, body
        assert again.own_versions == before.own_versions, body
        assert said(body) == said(compact(sample())), body


@pytest.mark.parametrize(
    "spelt", [TOKEN, quote(TOKEN), "\\u0074oken+S3cr3t/1", "&#116;oken+S3cr3t/1"]
)
def test_nothing_that_is_read_holds_the_licence(spelt: str) -> None:
    """Neither of a list that is read, nor, if its rows are wanted again, of one that is known."""
    mask, reader = partial(masked, token=TOKEN), AnswerReader(keep_private=False)
    answer = sample()
    answer["data"]["ranks"][0]["user"]["avatar_thumb"]["url_list"] = ["https://a/?t=@@"]
    answer["data"]["anchor_info"]["user"]["signature"] = "of @@"
    answer["data"]["rules_url"] = "https://a/?t=@@"
    body = compact(answer).replace(b"@@", spelt.encode())
    for _ in range(2):
        said = decode(body, trusting=True, known=reader.list_texts, mask=mask)
        for item in Extraction(said, None, keep_private=False):
            assert "3cr3t" not in str(item)
        assert "***" in str(reader.read(said, OWN).own[1].make())
    assert said.body.known is not None
