"""Lines that anchors are read from."""

import json
from io import BytesIO

import pytest

from rankspider.errors import MemberError
from rankspider.queue.lines import Batch, read_anchors
from tests.support.anchors_to_queue import A, B, C


@pytest.mark.parametrize("padding", [b" ", b"x", b"\xff"])
def test_a_line_longer_than_any_read_is_one_refused_line(padding: bytes) -> None:
    long = padding * 1_000_000
    batches = list(read_anchors(BytesIO(b"\n".join([A.encode(), long + A.encode(), B.encode()]))))
    assert [anchor for batch in batches for anchor in batch.anchors] == [A, B]
    assert [refused.line for batch in batches for refused in batch.refused] == [2]
    assert batches[-1].last_line == 3


def read(data: str | bytes, column: str | None = None) -> Batch:
    """All of it, as one."""
    raw = data.encode() if isinstance(data, str) else data
    whole = Batch()
    for batch in read_anchors(BytesIO(raw), column):
        whole.anchors += batch.anchors
        whole.refused += batch.refused
        whole.remarks += batch.remarks
        whole.last_line = batch.last_line
    return whole


LINK = "https://www.douyin.com/user/"


@pytest.mark.parametrize(
    "data",
    [
        f"sec_uid\n{A}\n{B}\n",
        f'"sec_id"\r\n"{A}"\r\n"{B}"\r\n',
        f"\ufeffSEC_UID\n{A},\n{B};\n",
        f"主播主页\n{LINK}{A}\n{LINK}{B}\n",
        f"# bought 2030-01-01\n\nsec_uid\n{A}\n\n# {C}\n{B}\n",
        f"昵称,sec_uid,粉丝\n张三,{A},10\n李四,{B},20\n",
        f"昵称,sec_uid,粉丝,\n张三,{A},10,\n李四,{B},20,\n",
        f"昵称,sec_uid,粉丝\n,,\n张三,{A},10\n李四,{B},20\n,,\n",
        f"昵称\tsec_uid\n张三\t{A}\n李四\t{B}\n",
        f"sep=;\n昵称;sec_uid\n张三;{A}\n李四;{B}\n",
        f"name|sec_uid\nx|{A}\ny|{B}\n",
        f'name,"sec_uid","fans"\n"张,三","{A}","1,000"\n"李四","{B}","2"\n',
        f'name,sec_uid\n"张\n三",{A}\n"""李"", 四",{B}\n',
        # A quote of its own must not hide the rows after it.
        f'sec_uid,name\n{A},"我\n{B},你\n',
        f'sec_uid,name\n{A},"我\n{B},你"\n',
        f'name,sec_uid\n"我,{A}\n你,{B}',
        f"name,profile,fans\nx,{LINK}{A}?vid=1,1\ny,{LINK}{B},2\n",
        f"主播,粉丝\n{A},1\n{B},2\n",
        # Of several, the one that programs call so.
        f"inviter_sec_uid,sec_uid\n{C},{A}\n{C},{B}\n",
        f"inviter,sec_uid\n{C},{A}\n,{B}\n",
        # Joined files repeat the head.
        f"name,sec_uid\nx,{A}\n\ufeffname,sec_uid\ny,{B}\n",
        f"name,sec_uid\nx,{A}\n#y,{C}\n\ny,{B}\n",
        # Without a head.
        f"张三,{A},10\n李四,{B},20\n",
        f"1,{A}\n2,{B}\n",
        f"{A}\t主播\n{B}\t主播\n",
        f"{A},{B}\n",
        f"{A} {B}\n",
        f"- {A}\n- {B}  # note\n",
        # JSON: an object a line, lists, pretty-printed.
        f'{{"sec_uid": "{A}"}}\n{{"url": "{LINK}{B}", "meta": {{}}}}\n',
        json.dumps([A, B]),
        json.dumps([{"sec_uid": A}, {"sec_id": B}]),
        json.dumps([{"sec_uid": A, "name": "张三"}, {"sec_uid": B}], indent=2),
        json.dumps({"sec_uid": A}, indent=1) + "\n" + json.dumps({"sec_uid": B}, indent=1),
        f'[\n{{"sec_uid": "{A}"}},\n{{"sec_uid": "{B}"}},\n]\n',
        f'["{A}"]\n["{B}"]\n',
        f"{A}\r{B}".replace("\r", "\r\n"),
        f"昵称,主播\n张三,{A}\n李四,{B}\n".encode("gbk"),
        f"看看 {LINK}{A} 很棒\n{B} 主播\n".encode("gb18030"),
        f"név,sec_uid\né,{A}\nü,{B}\n".encode("latin-1"),
    ],
)
def test_what_people_have(data: str | bytes) -> None:
    found = read(data)
    assert found.refused == []
    assert found.anchors == [A, B]


