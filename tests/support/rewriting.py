"""An answer written otherwise: other bytes, the same facts."""

import json
import random
import re
from typing import Any

_REQUIRED = {"status_code", "rank", "score", "now", "begin_time", "code"}
# What the endpoint has texts for, though they hold digits, or that are keys of others.
_KEPT = {"id_str", "sec_uid", "room_ids_str", "ranks", "data", "user", "extra", "anchor_info"}
_EXACT = 1 << 53


def rewritten(answer: Any, choose: random.Random) -> bytes:
    """``answer`` as another writer writes it, or several that take turns."""
    value = _value(answer, "", choose)
    text = json.dumps(
        value,
        ensure_ascii=choose.random() < 0.5,
        indent=choose.choice([None, None, 0, 1, "\t"]),
        separators=choose.choice([(",", ":"), (", ", ": "), (" ,", " : ")]),
    )
    if choose.random() < 0.3:
        text = text.replace("/", "\\/")
    if choose.random() < 0.3:  # of some keys
        text = re.sub(
            r'"(user|ranks|score|id_str|nickname|level)"(\s*:)',
            lambda key: f'"\\u{ord(key[1][0]):04x}{key[1][1:]}"{key[2]}',
            text,
        )
    body = text.encode()
    if choose.random() < 0.2:
        body = b"\xef\xbb\xbf" + body
    return body + choose.choice([b"", b"\n", b" \r\n\t"])


def _value(value: Any, name: str, choose: random.Random) -> Any:
    if isinstance(value, dict):
        entries = [(key, _value(each, key, choose)) for key, each in value.items()]
        entries = [entry for entry in entries if not _is_left_out(*entry, choose)]
        if choose.random() < 0.5:
            choose.shuffle(entries)
        if not entries and choose.random() < 0.3:
            return []
        return dict(entries)
    if isinstance(value, list):
        if name == "url_list":
            value = [f"https://h{choose.randrange(9)}.example/{at}?a=]" for at in range(len(value))]
        value = [_value(each, name if name == "ranks" else "", choose) for each in value]
        return {} if not value and name not in _KEPT and choose.random() < 0.2 else value
    return _scalar(value, name, choose)


def _is_left_out(name: str, value: Any, choose: random.Random) -> bool:
    """Absent says the same as zero."""
    is_zero = not _says_anything(value) and name not in (_REQUIRED | _KEPT)
    return is_zero and choose.random() < 0.3


def _says_anything(value: Any) -> bool:
    return any(map(_says_anything, value.values())) if isinstance(value, dict) else bool(value)


def _scalar(value: Any, name: str, choose: random.Random) -> Any:
    if choose.random() < 0.5:
        return value
    if not value and name not in (_REQUIRED | _KEPT) and name:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return float(value) if abs(value) < _EXACT and choose.random() < 0.5 else str(value)
    return value
