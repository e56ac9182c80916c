"""Which anchor a member of the queue names: everything people paste, and everything else."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rankspider.endpoint.request import SEC_UID
from rankspider.endpoint.sec_uid import LONGEST_MEMBER, sec_uid_of
from rankspider.errors import MemberError

SEC_ID = "MS4wLjABAAAA" + "aB3_-" * 8 + "xyz"
OTHER = "MS4wLjABAAAA" + "z" * 64
HOME = "https://www.douyin.com/user/"
SHARED = "https://www.iesdouyin.com/share/user/"


@pytest.mark.parametrize(
    "pasted",
    [
        SEC_ID,
        f"  {SEC_ID}\r\n",
        f"\u3000{SEC_ID}\u00a0",
        HOME + SEC_ID,
        f"{HOME}{SEC_ID}/",
        f"{HOME}{SEC_ID}?from_tab_name=main&vid=7400000000000000000",
        f"{HOME}{SEC_ID}?showTab=post#comments",
        f"{HOME}{SEC_ID}?sec_uid={OTHER}",
        f"http://douyin.com/user/{SEC_ID}",
        f"www.douyin.com/user/{SEC_ID}",
        f"HTTPS://WWW.DOUYIN.COM/user/{SEC_ID}",
        f"https://www.douyin.com:443/user/{SEC_ID}",
        f"https://m.douyin.com/share/user/{SEC_ID}?region=CN",
        f"{SHARED}{SEC_ID}",
        f"{SHARED}98765432101?sec_uid={SEC_ID}&u_code=x",
        f"{SHARED}98765432101?u_code=x&sec_uid={SEC_ID}",
        json.dumps({"sec_id": SEC_ID}),
        json.dumps({"sec_id": f" {SEC_ID}\n"}),
        json.dumps({"note": "the big one", "sec_id": SEC_ID, "tags": [1, None, {}]}, indent=2),
        "MS4wLjABAAAA" + "-" * 16,
        "MS4wLjABAAAA" + "_" * 128,
        # As it comes from tables, lists, notes and other programs.
        f'"{SEC_ID}"',
        f"'{SEC_ID}'",
        f'"{SEC_ID}",',
        f"“{SEC_ID}”",
        f"{SEC_ID},",
        f"{SEC_ID};",
        f"{SEC_ID}，主播",
        f"{SEC_ID}\t主播",
        f"{SEC_ID}  # the big one",
        f"- {SEC_ID}",
        f"1. {SEC_ID}",
        f"主播{SEC_ID}的主页",
        f"sec_uid={SEC_ID}",
        f"张三,{SEC_ID},1000",
        f"{SEC_ID}\0",
        f"{SEC_ID}\u200b",
        f"\ufeff{SEC_ID}",
        f"{SEC_ID},{SEC_ID}",
        f"/user/{SEC_ID}?from=x",
        f"//www.douyin.com/user/{SEC_ID}",
        f"看 {HOME}{SEC_ID} 的主页",
        f"7.43 复制打开抖音，看看{HOME}{SEC_ID}。很棒 8@5.com :3pm",
        f"在抖音，记录美好生活！\n{SHARED}1?u_code=x&sec_uid={SEC_ID}",
        f"{HOME}{SEC_ID},主播,1000",
        f"[主播]({HOME}{SEC_ID})",
        f"<{HOME}{SEC_ID}>",
        f"https://v.douyin.com/iRNBho6u/ {SEC_ID}",
        f"http://127.0.0.1:8321/douyin/webcast/rank_goods?token=x&sec_anchor_id={SEC_ID}",
        json.dumps({"url": f"https://example.com/rank?sec_anchor_id={SEC_ID}", "meta": {}}),
        json.dumps({"sec_uid": SEC_ID}),
        json.dumps({"sec_uid": f"{HOME}{SEC_ID}", "nickname": "主播"}),
        json.dumps({"secUid": SEC_ID, "inviter": {"sec_uid": OTHER}}),
        json.dumps({"sec_uid": SEC_ID, "sec_id": None}),
        json.dumps({"url": f"{HOME}{SEC_ID}", "meta": {"referer": f"{HOME}{OTHER}"}}),
        json.dumps({"url": "https://v.douyin.com/x/", "meta": {"sec_uid": SEC_ID}}),
        json.dumps({"author": {"sec_uid": SEC_ID, "nickname": "x"}}),
        json.dumps({"主播": SEC_ID, "粉丝": 1000}),
        json.dumps([SEC_ID]),
        json.dumps([{"sec_uid": SEC_ID}]),
        f'{{"sec_uid": "{SEC_ID}"}},',
        f'  "sec_uid": "{SEC_ID}",',
        f"{{'sec_uid': '{SEC_ID}'}}",
    ],
)
def test_what_names_an_anchor(pasted: str) -> None:
    found = sec_uid_of(pasted.encode())
    assert found in pasted
    assert found != OTHER
    assert SEC_UID.fullmatch(found)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\xff\xfe", "not UTF-8"),
        (SEC_ID.encode("utf-16"), "not UTF-8 text, but UTF-16"),
        (SEC_ID.encode("utf-16-be"), "not UTF-8 text, but UTF-16"),
        (b"x" * (LONGEST_MEMBER + 1), "longer than"),
        (b"12345678", "no sec_id"),
        (SEC_ID[:20].encode(), "no sec_id"),
        (f"MS4wLjABAAAA{'x' * 129}".encode(), "no sec_id"),
        (f"x{SEC_ID}".encode(), "no sec_id"),
        (f"{SEC_ID} {OTHER}".encode(), "names 2 anchors"),
        (f"{SEC_ID},{OTHER}".encode(), "names 2 anchors"),
        (f"{SEC_ID} invited {OTHER}".encode(), "names 2 anchors"),
        (b"https://v.douyin.com/iABC123/", "short links must be opened"),
        (
            "长按复制此条消息，打开抖音搜索，查看TA的更多作品。 "
            "https://v.douyin.com/iRNBho6u/ 8@5.com :3pm".encode(),
            "short links must be opened",
        ),
        (b"https://live.douyin.com/800123", "the link of a live room, without a sec_uid"),
        (b"https://www.douyin.com/user/self", "without a sec_uid"),
        (b"https://www.douyin.com/", "without a sec_uid"),
        (b"https://www.douyin.com/video/7400000000000000000", "a link without a sec_uid"),
        (f"{SHARED}1?sec_uid={SEC_ID}&sec_uid={OTHER}".encode(), "without a sec_uid"),
        (f"{SHARED}1?sec_uid=".encode(), "without a sec_uid"),
        (f"{SHARED}1?sec_uid=MS4w".encode(), "no sec_id"),
        (f"https://example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://example.com/x?sec_uid={SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://example.com/x?sec_anchor_id={SEC_ID[:20]}".encode(), "not to a profile"),
        (f"example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"看 https://example.com/user/{SEC_ID} 的主页".encode(), "not to a profile on douyin"),
        (f"https://notdouyin.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://douyin.com.example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://douyin.com@example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (b"http://[::1/user/x", "not a link"),
        (b"{", "JSON without"),
        (b"{}", "JSON without"),
        (b'{"sec_id": 7}', "JSON without"),
        (b'{"sec_id": null}', "JSON without"),
        (b'{"sec_id": ""}', "JSON without"),
        (b'{"sec_uid": null, "inviter": "%s"}' % SEC_ID.encode(), "JSON without"),
        (b'{"sec_id": "https://www.douyin.com/user/x"}', "a link without a sec_uid"),
        (b'{"url": "https://v.douyin.com/iABC123/", "meta": {}}', "short links must be opened"),
        (b'{"sec_uid": "%s", "sec_id": "%s"}' % (SEC_ID.encode(), OTHER.encode()), "names 2"),
        (b'{"a": "%s", "b": "%s"}' % (SEC_ID.encode(), OTHER.encode()), "names 2"),
        (b'{"a":' * 500 + b"}" * 500, "JSON without"),
        (b'["%s", "%s"]' % (SEC_ID.encode(), OTHER.encode()), "names 2"),
        (b"[]", "JSON without"),
        (b"cos\nsystem\n(S'true'\ntR.", "no sec_id"),
    ],
)
def test_what_names_none(member: bytes, reason: str) -> None:
    with pytest.raises(MemberError, match=reason):
        sec_uid_of(member)


def test_text_of_a_chinese_windows() -> None:
    shared = f"看看这个主播 {HOME}{SEC_ID} 很棒"
    assert sec_uid_of(shared.encode("gbk")) == SEC_ID
    assert sec_uid_of(f"张三,{SEC_ID},主播".encode("gb18030")) == SEC_ID


def check(member: bytes) -> None:
    """Either an anchor or a `MemberError` of one short line, and nothing else."""
    try:
        found = sec_uid_of(member)
    except MemberError as error:
        assert 0 < len(str(error)) < 120
        assert "\n" not in str(error)
    else:
        assert SEC_UID.fullmatch(found)


@given(st.binary(max_size=300))
def test_any_bytes(member: bytes) -> None:
    check(member)


PIECES = st.sampled_from(
    [SEC_ID, "https://", "www.douyin.com", "/user/", "?", "sec_uid=", "&", "#", "%", "@", "[", "]"]
    + [":", ":99999999", "//", "{", "}", '{"sec_id":"', '"}', "\\u0000", "\\ud800", "\n", "\u2028"]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
@example(f"https://www.douyin.com:port/user/{SEC_ID}")
@example(f"https://www.douyin.com\u2100/user/{SEC_ID}")
@example(f"{SHARED}1?{'&' * 4000}")
def test_what_looks_like_a_link_or_json(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))