@pytest.mark.parametrize(
    ("data", "column"),
    [
        (f"a,b\n{A},{C}\n{B},{C}\n", "a"),
        (f"a,b\n{A},{C}\n{B},{C}\n", "1"),
        (f"{C};{A}\n{C};{B}\n", "2"),
        (f"inviter_sec_uid,sec_uid\n{A},{C}\n{B},{C}\n", " Inviter_Sec_UID"),
        (f'{{"a": "{A}", "sec_uid": "{C}"}}\n{{"a": "{B}", "sec_uid": "{C}"}}\n', "a"),
        (json.dumps([{"a": A, "sec_uid": C}, {"a": B}], indent=2), "a"),
    ],
)
def test_the_column_that_is_named(data: str, column: str) -> None:
    found = read(data, column)
    assert (found.anchors, found.refused) == ([A, B], [])


@pytest.mark.parametrize(
    ("data", "column", "problem"),
    [
        (f"a,b\n{A},{B}\n", None, "each of the columns a, b may be meant"),
        (f"sec_uid,sec_id\n{A},{B}\n", None, "each of the columns sec_uid, sec_id may be meant"),
        (f"a,b\n{A},{B}\n", "c", "--column c: its columns are a, b"),
        (f"a,b\n{A},{B}\n", "3", "--column 3: its columns are a, b"),
    ],
)
def test_a_column_nobody_can_tell(data: str, column: str | None, problem: str) -> None:
    with pytest.raises(MemberError, match=problem):
        read(data, column)


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        # What may be a slip is no head.
        (f"98765432101\n{A}\n", {1: "no sec_id"}),
        (f"张三,,100\n李四,{A},100\n", {1: "no sec_id"}),
        (f"张三\n{A}\n", {1: "no sec_id"}),
        ("junk\n", {1: "no sec_id"}),
        ("name,fans\n", {1: "no sec_id"}),
        # Another column's anchor is not meant.
        (f"sec_uid,inviter\n{A},\n,{B}\n", {3: "nothing in the column sec_uid"}),
        (f"name,sec_uid\nx,{A}\ny\n", {3: "1 columns, without sec_uid"}),
        (f"name,sec_uid\nx,{A}\ny,{B} or {C}\n", {3: "names 2 anchors"}),
        (f"{A}\n{B} invited {C}\n", {2: "names 2 anchors"}),
        (f'name,sec_uid\n"a\nb",{A}\n"c\nd",x\n', {4: "no sec_id"}),
        (f'[\n"{A}",\n7,\n{{"a": 1}}\n]', {3: "JSON without", 4: "JSON without"}),
        (f'["{A}"\n, "{B[:30]}', {2: "no JSON from here on"}),
        (f"{A}\nhttps://v.douyin.com/iRNBho6u/ 复制\n", {2: "short link"}),
    ],
)
def test_what_names_none_is_named(data: str, refused: dict[int, str]) -> None:
    found = read(data)
    assert set(found.anchors) <= {A}
    assert [each.line for each in found.refused] == [*refused]
    for each in found.refused:
        assert refused[each.line] in each.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (f"sec_uid\n{A}\n{B}\n".encode("utf-16"), "UTF-16 text"),
        (f"sec_uid\n{A}\n{B}\n".encode("utf-16-le"), "UTF-16 text"),
        (b"PK\3\4" + b"\n" * 9, "workbook"),
        (b"\x1f\x8b" + b"\n" * 9, "compressed"),
        (b"\x28\xb5\x2f\xfd" + b"\n" * 9, "zstdcat"),
        (b"BZh9" + b"\n" * 9, "bzcat"),
        (b"\xfd7zXZ\0" + b"\n" * 9, "xzcat"),
        (b"PAR1" + b"\0" * 9, "Parquet"),
        (b"%PDF-1.7\n" + b"\n" * 9, "PDF"),
    ],
)
def test_what_is_no_text_is_said_once(data: bytes, reason: str) -> None:
    found = read(data)
    assert found.anchors == []
    assert [each.line for each in found.refused] == [1]
    assert reason in found.refused[0].reason


@pytest.mark.parametrize(
    ("data", "remark"),
    [
        (f"name,主播\nx,{A}\n", "read by the column 主播"),
        (f"主播链接\n{LINK}{A}\n", "line 1 is its head: 主播链接"),
        (f"sec_uid\n{A}\n", None),
        (f"{A}\n", None),
    ],
)
def test_how_it_is_read_is_said(data: str, remark: str | None) -> None:
    assert read(data).remarks == ([remark] if remark else [])


class Slow(BytesIO):
    """A pipe through which a line comes at a time."""

    def read1(self, size: int | None = -1) -> bytes:
        return self.readline()


def test_what_is_certain_while_more_may_come() -> None:
    lines = (f'name,sec_uid\nx,{A}\n"y', f'y",{B}\n')
    lasts = [batch.last_line for batch in read_anchors(Slow("\n".join(lines).encode()))]
    # The head, the row, the first half of another, and all of it.
    assert lasts == [1, 2, 2, 4, 4]
    assert [batch.last_line for batch in read_anchors(Slow(f"a,b\n1,{A}\n".encode()))] == [0, 2, 2]
