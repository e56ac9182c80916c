"""Decoding: from bytes to typed rows, or to one typed error."""

import datetime as dt
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from rankspider.endpoint.answer import END_OF_TIME, BrokenRow, Row, decode
from rankspider.endpoint.checks import list_problem, listed_rows
from rankspider.endpoint.failure import (
    AnswerError,
    Verdict,
    of_http_status,
    of_network,
    of_vendor_code,
)
from rankspider.endpoint.retry_after import retry_after_seconds
from tests.support.project import SAMPLE_FILE

SAMPLE = SAMPLE_FILE.read_bytes()


def sample() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(SAMPLE)
    return answer


def encoded(answer: object) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize("wrap", [None, "成功", "success"])
def test_bare_and_enveloped(wrap: str | None) -> None:
    answer = sample() if wrap is None else {"code": 200, "msg": wrap, "data": sample()}
    read = decode(encoded(answer))
    assert read.begin_time == 1611054000
    assert read.now_ms == 1611055049817
    assert read.identity["currency"] == "热度"
    first = read.rows[0]
    assert isinstance(first, Row)
    assert (first.shape.rank, first.shape.score, first.user.id_str) == (1, 49232, "84990209480")
    assert first.user.own_room is not None
    assert first.user.own_room.exact() == ["6919375969501465352"]
    assert isinstance(read.anchor_info, Row)
    assert read.anchor_info.user.own_room is None


@pytest.mark.parametrize("anchor_info", [None, {}, [], "absent"])
def test_the_list_alone(anchor_info: object) -> None:
    answer = sample()
    if anchor_info == "absent":
        del answer["data"]["anchor_info"]
    else:
        answer["data"]["anchor_info"] = anchor_info
    assert decode(encoded(answer)).anchor_info is None


def test_the_string_twin_is_the_exact_one() -> None:
    answer = sample()
    answer["data"]["ranks"][0]["user"]["own_room"]["room_ids"] = [6919375969501465000]
    row = decode(encoded(answer)).rows[0]
    assert isinstance(row, Row)
    assert row.user.own_room is not None
    assert row.user.own_room.exact() == ["6919375969501465352"]


def test_maps_are_maps_whichever_way_they_came() -> None:
    answer = sample()
    club = answer["data"]["ranks"][0]["user"]["fans_club"]
    club["prefer_data"] = []
    club["data"]["badge"]["icons"] = [{"uri": "x"}]
    row = decode(encoded(answer)).rows[0]
    assert isinstance(row, Row)
    read = row.profile()["fans_club"]
    assert read["prefer_data"] == {}
    assert read["data"]["badge"]["icons"] == {"0": {"uri": "x"}}


@pytest.mark.parametrize("missing", ["rank", "score", "user"])
def test_a_row_that_lacks_what_matters_is_broken_alone(missing: str) -> None:
    answer = sample()
    del answer["data"]["ranks"][0][missing]
    first, second = decode(encoded(answer)).rows
    assert isinstance(first, BrokenRow)
    assert missing in first.reason
    assert isinstance(second, Row)


@pytest.mark.parametrize("number", [b"1e400", b"1" + b"0" * 5000, b"-1e-400", b"4.5"])
def test_a_number_beyond_all_measure_breaks_its_row_alone(number: bytes) -> None:
    first, second = decode(SAMPLE.replace(b"49232", number, 1)).rows
    assert isinstance(first, BrokenRow)
    assert isinstance(second, Row)


@pytest.mark.parametrize("missing", ["id_str", "sec_uid"])
def test_a_user_without_identity_is_broken(missing: str) -> None:
    answer = sample()
    del answer["data"]["anchor_info"]["user"][missing]
    assert isinstance(decode(encoded(answer)).anchor_info, BrokenRow)


