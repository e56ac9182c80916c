"""Failures that are one fixed reply: the platform's, the vendor's, the network's."""

from typing import Any, Final, NamedTuple

from msgspec.json import encode

_JSON: Final = "application/json; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_CAPTCHA_PAGE: Final = (
    "<!DOCTYPE html><html><head><title>验证码中间页</title></head><body><script>"
    'document.cookie="__ac_nonce=0000000000000000000000";window.location.reload()'
    "</script></body></html>"
)


class Reply(NamedTuple):
    """A fixed reply, the same for whoever asks."""

    status: int
    body: bytes
    headers: dict[str, str]


def _http(status: int, **headers: str) -> Reply:
    text = f"<html><body><h1>{status}</h1></body></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, text.encode(), {"Content-Type": _HTML} | named)


def _json(document: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(200, encode(document), {"Content-Type": _JSON} | named)


def _refusal(status_code: int, *, with_extra: bool = True, **texts: str) -> dict[str, Any]:
    """Return the platform's own error: ``texts`` are ``message`` (technical) and ``prompts``."""
    extra = {"extra": {"now": 1_700_000_000_000}} if with_extra else {}
    return {"data": texts} | extra | {"status_code": status_code}


def _vendor(code: int, message: str) -> Reply:
    return _json({"code": code, "msg": message, "data": []})


_PARAMS: Final = _refusal(10011, message="Request params error", prompts="Request params error\t")

REPLIES: Final[dict[str, Reply]] = {
    "http500": _http(500),
    "http502": _http(502),
    "http503": _http(503),
    "http503-later": _http(503, Retry_After="2"),
    "http404": _http(404),
    "http429": _http(429, Retry_After="2"),
    "http444": _http(444),
    "http401": _http(401),
    "http402": _http(402),
    "http403": _http(403),
    "empty": Reply(200, b"", {"Content-Type": _JSON}),
    "captcha": Reply(200, _CAPTCHA_PAGE.encode(), {"Content-Type": _HTML}),
    "verify": _json({}, bdturing_verify="simulated", x_vc_bdturing_parameters="simulated"),
    "not-json": Reply(200, b"upstream connect error or disconnect", {"Content-Type": _JSON}),
    "bad-gzip": Reply(200, b"no gzip", {"Content-Type": _JSON, "Content-Encoding": "gzip"}),
    "busy": _json({"code": 500, "msg": "当前服务繁忙"}),
    "params": _json(_PARAMS),
    "params-enveloped": _json({"code": 200, "msg": "成功", "data": _PARAMS}),
    "no-user": _json(_refusal(2065, message="User not exist", prompts="用户不存在")),
    "private": _json(_refusal(2096, message="List is private", prompts="该列表不可见")),
    "not-logged-in": _json(
        _refusal(20003, with_extra=False, message="User not login", prompts="请先登录")
    ),
    "not-logged-in-2483": _json(_refusal(2483, message="User not login", prompts="请先登录")),
    "logged-out": _json({"status_code": 8, "status_msg": "用户未登录"}),
    "ended": _json(_refusal(30003, message="Live has ended", prompts="直播已结束")),
    "no-message": _json(_refusal(4001038, prompts="系统开小差了")),
    "empty-prompts": _json(_refusal(4003182, message="Room is not available", prompts="")),
    "unknown-status": _json(_refusal(777, message="Something new", prompts="")),
    # Nobody has published these four; their shape is a guess.
    "token-invalid": _vendor(401, "token无效"),
    "token-expired": _vendor(402, "token已过期"),
    "quota": _vendor(403, "token调用次数已用完"),
    "too-fast": _vendor(429, "token请求过于频繁"),
}
