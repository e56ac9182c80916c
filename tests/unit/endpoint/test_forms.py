"""One answer in every form in which servers are known to write it: the facts stay the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from rankspider.endpoint.answer import BrokenRow, Row, decode
from rankspider.endpoint.extraction import Extraction
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.validation import problem_of
from rankspider.items import Item, RankItem, RejectedItem, UserItem
from tests.support.sample_answer import Change, Document, sample

Rewriting = Callable[[Any], Any]


def encoded(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def everywhere(change: Rewriting) -> Rewriting:
    """``change`` done to each value of a document, the innermost first."""

    def rewritten(value: Any) -> Any:
        if isinstance(value, dict):
            value = {name: rewritten(each) for name, each in value.items()}
        elif isinstance(value, list):
            value = [rewritten(each) for each in value]
        return change(value)

    return rewritten


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _as_float(value: Any) -> Any:
    return float(value) if _is_number(value) and abs(value) < 1 << 53 else value


def _without_zeros(value: Any) -> Any:
    return (
        {k: v for k, v in value.items() if v or k in ("rank", "score")}
        if isinstance(value, dict)
        else value
    )


def _with_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: v if v or k in ("rank", "score", "status_code") else None for k, v in value.items()}


def _as_php(value: Any) -> Any:
    return [] if value == {} else value


FORMS: dict[str, Rewriting] = {
    "integers as text": everywhere(lambda value: str(value) if _is_number(value) else value),
    "whole floats": everywhere(_as_float),
    "null for nothing": everywhere(_with_nulls),
    "nothing left out": everywhere(_without_zeros),
    "php": everywhere(_as_php),
    "keys backwards": everywhere(
        lambda value: dict(reversed(value.items())) if isinstance(value, dict) else value
    ),
}


def said(body: bytes) -> list[tuple[str, str, str]]:
    """Which records the answer brings, and what they say."""
    items = list(Extraction(decode(body), None, keep_private=False))
    return [(type(item).__name__, item.key, item.digest) for item in items]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_form_makes_no_difference(form: Rewriting) -> None:
    answer = form(sample())
    # Absent is no success: the one status that must be there.
    answer["status_code"] = answer.get("status_code") or 0
    assert said(encoded(answer)) == said(encoded(sample()))


@pytest.mark.parametrize(
    "written",
    [
        lambda answer: b"\xef\xbb\xbf" + encoded(answer),
        lambda answer: json.dumps(answer, indent=4).encode(),
        lambda answer: json.dumps(answer, ensure_ascii=True).replace("/", "\\/").encode(),
        lambda answer: encoded(answer).replace(b'"ranks"', b'"r\\u0061nks"'),
        lambda answer: encoded(answer).replace(b'"nickname"', b'"nickn\\u0061me"'),
        lambda answer: encoded(answer).replace(b'"url_list"', b'"url_li\\u0073t"'),
        lambda answer: b" \r\n\t" + encoded(answer) + b"\n\n",
        lambda answer: b"\n\xef\xbb\xbf\xef\xbb\xbf" + encoded(answer),
        lambda answer: encoded({**answer, "data": json.dumps(answer["data"])}),
        lambda answer: encoded({**answer, "extra": json.dumps(answer["extra"])}),
        lambda answer: encoded({"code": 200, "data": encoded(answer).decode()}),
        lambda answer: encoded(encoded(answer).decode()),
        lambda answer: encoded(
            {**answer, "data": {**answer["data"], "ranks": json.dumps(answer["data"]["ranks"])}}
        ),
        lambda answer: encoded({**answer, "data": {**answer["data"], "ranks": _by_place(answer)}}),
    ],
)
def test_the_style_makes_no_difference(written: Callable[[Any], bytes]) -> None:
    assert said(written(sample())) == said(encoded(sample()))


def _by_place(answer: Any) -> dict[str, Any]:
    """The list as PHP writes one that does not begin at 0."""
    return {str(place): row for place, row in enumerate(answer["data"]["ranks"], start=1)}


def items_with(change: Callable[[Any], None]) -> list[Item]:
    answer = sample()
    change(answer)
    return list(Extraction(decode(encoded(answer)), None, keep_private=False))


def first_user(answer: Any) -> Any:
    return answer["data"]["ranks"][0]["user"]


@pytest.mark.parametrize(
    "twin",
    ["84990209480", 84990209480.0, "84990209480.0", "8.499020948e+10", 0, None, "", []],
)
def test_a_twin_of_another_form_flags_nothing(twin: Any) -> None:
    def change(answer: Any) -> None:
        first_user(answer)["id_str"] = "84990209480"
        first_user(answer)["id"] = twin

    for item in items_with(change):
        assert not isinstance(item, RejectedItem)
        assert "id-twin" not in getattr(item, "flags", [])


@pytest.mark.parametrize("twin", [84990209481, 84990209480.5, 1e30, "another"])
def test_a_twin_that_differs_is_flagged(twin: Any) -> None:
    def change(answer: Any) -> None:
        first_user(answer)["id_str"] = "84990209480"
        first_user(answer)["id"] = twin

    flagged = [item for item in items_with(change) if "id-twin" in getattr(item, "flags", [])]
    assert len(flagged) == 1


@pytest.mark.parametrize("rooms", ["6919375969501465352", ["6919375969501465352"], {}, None, 6.5])
def test_a_redundant_room_breaks_nothing(rooms: Any) -> None:
    def change(answer: Any) -> None:
        first_user(answer)["own_room"]["room_ids"] = rooms

    assert not any(isinstance(item, RejectedItem) for item in items_with(change))


@pytest.mark.parametrize("nothing", [None, "", [], {}, False])
@pytest.mark.parametrize("name", ["region_name", "city_code", "currency", "subtitle"])
def test_an_empty_optional_field_of_the_list(name: str, nothing: Any) -> None:
    def change(answer: Any) -> None:
        answer["data"][name] = nothing

    items = items_with(change)
    assert not any(isinstance(item, RejectedItem) for item in items)
    assert {getattr(item.ranked_list, name) for item in items if hasattr(item, "rank")} == {""}


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_no_seconds_left_given(nothing: Any) -> None:
    def change(answer: Any) -> None:
        answer["data"]["delta_time"] = nothing

    assert not any(isinstance(item, RejectedItem) for item in items_with(change))


@pytest.mark.parametrize(
    ("name", "value"),
    [("gap_description", ["x"]), ("rich_description", True), ("shop_tags", [{"name": "x"}])],
)
def test_an_optional_text_that_is_none_breaks_nothing(name: str, value: Any) -> None:
    first, *_ = ranks(items_with(row(**{name: value}, rank=2)))
    items = items_with(row(**{name: value}))
    assert not any(isinstance(item, RejectedItem) for item in items)
    assert ranks(items)[1].other_fields == {name: value}
    assert first.other_fields == {}


@pytest.mark.parametrize("nothing", [None, "", [], {}, False, 0])
def test_no_own_standing_is_none(nothing: Any) -> None:
    def change(answer: Any) -> None:
        answer["data"]["anchor_info"] = nothing

    assert [type(item).__name__ for item in items_with(change)] == [
        *("ListItem", "RankItem", "UserItem", "RankItem", "UserItem")
    ]


@pytest.mark.parametrize("name", ["id_str", "sec_uid"])
@pytest.mark.parametrize("nothing", [None, "", [], {}, 0, 1e19, True])
def test_an_identity_that_is_none_breaks_its_row(name: str, nothing: Any) -> None:
    def change(answer: Any) -> None:
        first_user(answer)[name] = nothing

    assert any(
        isinstance(item, RejectedItem) or problem_of(item) is not None
        for item in items_with(change)
    )


@pytest.mark.parametrize("name", ["rank", "score"])
@pytest.mark.parametrize("value", [None, "", [], "many", 1.5, "1.5", 1e300, True])
def test_a_place_or_a_score_that_is_none_breaks_its_row(name: str, value: Any) -> None:
    answer = sample()
    answer["data"]["ranks"][0][name] = value
    first, second = decode(encoded(answer)).rows
    assert isinstance(first, BrokenRow)
    assert isinstance(second, Row)


def test_an_envelope_with_an_empty_message() -> None:
    enveloped = {"code": 200, "msg": [], "data": sample()}
    assert said(encoded(enveloped)) == said(encoded(sample()))


@pytest.mark.parametrize(
    "around",
    [
        {"code": 0, "msg": "ok"},
        {"code": "0"},
        {"code": 200.0},
        {"errcode": 0, "errmsg": "ok"},
        {"success": True},
        {"status": "success", "error": None},
        {"code": "00000"},
        {"code": 20000, "msg": "success"},
        {"code": "10000", "msg": "请求成功"},
        {"success": 1, "code": 200},
    ],
)
def test_a_success_in_any_envelope(around: dict[str, Any]) -> None:
    assert said(encoded({**around, "data": sample()})) == said(encoded(sample()))


def test_a_success_in_envelopes_within_each_other() -> None:
    body = encoded({"errno": 0, "data": {"code": 200, "data": {"code": 0, "data": sample()}}})
    assert said(body) == said(encoded(sample()))
    body = encoded({"errno": 0, "data": {"code": 200, "data": {"code": 500, "data": sample()}}})
    with pytest.raises(AnswerError, match="vendor-busy"):
        decode(body)


@pytest.mark.parametrize(
    "around",
    [
        {"code": 3},
        {"success": False},
        {"success": 0},
        {"success": "false"},
        {"error": "no"},
        {"ret": -1},
        {"code": 20000},
        {"code": 20000, "msg": "天书"},
        {"code": 404, "msg": "success"},
    ],
)
def test_a_refusal_with_a_list_in_it_is_a_refusal(around: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as raised:
        decode(encoded({**around, "data": sample()}))
    assert raised.value.failure.name == "refused"


@pytest.mark.parametrize(
    "now",
    [
        *(1611055049, 1611055049817000, 1611055049817000000, 0, -1, 1, 10**30),
        *(1611055049817 + 8 * 86_400_000, 1611055049817 - 8 * 86_400_000, 253_402_300_799_000),
        *("soon", "", None, 1611055049817.5, True),
    ],
)
def test_a_time_far_from_the_hour_is_none(now: object) -> None:
    answer = sample()
    answer["extra"]["now"] = now
    with pytest.raises(AnswerError) as raised:
        decode(encoded(answer))
    assert raised.value.failure.name == "malformed"


def ranks(items: list[Item]) -> list[RankItem]:
    return [item for item in items if isinstance(item, RankItem)]


def user(**changes: Any) -> Change:
    return lambda answer: answer["data"]["ranks"][1]["user"].update(changes)


def row(**changes: Any) -> Change:
    return lambda answer: answer["data"]["ranks"][1].update(changes)


def data(**changes: Any) -> Change:
    return lambda answer: answer["data"].update(changes)


def without(*names: str) -> Change:
    def leave_out(answer: Document) -> None:
        for name in names:
            del answer["data"]["ranks"][1]["user"][name]

    return leave_out


SECOND = sample()["data"]["ranks"][1]
ID = SECOND["user"]["id"]
SAME_FACTS: list[Change] = [
    user(id=float(ID)),
    user(id=str(ID)),
    user(id=None),
    user(id_str=ID),
    user(id_str=float(ID)),
    user(own_room={**SECOND["user"]["own_room"], "room_ids": {}}),
    user(own_room={"room_ids_str": [int(SECOND["user"]["own_room"]["room_ids_str"][0])]}),
    user(gender=float(SECOND["user"]["gender"]), short_id=str(SECOND["user"]["short_id"])),
    user(verified=0, level="0", city=None, badge_image_list={}, authorization_info="3"),
    user(experience=False, something_new=None, another={}, third=0, fourth=""),
    user(signature=SECOND["user"]["signature"] or None),
    without("experience", "verified", "city", "badge_image_list", "follow_info"),
    row(rank="2", score=str(SECOND["score"]), delta=float(SECOND["delta"])),
    row(score=f"{SECOND['score']}.0", rank=2.0),
    row(rich_description=None, city_code=None, fixed_footer_description=[]),
    row(unknown=None),
    data(region_name=None),
    data(region_name={"a": 1}),
    data(seats={}, is_hide_entrance=0, charts_description=None, delta_time="2551"),
    data(begin_time="1611054000"),
    data(begin_time=1611054000.0),
    lambda answer: answer.update(status_code="0", msg=[], status_msg={}),
    lambda answer: answer["extra"].update(now="1611055049817"),
    lambda answer: answer["extra"].update(now=1611055049817.0),
]


@pytest.mark.parametrize("change", SAME_FACTS)
def test_another_form_says_the_same(change: Change) -> None:
    answer = sample()
    change(answer)
    assert said(encoded(answer)) == said(encoded(sample()))


@pytest.mark.parametrize(
    "change",
    [
        row(score="49 thousand"),
        row(score=None),
        row(score=True),
        row(rank=None),
        row(score=1e300),
        row(delta="some"),
        user(id_str=None),
        user(id_str=6.919375969501465e18),
        user(id_str=True),
        user(gender="male"),
    ],
)
def test_what_says_no_such_thing_is_rejected_by_itself(change: Change) -> None:
    answer = sample()
    change(answer)
    items = list(Extraction(decode(encoded(answer)), None, keep_private=False))
    assert {item.kind for item in items if isinstance(item, RejectedItem)} <= {
        "rows",
        "lists",
        "users",
    }
    assert any(isinstance(item, RejectedItem) for item in items)
    assert ranks(items)[0].rank == 1


def test_digits_that_a_float_has_lost_are_no_rooms() -> None:
    answer = sample()
    user(own_room={"room_ids": [6.919375969501465e18, 123.0]})(answer)
    second = ranks(list(Extraction(decode(encoded(answer)), None, keep_private=False)))[1]
    assert (second.room_ids, second.flags) == (["123"], ["room-twin"])


def stored(body: bytes) -> list[Any]:
    items: list[Item] = list(Extraction(decode(body), None, keep_private=False))
    profiles = [item.profile for item in items if isinstance(item, UserItem)]
    return [profiles, [item.other_fields for item in items if isinstance(item, RankItem)]]


def test_what_is_kept_as_it_came_has_one_form() -> None:
    answer = sample()
    user(level="0", verified=0, city=None, prefer=1, badge_image_list={}, pay_grade={
        **SECOND["user"]["pay_grade"], "level": str(SECOND["user"]["pay_grade"]["level"]),
    })(answer)  # fmt: skip
    del answer["data"]["ranks"][1]["user"]["prefer"]
    assert stored(encoded(answer)) == stored(encoded(sample()))