def test_places_and_users_are_checked_row_by_row() -> None:
    answer = sample()
    row = answer["data"]["ranks"][1]
    answer["data"]["ranks"] += [{**row, "rank": 3}]
    reasons = [listed.problem() for listed in listed_rows(decode(encoded(answer)))]
    assert reasons[0] is None
    assert reasons[1] == reasons[2] == "user stands in the list more than once"
    answer = sample()
    answer["data"]["ranks"][1]["rank"] = 3
    reasons = [listed.problem() for listed in listed_rows(decode(encoded(answer)))]
    assert reasons == [None, "rank is not the row's place in the list"]


@pytest.mark.parametrize(
    ("begin_time", "problem"),
    [
        (1611054001, "begin_time is not on an hour"),
        (0, "begin_time is out of range"),
        (-3600, "begin_time is out of range"),
        (END_OF_TIME - 3600, None),
        (END_OF_TIME, "begin_time is out of range"),
        (3600 * 10**9, "begin_time is out of range"),
    ],
)
def test_a_list_of_no_hour_is_a_problem(begin_time: int, problem: str | None) -> None:
    answer = sample()
    answer["data"]["begin_time"] = begin_time
    if problem is None:
        answer["extra"]["now"] = begin_time * 1000 + 1
    assert list_problem(decode(encoded(answer))) == problem


PARAMS = {"message": "Request params error", "prompts": "Request params error\t"}
FAILURES = [
    (b"", Verdict.SOFT_BAN, "soft-ban"),
    (b"  \n", Verdict.SOFT_BAN, "soft-ban"),
    (b" " * 100, Verdict.SOFT_BAN, "soft-ban"),
    (b" " * 100 + b"<html>", Verdict.SOFT_BAN, "soft-ban"),
    (b" " * 100 + b"{}", Verdict.RETRY, "malformed"),
    (SAMPLE.decode().encode("utf-16"), Verdict.RETRY, "malformed"),
    (SAMPLE.decode().encode("gbk", "replace"), Verdict.RETRY, "malformed"),
    (SAMPLE.replace(b"49232", b"\0"), Verdict.RETRY, "malformed"),
    (b'{"status_code":1' + b"0" * 5000 + b"}", Verdict.RETRY, "malformed"),
    ("<html>验证码中间页</html>".encode(), Verdict.SOFT_BAN, "soft-ban"),
    ({"code": 500, "msg": "当前服务繁忙"}, Verdict.RETRY, "vendor-busy"),
    ({"code": 500, "msg": "x", "data": []}, Verdict.RETRY, "vendor-busy"),
    (
        {"data": PARAMS, "extra": {"now": 1}, "status_code": 10011},
        Verdict.ANCHOR_WRONG,
        "wrong-parameters",
    ),
    (
        {
            "code": 200,
            "msg": "success",
            "data": {"data": PARAMS, "extra": {"now": 1}, "status_code": 10011},
        },
        Verdict.ANCHOR_WRONG,
        "wrong-parameters",
    ),
    ({"status_code": 2065, "data": {}}, Verdict.ANCHOR_WRONG, "no-such-user"),
    ({"status_code": 2096, "data": {}}, Verdict.ANCHOR_WRONG, "private-list"),
    ({"status_code": 20003, "data": {"message": "x"}}, Verdict.LICENCE, "not-logged-in"),
    ({"status_code": 8, "status_msg": "用户未登录"}, Verdict.LICENCE, "not-logged-in"),
    ({"status_code": 2483}, Verdict.LICENCE, "not-logged-in"),
    (
        {"status_code": 30003, "data": {"prompts": "直播已结束"}},
        Verdict.ANCHOR_NOT_NOW,
        "live-ended",
    ),
    ({"status_code": 4001038, "data": {}}, Verdict.ANCHOR_NOT_NOW, "no-message"),
    ({"status_code": 4003182, "data": {"prompts": ""}}, Verdict.ANCHOR_NOT_NOW, "empty-prompts"),
    ({"status_code": 777}, Verdict.ANCHOR_NOT_NOW, "unknown-status"),
    ({"code": 401, "msg": "token invalid", "data": []}, Verdict.LICENCE, "licence-refused"),
    ({"code": 402, "msg": "quota", "data": []}, Verdict.LICENCE, "licence-used-up"),
    ({"code": 200, "msg": "success", "data": []}, Verdict.RETRY, "malformed"),
    ({"status_code": 0, "data": []}, Verdict.RETRY, "malformed"),
    (
        {"status_code": 0, "data": {"begin_time": 0}, "extra": {"now": 1}},
        Verdict.RETRY,
        "malformed",
    ),
    ({"status_code": 0, "data": {"ranks": None}, "extra": {"now": 1}}, Verdict.RETRY, "malformed"),
    (SAMPLE[:5000], Verdict.RETRY, "malformed"),
    (b"[" * 100_000, Verdict.RETRY, "malformed"),
    (b'{"data":' * 50_000, Verdict.RETRY, "malformed"),
    (b'{"status_code":1e400}', Verdict.RETRY, "malformed"),
    (SAMPLE.replace(b"1611055049817", b"9" * 30), Verdict.RETRY, "malformed"),
    (SAMPLE.replace(b"191433445", b"\xff"), Verdict.RETRY, "malformed"),
    (b'{"status_code":0,"data":{"ranks":[],"begin_time":"\xff"}}', Verdict.RETRY, "malformed"),
    ([], Verdict.RETRY, "malformed"),
    (None, Verdict.RETRY, "malformed"),
]


