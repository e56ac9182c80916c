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
        (SEC_ID.encode("utf-16"), "not UTF-8"),
        (b"x" * (LONGEST_MEMBER + 1), "longer than"),
        (b"12345678", "no sec_id"),
        (SEC_ID[:20].encode(), "no sec_id"),
        (f"MS4wLjABAAAA{'x' * 129}".encode(), "no sec_id"),
        (f"{SEC_ID} {OTHER}".encode(), "no sec_id"),
        (f"{SEC_ID},{OTHER}".encode(), "no sec_id"),
        (f"{SEC_ID}\0".encode(), "no sec_id"),
        (f"{SEC_ID}\u200b".encode(), "no sec_id"),
        (f"\ufeff{SEC_ID}".encode(), "no sec_id"),
        (b"https://v.douyin.com/iABC123/", "short links must be opened"),
        (b"https://www.douyin.com/user/self", "without a sec_uid"),
        (b"https://www.douyin.com/", "without a sec_uid"),
        (f"{SHARED}1?sec_uid={SEC_ID}&sec_uid={OTHER}".encode(), "without a sec_uid"),
        (f"{SHARED}1?sec_uid=".encode(), "without a sec_uid"),
        (f"{SHARED}1?sec_uid=MS4w".encode(), "no sec_id"),
        (f"https://example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://notdouyin.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://douyin.com.example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"https://douyin.com@example.com/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (f"/user/{SEC_ID}".encode(), "not to a profile on douyin"),
        (b"http://[::1/user/x", "not a link"),
        ("看 %s%s 的主页".encode() % (HOME.encode(), SEC_ID.encode()), "not to a profile"),
        (b"{", "JSON without"),
        (b"{}", "JSON without"),
        (b'{"sec_id": 7}', "JSON without"),
        (b'{"sec_id": null}', "JSON without"),
        (b'{"sec_uid": "%s"}' % SEC_ID.encode(), "JSON without"),
        (b'{"sec_id": ""}', "no sec_id"),
        (b'{"sec_id": "https://www.douyin.com/user/x"}', "no sec_id"),
        (b'{"a":' * 500 + b"}" * 500, "JSON without"),
        (b'["%s"]' % SEC_ID.encode(), "no sec_id"),
        (b"cos\nsystem\n(S'true'\ntR.", "no sec_id"),
    ],
)
def test_what_names_none(member: bytes, reason: str) -> None:
    with pytest.raises(MemberError, match=reason):
        sec_uid_of(member)


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
