"""Soft checks set flags and leave the record where it is; hard ones quarantine it alone."""

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankspider.dedupe.reading import AnswerReader
from rankspider.endpoint.answer import Row
from rankspider.endpoint.checks import (
    ListedRow,
    flags_of_row,
    flags_of_scores,
    flags_of_times,
    listed_rows,
)
from rankspider.endpoint.extraction import Extraction
from rankspider.items import Item, ListItem, RankItem, RejectedItem
from rankspider.lake.documents import writes_of
from tests.support.sample_answer import (
    Change,
    Document,
    moved,
    overtaken,
    passed,
    read,
    records,
    rounded_rooms,
    sample,
    second_row,
)


def rank_items(items: list[Item]) -> list[RankItem]:
    return [item for item in items if isinstance(item, RankItem)]


def list_items(items: list[Item]) -> list[ListItem]:
    return [item for item in items if isinstance(item, ListItem)]


def own_row(**changes: Any) -> Change:
    return lambda answer: answer["data"]["anchor_info"].update(changes)


def a_tie(answer: Document) -> None:
    score = answer["data"]["ranks"][0]["score"]
    answer["data"]["ranks"][1].update(score=score, delta=0, gap_description="4.9万")


def rounded_id(answer: Document) -> None:
    user = answer["data"]["ranks"][1]["user"]
    user.update(id=6_919_375_969_501_465_000, id_str="6919375969501465352")


def float_id(answer: Document) -> None:
    user = answer["data"]["ranks"][1]["user"]
    user.update(id=6.919375969501465e18, id_str="6919375969501465352")


def without_twins(answer: Document) -> None:
    user = answer["data"]["ranks"][1]["user"]
    del user["id"]
    user["own_room"] = {"room_ids_str": ["6919375969501465352"]}


def a_first_place_with_a_delta(answer: Document) -> None:
    answer["data"]["ranks"][0]["delta"] = 1


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (second_row(), []),
        (a_tie, []),
        (overtaken, ["score-above-better-place"]),
        (second_row(delta=20146), ["delta"]),
        (second_row(gap_description="2.8万"), ["score-text"]),
        (second_row(gap_description="2.9万"), []),
        (second_row(gap_description="3.0万音浪"), []),
        (second_row(gap_description="29085"), []),
        (second_row(gap_description="29084"), ["score-text"]),
        (second_row(gap_description="9" * 5000), ["score-text"]),
        (second_row(gap_description="9" * 5000 + "万"), ["score-text"]),
        (second_row(gap_description=""), []),
        (second_row(gap_description="距上榜还差50热度"), []),
        (second_row(gap_description="2.9"), []),
        (second_row(score=2, delta=49230, gap_description="2.9万"), ["score-text"]),
        (second_row(score=0, delta=49232, gap_description="0"), []),
        (rounded_id, ["id-twin"]),
        (float_id, ["id-twin"]),
        (rounded_rooms, ["room-twin"]),
        (without_twins, []),
    ],
)
def test_a_row_and_its_flags(change: Change, flags: list[str]) -> None:
    answer = sample()
    change(answer)
    items, stats = passed(records(answer))
    first, second, own = rank_items(items)
    assert (first.flags, second.flags, own.flags) == ([], flags, [])
    assert {f"rank/flags/{flag}": 1 for flag in flags}.items() <= stats.items()


def test_the_first_place_is_behind_nobody() -> None:
    answer = sample()
    a_first_place_with_a_delta(answer)
    assert [item.flags for item in rank_items(records(answer))] == [["delta"], [], []]


def test_nothing_is_asked_of_the_text_and_the_delta_of_an_own_row() -> None:
    answer = sample()
    own_row(delta=-5, gap_description="9.9万")(answer)
    assert rank_items(records(answer))[-1].flags == []


def test_the_text_of_a_twin_is_stored() -> None:
    answer = sample()
    float_id(answer)
    rounded_rooms(answer)
    second = rank_items(records(answer))[1]
    assert second.flags == ["id-twin", "room-twin"]
    assert second.user_id == "6919375969501465352"
    assert second.room_ids == ["6919375969501465352"]


END = 1611054000 + 3600
LEFT = END - 1611055049.817


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (moved(0), []),
        (overtaken, ["scores-increase"]),
        (lambda answer: answer["data"].update(delta_time=2552), []),
        (lambda answer: answer["data"].update(delta_time=2550), []),
        (lambda answer: answer["data"].update(delta_time=2553), ["delta-time"]),
        (lambda answer: answer["data"].update(delta_time=2549), ["delta-time"]),
        (moved(LEFT - 0.001), []),
        (moved(LEFT), ["outside-hour"]),
        (moved(LEFT - 3600), []),
        (moved(LEFT - 3600.001), ["outside-hour"]),
        (lambda answer: answer["data"].update(begin_time=END), ["delta-time", "outside-hour"]),
    ],
)
def test_a_list_and_its_flags(change: Change, flags: list[str]) -> None:
    answer = sample()
    change(answer)
    items, stats = passed(records(answer))
    (state,) = list_items(items)
    assert state.flags == flags
    assert {f"rank/flags/{flag}": 1 for flag in flags}.items() <= stats.items()


def test_a_flagged_observation_is_of_the_same_state() -> None:
    sound, stale = sample(), sample()
    moved(LEFT)(stale)
    (before,), (after,) = list_items(records(sound)), list_items(records(stale))
    assert before.digest != after.digest
    (first, _), (second, _) = writes_of(before), writes_of(after)
    assert first.id == second.id
    assert (first.content["flags"], second.content["flags"]) == ([], ["outside-hour"])