@pytest.mark.parametrize(("answer", "verdict", "name"), FAILURES)
def test_an_error_is_never_an_empty_list(answer: object, verdict: Verdict, name: str) -> None:
    body = answer if isinstance(answer, bytes) else encoded(answer)
    with pytest.raises(AnswerError) as caught:
        decode(body)
    assert caught.value.failure.verdict is verdict
    assert caught.value.failure.name == name


@pytest.mark.parametrize("header", ["bdturing-verify", "x-vc-bdturing-parameters"])
def test_a_captcha_header_is_a_soft_ban(header: str) -> None:
    with pytest.raises(AnswerError) as caught:
        decode(SAMPLE, {header: "x"})
    assert caught.value.failure.verdict is Verdict.SOFT_BAN


def test_the_message_for_people_is_kept() -> None:
    with pytest.raises(AnswerError, match="Request params error"):
        decode(encoded({"data": PARAMS, "status_code": 10011}))


@pytest.mark.parametrize("count", [10_001, 5_000_001])
def test_a_list_of_countless_crumbs_is_refused_as_a_whole(count: int) -> None:
    """Read one by one they would take a hundred times the memory of the body."""
    body = encoded({**sample(), "data": {"begin_time": 3600, "ranks": "RANKS"}})
    body = body.replace(b'"RANKS"', b"[" + b",".join([b"1"] * count) + b"]")
    tracemalloc.start()
    with pytest.raises(AnswerError, match="malformed"):
        decode(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(body) + 2_000_000


HALVES = [
    ("\\ud83dcut", "\ufffdcut"),
    ("cut\\ud83d", "cut\ufffd"),
    ("\\uDE00\\ud83d", "\ufffd\ufffd"),
    ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
    ("\\\\ud83d \\\\\\ud83d", "\\ud83d \\\ufffd"),
    ("\\u4e2d\\n\\ud800", "\u4e2d\n\ufffd"),
]


@pytest.mark.parametrize(("written", "read"), HALVES)
@pytest.mark.parametrize("own", [True, False])
def test_half_a_character_costs_no_more_than_itself(written: str, read: str, own: bool) -> None:
    answer = sample()
    data = answer["data"]
    row = data["anchor_info"] if own else data["ranks"][1]
    row["user"]["nickname"] = "NICKNAME"
    body = encoded(answer).replace(b"NICKNAME", written.encode())
    for known in ((), (decode(encoded(sample())).listed,)):
        found = decode(body, known=known)
        assert found.is_mended
        row_found = found.anchor_info if own else found.rows[1]
        assert isinstance(row_found, Row)
        assert row_found.card().nickname == read
        assert found.rows[0] == decode(encoded(sample())).rows[0]


def test_whole_characters_are_left_as_they_are() -> None:
    body = encoded({**sample(), "note": "\U0001f600 \\ud83d"})
    found = decode(body)
    assert not found.is_mended
    with pytest.raises(AnswerError):
        decode(body[:-1])


def test_an_empty_list_is_valid() -> None:
    answer = sample()
    answer["data"]["ranks"] = []
    assert decode(encoded(answer)).rows == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PATHS = [
    ("data",),
    ("status_code",),
    ("extra", "now"),
    ("data", "ranks"),
    ("data", "ranks", 0),
    ("data", "ranks", 0, "user"),
    ("data", "ranks", 0, "rank"),
    ("data", "ranks", 0, "user", "own_room"),
    ("data", "ranks", 0, "user", "id_str"),
    ("data", "begin_time"),
    ("data", "anchor_info"),
    ("data", "currency"),
]


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), value=json_values)
def test_whatever_stands_in_a_field_ends_in_rows_or_one_error(
    path: tuple[Any, ...], value: object
) -> None:
    answer = sample()
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    try:
        read = decode(encoded(answer))
    except AnswerError:
        return
    for row in read.rows:
        assert isinstance(row, Row | BrokenRow)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=200)
    | st.builds(
        lambda cut, junk, at: SAMPLE[:at] + junk + SAMPLE[at + cut :],
        st.integers(0, 50),
        st.binary(max_size=8),
        st.integers(0, len(SAMPLE)),
    )
)
def test_whatever_bytes_end_in_rows_or_one_error(body: bytes) -> None:
    try:
        decode(body)
    except AnswerError:
        pass


