"""Rejected records and their keys."""

import pytest

from rankspider.endpoint import validation
from rankspider.items import Form, Item, RejectedItem
from rankspider.lake.documents import rejected_item, writes_of
from rankspider.quarantine.reread import items_of
from tests.support.sample_answer import passed, read_strictly, records, sample, text_for_a_number


@pytest.fixture(autouse=True)
def _text_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    read_strictly(monkeypatch)


def test_a_rejected_item_is_read_back_as_it_was() -> None:
    answer = sample()
    text_for_a_number(answer)
    items = [item for item in records(answer) if isinstance(item, RejectedItem)]
    assert {item.form for item in items} == {Form.ANSWER}
    for item in items:
        (write,) = writes_of(item)
        assert rejected_item({"_id": write.id, **write.content}) == item


def test_one_row_in_two_hours_is_two_records() -> None:
    keys = set()
    for hours in (0, 1):
        answer = sample()
        text_for_a_number(answer)
        answer["data"]["begin_time"] += 3600 * hours
        keys |= {item.key for item in records(answer) if isinstance(item, RejectedItem)}
    assert len(keys) == 4


def test_payloads_of_items_hold_all_of_the_item() -> None:
    """Else a retry would store less than the worker would have."""
    items: list[Item] = list(passed(records(sample()))[0])
    for item in items:
        assert not isinstance(item, RejectedItem)
        (again,) = items_of(validation.rejected(item, ""), keep_private=False)
        assert again == item
