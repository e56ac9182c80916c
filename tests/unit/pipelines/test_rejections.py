"""What a worker says of rejected records."""

import logging
from collections.abc import Callable

import pytest

from rankspider.items import RejectedItem
from rankspider.pipelines import rejections
from rankspider.pipelines.rejections import Rejections
from tests.support.sample_answer import NO_RANK, Change, Document, passed, records, sample


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """Level and text of each line of the pipelines, without where to look."""
    caplog.set_level(logging.DEBUG, "rankspider")
    tail = f"; {rejections._WHERE}"
    return lambda: [
        (record.levelname, record.getMessage().removesuffix(tail)) for record in caplog.records
    ]


Logged = Callable[[], list[tuple[str, str]]]


def without_rank(answer: Document, rows: int) -> None:
    for row in answer["data"]["ranks"][:rows]:
        del row["rank"]


def rejected(*changes: Change) -> list[RejectedItem]:
    items = []
    for change in changes:
        answer = sample()
        change(answer)
        items += [item for item in records(answer) if isinstance(item, RejectedItem)]
    return items


def no_hour(answer: Document) -> None:
    answer["data"]["begin_time"] += 1


def one_row(answer: Document) -> None:
    without_rank(answer, 1)


def all_rows(answer: Document) -> None:
    without_rank(answer, 2)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            one_row,
            [
                ("WARNING", "A list was rejected: a row of it cannot be trusted"),
                ("WARNING", f"A row was rejected: {NO_RANK}"),
            ],
        ),
        (
            all_rows,
            [
                (
                    "ERROR",
                    f"A list was rejected, for none of its 2 rows can be trusted: {NO_RANK}",
                ),
                ("WARNING", f"A row was rejected: {NO_RANK}"),
            ],
        ),
        (
            no_hour,
            [
                ("ERROR", "A list was rejected: begin_time is not on an hour"),
                ("WARNING", "A row was rejected: begin_time is not on an hour"),
            ],
        ),
    ],
)
def test_the_first_of_each_reason(
    change: Change, lines: list[tuple[str, str]], logged: Logged
) -> None:
    passed([*rejected(change), *rejected(change)])
    assert logged() == lines


def test_a_list_that_is_lost_after_one_that_was_not(logged: Logged) -> None:
    passed(rejected(one_row, all_rows, all_rows, one_row))
    assert [level for level, _ in logged()] == ["WARNING", "WARNING", "ERROR"]


def test_sound_records_are_not_talked_of(logged: Logged) -> None:
    passed(list(records(sample())))
    assert logged() == []


def test_reasons_differ_in_words_not_in_numbers(logged: Logged) -> None:
    row, noted = rejected(one_row)[-1], Rejections()
    for number in range(200):
        row.reason = f"unreadable row: invalid character (byte {number})"
        noted.note(row)
    assert [text for _, text in logged()] == [
        "A row was rejected: unreadable row: invalid character (byte 0)"
    ]
    for number in range(200):
        row.reason = f"unreadable \x1b[31m {'x' * number}"
        noted.note(row)
    lines = [text for _, text in logged()]
    assert len(lines) == rejections._MOST_REASONS + 1
    assert lines[-1] == f"No further reasons are logged: these were {rejections._MOST_REASONS}"
    assert "\x1b" not in "".join(lines)