CAUSES = [
    (ValueError("no"), "ValueError: no"),
    (ResponseFailed([Failure(ConnectionLost("gone"))]), "ResponseFailed: ConnectionLost: "),
    (TimeoutError(), "TimeoutError: Timeout expired."),
]


@pytest.mark.parametrize(("error", "message"), CAUSES)
def test_a_download_that_failed_says_what_lies_beneath(error: Exception, message: str) -> None:
    failed = of_network(error)
    assert failed.message.startswith(message)
    assert "<twisted" not in failed.message


VENDOR = [
    (401, "token无效", Verdict.LICENCE, "licence-refused"),
    (402, "token已过期", Verdict.LICENCE, "licence-refused"),
    (402, "", Verdict.LICENCE, "licence-used-up"),
    (403, "token调用次数已用完", Verdict.LICENCE, "licence-used-up"),
    (403, "请求过于频繁", Verdict.RETRY, "too-fast"),
    (429, "quota exceeded", Verdict.LICENCE, "licence-used-up"),
    (500, "次数 of something else", Verdict.RETRY, "vendor-busy"),
]


@pytest.mark.parametrize(("code", "message", "verdict", "name"), VENDOR)
def test_what_the_vendor_says_tells_more_than_its_code(
    code: int, message: str, verdict: Verdict, name: str
) -> None:
    """A guess, all of it: nobody has published these answers."""
    failed = of_vendor_code(code, message)
    assert (failed.verdict, failed.name) == (verdict, name)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://other.invalid:1/x?token=s3cr3t", "https://other.invalid:1"),
        ("http://u:s3cr3t@[::1]:8080/x", "http://[::1]:8080"),
        ("http://other.invalid:s3cr3t", "no address"),
        ("//u:s3cr3t@other.invalid/", "://other.invalid"),
        ("/elsewhere?token=s3cr3t", "another path"),
        ("http://[s3cr3t", "no address"),
        (None, "another path"),
    ],
)
def test_a_redirect_names_its_host_and_no_more(location: str | None, said: str) -> None:
    failed = of_http_status(302, None, location)
    assert (failed.name, failed.message) == ("redirected", f"HTTP 302 to {said}, not followed")


NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
WAITS = [
    ("7", "", 7.0),
    (" 0 ", "", 0.0),
    ("Tue, 01 Jan 2030 00:00:09 GMT", "", 9.0),
    ("Tue, 01 Jan 2030 00:00:09 GMT", "Tue, 01 Jan 2030 00:00:04 GMT", 5.0),
    ("Mon, 31 Dec 2029 00:00:00 GMT", "", 0.0),
    ("", "", None),
    ("soon", "", None),
    ("-1", "", None),
    ("٣", "", None),
]


@pytest.mark.parametrize(("value", "date", "seconds"), WAITS)
def test_retry_after(value: str, date: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, date, NOW) == seconds


@given(value=st.text(), date=st.text())
def test_any_retry_after_is_a_time_or_none(value: str, date: str) -> None:
    seconds = retry_after_seconds(value, date, NOW)
    assert seconds is None or seconds >= 0


LICENCE_WORDS = [
    ({"code": 10001, "msg": "token已过期"}, "licence-refused"),
    ({"code": "10001", "msg": "token已过期"}, "licence-refused"),
    ({"code": -1, "message": "调用次数不足"}, "licence-used-up"),
    ({"code": 500, "msg": "token已过期"}, "licence-refused"),
    ({"errcode": 40001, "errmsg": "invalid credential"}, "licence-refused"),
    ({"errno": 7, "errmsg": "余额不足"}, "licence-used-up"),
    ({"error": "quota exceeded"}, "licence-used-up"),
    ({"error": {"code": "bad", "message": "Incorrect API key provided"}}, "licence-refused"),
    ({"success": False, "message": "您的套餐已用完"}, "licence-used-up"),
    ({"code": 200, "msg": "success", "data": {"code": 1, "msg": "token无效"}}, "licence-refused"),
    ({"code": 0, "data": {"code": 10002, "msg": "授权已到期"}}, "licence-refused"),
    ({"message": "Unauthorized"}, "licence-refused"),
    ({"status_code": 10001, "status_msg": "token expired"}, "licence-refused"),
    ({"ret": 1, "desc": "x", "error_msg": "daily limit reached"}, "licence-used-up"),
    (b"Invalid token", "licence-refused"),
    ("token已过期".encode("gbk"), "licence-refused"),
    ("<html><script>captcha()</script><p>授权码已过期</p></html>".encode(), "licence-refused"),
    ({"code": -1, "data": "token已过期"}, "licence-refused"),
    ({"code": 200, "data": '{"code": 1001, "msg": "token已过期"}'}, "licence-refused"),
    ({"code": 1001, "msg": '{"error": "token\\u5df2\\u8fc7\\u671f"}'}, "licence-refused"),
    ({"code": 1001, "msg": None, "explanation": "token已过期"}, "licence-refused"),
    ({"code": 402, "message": "套餐已过期", "errors": ["expired"]}, "licence-used-up"),
    ('{"code":10001,"msg":"token已过期"}'.encode("gbk"), "licence-refused"),
    ('{"code":10001,"msg":"token已过期"}'.encode("utf-16"), "licence-refused"),
    ({"code": 10001, "msg": "會員已過期"}, "licence-refused"),
    ({"code": 10001, "msg": "剩餘次數不足"}, "licence-used-up"),
    ({"code": 10001, "msg": "接口未开通，请先购买"}, "licence-refused"),
    ({"code": 10001, "msg": "key错误"}, "licence-refused"),
    ({"code": 10001, "msg": "You are not subscribed to this API."}, "licence-refused"),
    ({"code": 10001, "msg": "0 requests left"}, "licence-used-up"),
]


@pytest.mark.parametrize(("answer", "name"), LICENCE_WORDS)
def test_words_about_a_licence_are_heard_in_any_envelope(answer: object, name: str) -> None:
    failed = failure_of(answer)
    assert (failed.verdict, failed.name) == (Verdict.LICENCE, name)


