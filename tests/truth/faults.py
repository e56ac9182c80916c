"""Calls that bring no list: what is sent, and what the README calls it."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """``is_cut``: the connection ends before the body does."""

    outcome: str
    status: int
    body: bytes
    is_hopeless: bool = False
    """Whether the anchor goes to the dead letters."""
    is_cut: bool = False


def _json(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode()


def _platform(code: int, words: str) -> bytes:
    said = {"data": {"message": words, "prompts": words}, "extra": {"now": 0}, "status_code": code}
    return _json({"code": 200, "msg": "success", "data": said})


PASSING = [
    Fault("server-error", 500, b"Internal Server Error"),
    Fault("server-error", 502, b"<html>Bad Gateway</html>"),
    Fault("vendor-busy", 200, _json({"code": 500, "msg": "当前服务繁忙"})),
    Fault("live-ended", 200, _platform(30003, "直播已结束")),
    Fault("malformed", 200, b'{"data": {"ranks": ['),
    Fault("soft-ban", 200, b""),
    Fault("network", 200, b'{"data": {"ranks": [', is_cut=True),
]
HOPELESS = [
    Fault("wrong-parameters", 200, _platform(10011, "Request params error"), is_hopeless=True),
    Fault("no-such-user", 200, _platform(2065, "用户不存在"), is_hopeless=True),
]
ALL = [*PASSING, *PASSING, *HOPELESS]
"""By chance, the passing ones more often."""
HOPELESS_NAMES = {fault.outcome for fault in HOPELESS}
REFUSED = Fault("licence-refused", 200, _json({"code": 401, "msg": "token无效", "data": []}))
"""For a licence that is no good."""