def test_a_flag_is_something_new() -> None:
    item = rank_items(records(sample()))[0]
    assert dataclasses.replace(item, flags=["delta"]).digest != item.digest


def test_a_text_beside_a_state_is_something_new_and_no_other_state() -> None:
    (state,) = list_items(records(sample()))
    other = dataclasses.replace(state, other_fields={"rules": "new"})
    assert other.digest != state.digest
    assert other.history_key == state.history_key


def test_a_row_beside_another_neighbour_is_looked_at_again() -> None:
    """Two rows of the same bytes may differ in their flags."""
    answer, reader = sample(), AnswerReader(keep_private=False)
    before = reader.read(read(answer), "asked").whole.rows
    answer["data"]["ranks"][0]["score"] += 400  # its text and its flags stay as they were
    moved(10)(answer)
    after = reader.read(read(answer), "asked").whole.rows
    changed = [one != other for one, other in zip(before.versions, after.versions, strict=True)]
    assert changed == [True, False, True, False]  # both standings, neither profile
    flags = [item.flags for item in rank_items(records(answer)) if item.listed]
    assert flags == [[], ["delta"]]


def test_a_row_below_an_unreadable_one_is_compared_with_nothing() -> None:
    answer = sample()
    ranks = answer["data"]["ranks"]
    third = copy.deepcopy(ranks[1])
    third.update(rank=3, score=10, delta=7, gap_description="10")
    third["user"].update(id=11111111111, id_str="11111111111")
    del ranks[1]["score"]
    ranks.append(third)
    assert [row.flags_of_place() for row in listed_rows(read(answer))] == [(), (), ()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (second_row(score=-1), "score is not from 0 to 2^63 - 1"),
        (second_row(score=1 << 63), "score is not from 0 to 2^63 - 1"),
        (second_row(delta=1 << 63), "delta is beyond 64 bits"),
        (second_row(rank=0), "rank is not the row's place in the list"),
        (
            lambda answer: answer["data"]["ranks"][1]["user"].update(id_str="0"),
            "id_str is not a number of up to 20 digits",
        ),
        (
            lambda answer: answer["data"]["ranks"][1]["user"].update(sec_uid=""),
            "sec_uid is not of the known form",
        ),
    ],
)
def test_one_bad_row_leaves_the_others_alone(change: Change, reason: str) -> None:
    answer = sample()
    change(answer)
    items, _ = passed(records(answer))
    assert [item.rank for item in rank_items(items)] == [1, 0]
    rejected = [item for item in items if isinstance(item, RejectedItem) and item.kind == "rows"]
    assert [item.reason for item in rejected] == [reason]
    assert rejected[0].ranked_list is not None


@pytest.mark.parametrize(
    "change",
    [
        second_row(score=-1),
        second_row(score=1 << 63),
        lambda answer: answer["data"]["ranks"][1]["user"].update(id_str="x"),
        lambda answer: answer["data"].update(delta_time=1 << 63),
    ],
)
def test_a_list_is_not_told_by_a_row_that_cannot_be_trusted(change: Change) -> None:
    answer = sample()
    change(answer)
    items, _ = passed(records(answer))
    assert list_items(items) == []
    assert next(item.kind for item in items if isinstance(item, RejectedItem)) == "lists"


@pytest.mark.parametrize("change", [second_row(score=None), second_row(score=-1)])
def test_what_is_broken_is_rejected_once_whoever_asks(change: Change) -> None:
    """The row as it came, or the item that was made of it; and the list with it."""
    keys = set()
    for nickname, seconds in (("A", 0), ("B", 5)):
        answer = sample()
        change(answer)
        answer["data"]["anchor_info"]["user"]["nickname"] = nickname
        moved(seconds)(answer)
        items, _ = passed(list(Extraction(read(answer), nickname, keep_private=False)))
        keys |= {item.key for item in items if isinstance(item, RejectedItem)}
    assert sorted(key.split("/")[0] for key in keys) == ["lists", "rows"]


@settings(max_examples=200, deadline=None)
@given(
    rank=st.integers(-1, 3),
    score=st.integers(),
    delta=st.integers(),
    above=st.none() | st.integers(),
    text=st.text() | st.from_regex(r"[0-9]{1,30}(\.[0-9]{0,30})?万?(热度|音浪)?", fullmatch=True),
)
def test_no_number_or_text_stops_a_check(
    rank: int, score: int, delta: int, above: int | None, text: str
) -> None:
    row = read(sample()).rows[1]
    assert isinstance(row, Row)
    row.shape.rank, row.shape.score, row.shape.delta = rank, score, delta
    row.shape.gap_description = text
    listed = ListedRow(row, 2, 1, above)
    assert set(listed.flags_of_place()) <= {"delta", "score-above-better-place"}
    assert set(flags_of_row(row, listed=True)) <= {"score-text"}
    assert set(flags_of_scores([above or 0, score])) <= {"scores-increase"}
    assert flags_of_times(read(sample())) == ()


def test_whoever_comes_along_with_the_list_alone_is_nobodys_standing() -> None:
    """Both samples have somebody in ``anchor_info`` though nobody was asked for."""
    answer = read(sample())
    alone = Extraction(answer, None, keep_private=False, is_list_alone=True)
    assert alone.own(frozenset()) == []
    assert alone.own_user is None
    asked = Extraction(answer, "asked", keep_private=False)
    assert len(list(asked)) == len(list(alone)) + 2