OTHER_WORDS = [
    ({"code": 404, "msg": "user not found"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "msg": "sec_user_id invalid"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "msg": "天书"}, Verdict.RETRY, "refused"),
    ({"success": False}, Verdict.RETRY, "refused"),
    ({"code": 1, "msg": "请求过于频繁"}, Verdict.RETRY, "too-fast"),
    ({"code": 1, "msg": "QPS超限"}, Verdict.RETRY, "too-fast"),
    ({"code": 10001, "msg": "该用户未开通橱窗"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "msg": "请再次尝试，服务无响应"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "msg": "SyntaxError: Unexpected token < in JSON"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "path": "/a/token/error", "id": "token-error-1"}, Verdict.RETRY, "refused"),
    ({"code": 10001, "msg": "系统繁忙"}, Verdict.RETRY, "vendor-busy"),
    (b"upstream connect error", Verdict.RETRY, "malformed"),
    (b"<html><h1>404 Not Found</h1></html>", Verdict.SOFT_BAN, "soft-ban"),
]


@pytest.mark.parametrize(("answer", "verdict", "name"), OTHER_WORDS)
def test_other_words_say_nothing_of_the_licence(
    answer: object, verdict: Verdict, name: str
) -> None:
    failed = failure_of(answer)
    assert (failed.verdict, failed.name) == (verdict, name)


def failure_of(answer: object) -> Any:
    body = answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False).encode()
    with pytest.raises(AnswerError) as caught:
        decode(body)
    return caught.value.failure


def test_the_vendors_own_words_are_kept() -> None:
    assert "天书" in failure_of({"code": 10001, "data": {"tips": "x", "msg": "天书"}}).message
    assert failure_of({"code": 403, "reason": "天书"}).message == "code 403: 天书"
    assert failure_of({"code": -7}).message == "code -7"
    assert failure_of({"code": 1007, "msg": "天\r\n 书"}).message == "code 1007: 天 书"
    assert of_http_status(403, vendor_message="token已过期").message == "HTTP 403: token已过期"
    assert (of_http_status(404).message, of_http_status(407).name) == (
        "HTTP 404",
        "unexpected-status",
    )
    assert "wants a login" in of_http_status(407).message


def test_what_a_list_says_is_no_word_on_the_call() -> None:
    answer = sample()
    answer["extra"]["now"] = 1
    answer["data"]["subtitle"] = answer["data"]["anchor_info"]["gap_description"] = "token已过期"
    failed = failure_of(answer)
    assert (failed.name, failed.verdict) == ("malformed", Verdict.RETRY)
    assert "token" not in failed.message


@pytest.mark.parametrize(
    ("status", "said", "name"),
    [
        (403, "调用次数已用完", "licence-used-up"),
        (403, "sec_user_id unknown", "licence-refused"),
        (429, "quota exceeded", "licence-used-up"),
        (400, "invalid token", "licence-refused"),
        (500, "token已过期", "licence-refused"),
        (500, "Internal Server Error", "server-error"),
        (404, "no such page", "unexpected-status"),
        (402, "", "licence-used-up"),
    ],
)
def test_words_beside_a_status(status: int, said: str, name: str) -> None:
    assert of_http_status(status, vendor_message=said).name == name


@pytest.mark.parametrize(
    "envelope",
    [{"code": 0}, {"code": "0"}, {"errcode": 0, "errmsg": "ok"}, {"success": True}, {"code": 1}],
)
def test_a_success_in_another_envelope_is_a_success(envelope: dict[str, Any]) -> None:
    assert len(decode(encoded({**envelope, "data": sample()})).rows) == 2
    assert len(decode(encoded({**envelope, **sample()})).rows) == 2
    without = {name: part for name, part in sample().items() if name != "status_code"}
    assert len(decode(encoded({**envelope, **without})).rows) == 2


@pytest.mark.parametrize("envelope", [{"code": 500}, {"success": False}, {"error": "x"}])
def test_a_list_in_an_envelope_that_says_no_is_none(envelope: dict[str, Any]) -> None:
    assert failure_of({**envelope, "data": sample()}).name in ("refused", "vendor-busy")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("9" * 15, 86400),
        ("9" * 5000, 86400),
        ("1.5", 1.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
    ],
)
def test_no_retry_after_is_longer_than_a_day(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, "", NOW) == seconds
