"""The smallest answer, as the documentation shows it."""

import json
from typing import Any

import pytest

from rankspider.endpoint.answer import decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.validation import problem_of
from rankspider.items import RejectedItem
from tests.support.documentation import examples, read

[SMALLEST] = examples(read("endpoint.md"), "json")


def items(answer: Any) -> list[Any]:
    return list(Extraction(decode(json.dumps(answer).encode()), None, keep_private=False))


def test_it_is_stored() -> None:
    made = items(json.loads(SMALLEST.text))
    assert [each.kind for each in made].count("rows") == 2
    assert [problem_of(each) for each in made] == [None] * len(made)


@pytest.mark.parametrize("field", ["rank", "score", "user"])
def test_a_row_needs_all_it_has(field: str) -> None:
    answer = json.loads(SMALLEST.text)
    del answer["data"]["ranks"][0][field]
    assert any(isinstance(each, RejectedItem) for each in items(answer))


@pytest.mark.parametrize("key", ["id_str", "sec_uid"])
def test_a_user_needs_both_keys(key: str) -> None:
    answer = json.loads(SMALLEST.text)
    del answer["data"]["ranks"][0]["user"][key]
    assert any(isinstance(each, RejectedItem) for each in items(answer))


@pytest.mark.parametrize(("place", "field"), [("data", "begin_time"), ("extra", "now")])
def test_an_answer_needs_its_times(place: str, field: str) -> None:
    answer = json.loads(SMALLEST.text)
    del answer[place][field]
    with pytest.raises(AnswerError) as raised:
        items(answer)
    assert raised.value.failure.name == "malformed"
