"""A list that is known is found in the next answer without a look at its values."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankspider.endpoint.answer import Answer, decode
from rankspider.endpoint.body import is_absent
from rankspider.endpoint.failure import AnswerError
from rankspider.endpoint.mirrors import ListText
from tests.support.project import SAMPLE_FILE

SAMPLE = json.loads(SAMPLE_FILE.read_bytes())
MIRRORS = re.compile(rb'(?<="url_list":\[)[^\]]*(?=\])')


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def spaced(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def pretty(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=4).encode()


def tabbed(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent="\t", separators=(" ,", " :\t"))
    return text.replace("\n", "\r\n").encode()


def in_ascii(value: object) -> bytes:
    """As PHP writes it."""
    return json.dumps(value, separators=(",", " : ")).replace("/", "\\/").encode()


Style = Callable[[object], bytes]
STYLES: list[Style] = [compact, spaced, pretty, tabbed, in_ascii]


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
@pytest.mark.parametrize("style", STYLES)
def test_a_known_list_on_other_hosts_is_known(wrap: bool, own: bool, style: Style) -> None:
    answer = json.loads(SAME)
    if not own:
        del answer["data"]["anchor_info"]
    known = decode(style({"code": 200, "data": SAMPLE} if wrap else SAMPLE)).listed
    body = style({"code": 200, "msg": "", "data": answer} if wrap else answer)
    assert len(known.parts) == len(KNOWN.parts)
    read = decode(body, known=[ListText.of(b"[1]"), known])
    assert read.listed is known
    assert said(read) == said(decode(body))
    assert read.listed == read.listed.of(bytes(read.listed.content))


@pytest.mark.parametrize("other", STYLES)
@pytest.mark.parametrize("style", STYLES)
def test_a_list_in_another_style_is_read_anew(style: Style, other: Style) -> None:
    known, body = decode(style(SAMPLE)).listed, other(json.loads(SAME))
    read = decode(body, known=[known])
    assert (read.listed is known) == (style is other)
    assert said(read) == said(decode(body))


@pytest.mark.parametrize("first", STYLES)
def test_a_body_in_two_styles_is_read_anew(first: Style) -> None:
    """The arrays that open otherwise than the first one keep their mirrors."""
    ranks = SAMPLE["data"]["ranks"] * 2
    body = b'{"ranks":[%b]}' % b",".join(
        (first if n % 2 == 0 else in_ascii)(row) for n, row in enumerate(ranks)
    )
    text, same = ListText.of(body), ListText.of(on_other_hosts(body))
    assert text.end_in(body, 0) == len(body)
    if first is not in_ascii:
        arrays = body.count(b'"url_list"')
        assert 1 < len(text.parts) < arrays
        assert same == text  # the hosts of `on_other_hosts` changed in compact arrays alone


@pytest.mark.parametrize(
    "nothing", [b"{ }", b"[ ]", b"{\n      }", b"[\r\n\t\t\t\t]", b"null", b"{}"]
)
def test_nothing_asked_for_has_white_space_of_any_kind(nothing: bytes) -> None:
    answer = json.loads(SAME)
    answer["data"]["anchor_info"] = "@"
    body = compact(answer).replace(b'"@"', nothing)
    for known in ([], [KNOWN]):
        assert decode(body, known=known).anchor_info is None


@pytest.mark.parametrize("something", [b"{ 1 }", b'[ "" ]', b"nul", b"[ } "])
def test_what_is_not_nothing(something: bytes) -> None:
    assert not is_absent(something)


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
    later = SAME.replace(b',"seats"', b',"ranks":[0],"seats"', 1)
    assert said(decode(later, known=[KNOWN])) == said(decode(later))
    start = SAME.find(b'"ranks":') + len(b'"ranks":')
    end = KNOWN.end_in(SAME, start)
    body = SAME[:end] + b',"ranks":[]' + SAME[end:]
    assert decode(body, known=[KNOWN]).rows == decode(body).rows == []


PLACES = st.integers(0, len(SAME) - 1)


@settings(max_examples=300)
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


@settings(max_examples=200)
@given(json_text=st.binary(max_size=200), before=st.binary(max_size=20), after=st.binary())
def test_a_text_ends_where_it_ends(json_text: bytes, before: bytes, after: bytes) -> None:
    text = ListText.of(b"[" + json_text + b"]")
    body = before + b"[" + json_text + b"]" + after
    end = text.end_in(body, len(before))
    assert end in (len(before) + len(json_text) + 2, -1)
    if b"url_list" not in json_text:
        assert end > 0


def test_a_text_that_is_cut_off_is_not_there() -> None:
    text = ListText.of(b'[{"url_list":["a"]},1]')
    assert text.end_in(b'x[{"url_list":["b","c"]},1]', 1) == 27
    for cut in (b'x[{"url_list":["b","c"]},1', b'x[{"url_list":["b"', b"x[", b""):
        assert text.end_in(cut, 1) == -1


# --- What a mirror may hold ---------------------------------------------------------------------


def listed(*mirrors: object, **others: object) -> dict[str, Any]:
    return {"ranks": [{"avatar": {"uri": "x", "url_list": list(mirrors)} | others}]}


def without_mirrors(value: Any) -> Any:
    """The slow way to see whether two values are the same, mirrors aside."""
    if isinstance(value, list):
        return [without_mirrors(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [] if key == "url_list" and isinstance(inner, list) else without_mirrors(inner)
        for key, inner in value.items()
    }


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "mirror",
    [
        *(
            "http://h/a]b",
            "http://[::1]/x",
            '"url_list": [',
            '"url_list":["',
            "\\",
            '\\"url_list":[',
        ),
        *("{", "}", ["a"], [["a", "b"], "c"], {"url_list": ["a"]}, {"a": ["b"]}, {}, None, 7),
    ],
)
def test_any_mirror_is_at_worst_a_change(style: Style, mirror: object) -> None:
    plain = style(listed("http://h/x", "http://i/x"))
    odd = style(listed("http://h/x", mirror))
    text = ListText.of(odd)
    assert text.end_in(odd, 0) == len(odd)
    assert ListText.of(plain).end_in(odd, 0) in (-1, len(odd))
    assert text.end_in(plain, 0) in (-1, len(plain))
    for changed in (listed(mirror, uri="y"), listed(mirror, uri="x]"), listed(mirror, more=1)):
        assert ListText.of(style(changed)) != text
        assert text.end_in(style(changed), 0) == -1


def test_rows_that_move_into_a_mirror_are_a_change() -> None:
    """The same bytes between the arrays: one row here, two there."""
    one = b'[{"url_list":[{"a":["b"],"k":1},{"url_list":["c"],"k":1}]}]'
    two = b'[{"url_list":["b"],"k":1},{"url_list":[{"a":["c"],"k":1}]}]'
    assert len(json.loads(one)) < len(json.loads(two))
    assert ListText.of(one) != ListText.of(two)
    plain = ListText.of(b'[{"url_list":["b"],"k":1},{"url_list":["c"],"k":1}]')
    assert len(plain.parts) == 3
    for rows in (one, two):
        # It is found, but what it ends in is not the end of the list: nothing is cut out there.
        assert 0 < plain.end_in(rows, 0) < len(rows)
        body = compact(SAMPLE | {"data": SAMPLE["data"] | {"ranks": "@"}}).replace(b'"@"', rows)
        read = decode(body, known=[plain])
        assert read.listed == ListText.of(rows)
        assert len(read.rows) == len(json.loads(rows))


@pytest.mark.parametrize("style", STYLES)
def test_a_key_that_only_ends_like_the_mirrors_counts(style: Style) -> None:
    texts = [ListText.of(style({'x"url_list': [each], "url_list": ["a"]})) for each in "ab"]
    assert texts[0] != texts[1]


CRUMBS = st.sampled_from(
    [*("", "a", "]", "[", '"', "\\", "{", "}", "],", '"]', "/", "é")]
    + ['"url_list": [', '"url_list":[']
)
STRINGS = st.lists(CRUMBS, max_size=3).map("".join)
KEYS = st.sampled_from(["url_list", "url_list", 'x"url_list', "k", "]", "url_list\\"])
VALUES = st.recursive(
    STRINGS | st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def changed(value: Any, data: st.DataObject) -> Any:
    """``value`` with some of its inner values drawn anew, those of mirrors mostly."""
    if isinstance(value, dict):
        return {
            key: data.draw(st.lists(VALUES, max_size=2))
            if key == "url_list" and data.draw(st.booleans())
            else changed(inner, data)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [changed(each, data) for each in value]
    return data.draw(VALUES) if data.draw(st.integers(0, 9)) == 0 else value


@settings(max_examples=400)
@given(value=VALUES, style=st.sampled_from(STYLES), data=st.data())
def test_texts_are_equal_only_if_they_say_the_same(
    value: Any, style: Style, data: st.DataObject
) -> None:
    other = changed(value, data)
    is_same = without_mirrors(value) == without_mirrors(other)
    one, two = style(value), style(other)
    text = ListText.of(one)
    assert text.end_in(b"xx" + one + b"]", 2) == len(one) + 2
    assert is_same or text != ListText.of(two)
    body = b'{"code":0,"data":{"ranks":%b,"status_code":0}}' % two
    start = body.find(two)
    end = text.end_in(body, start)
    # What ends elsewhere leaves no JSON when it is cut out; `Body` looks whether it does.
    cut = body[:start] + b"[0]" + body[max(start, end) :]
    if end >= 0 and is_json(cut):
        assert (end, is_same) == (start + len(two), True)


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


ADDRESSES = st.lists(st.text(st.characters(exclude_characters="[]{}", codec="utf-8"), max_size=9))
LISTS = st.recursive(
    st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(lambda text, mirrors: {"a": text, "url_list": mirrors}, inner, ADDRESSES)
    ),
    max_leaves=15,
)


def on_mirrors(value: Any, mirrors: list[str]) -> Any:
    """``value`` with other mirrors everywhere."""
    if isinstance(value, list):
        return [on_mirrors(each, mirrors) for each in value]
    if isinstance(value, dict):
        return {"a": on_mirrors(value["a"], mirrors), "url_list": mirrors}
    return value


@given(value=LISTS, mirrors=ADDRESSES.filter(bool), style=st.sampled_from(STYLES))
def test_what_differs_in_mirrors_alone_is_known(
    value: Any, mirrors: list[str], style: Style
) -> None:
    one, two = style(value), style(on_mirrors(value, mirrors))
    assert ListText.of(one).end_in(two, 0) == len(two)
    assert ListText.of(one) == ListText.of(two)
