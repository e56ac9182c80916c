"""Tell in one table what an answer that is not the list means."""

import enum
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from rankspider.errors import RankspiderError
from rankspider.secrecy import discreet

_DEEPEST_CAUSE = 10


class Verdict(enum.Enum):
    """The kinds of consequence that a failure has."""

    RETRY = "retry"
    """The platform or the vendor is in trouble: the same call may do later."""
    SOFT_BAN = "soft-ban"
    """An empty body or a captcha wall: later, and many in a row mean this licence."""
    LICENCE = "licence"
    """This licence is refused or used up; no anchor is to blame."""
    ANCHOR_WRONG = "anchor-wrong"
    """This anchor will never be answered."""
    ANCHOR_NOT_NOW = "anchor-not-now"
    """This anchor has no answer now; it may have one later."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an answer is no list. ``name`` is short and stable: it stands in stats."""

    verdict: Verdict
    name: str
    message: str
    retry_after: float | None = None
    """Seconds the server asked to wait, if it said so."""


class AnswerError(RankspiderError):
    """An answer is not the list that was asked for; ``failure`` says what to do."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.name}: {failure.message}" if failure.message else failure.name)
        self.failure = failure


# Status codes inside an answer, the platform's own. Seen, or from the vendor's table.
_PLATFORM: dict[int, tuple[Verdict, str]] = {
    10011: (Verdict.ANCHOR_WRONG, "wrong-parameters"),
    2065: (Verdict.ANCHOR_WRONG, "no-such-user"),
    2096: (Verdict.ANCHOR_WRONG, "private-list"),
    20003: (Verdict.LICENCE, "not-logged-in"),
    8: (Verdict.LICENCE, "not-logged-in"),
    2483: (Verdict.LICENCE, "not-logged-in"),
    30003: (Verdict.ANCHOR_NOT_NOW, "live-ended"),
    4001038: (Verdict.ANCHOR_NOT_NOW, "no-message"),
    4003182: (Verdict.ANCHOR_NOT_NOW, "empty-prompts"),
}
# HTTP statuses, and the vendor's own codes, which follow them (a guess: nobody has published
# what a refused licence looks like).
_HTTP: dict[int, tuple[Verdict, str]] = {
    401: (Verdict.LICENCE, "licence-refused"),
    402: (Verdict.LICENCE, "licence-used-up"),
    403: (Verdict.LICENCE, "licence-refused"),
    429: (Verdict.RETRY, "too-fast"),
    444: (Verdict.RETRY, "dropped-by-platform"),
}
_OF_LICENCE = (
    r"(?<!unexpected )token|licen[cs]e|api[ _-]?key|app[ _-]?(?:key|id|code|secret)"
    r"|secret|(?<![a-z])key(?![a-z])|credential|signature|subscription|authorization"
    r"|密钥|令牌|授权|许可|凭证|凭据|签名|秘钥|卡密"
)
_BAD = (
    r"过期|到期|无效|失效|不存在|错误|有误|不正确|不合法|非法|停用|禁用|封禁|冻结|未激活|缺少|不能为空|失败|异常"
    r"|expire|invalid|illegal|wrong|incorrect|bad\b|unknown|error|\bno such|not in\b"
    r"|not (?:found|exist|valid|active|recogni)|fail"
    r"|disabled|revoked|suspended|blocked|banned|missing|required|inactive|mismatch|denied"
)
# What the vendor may say beside any code, status or none, which tells more than that (a guess
# too). The first that is found counts: what is said of an anchor or a parameter is no word on a
# licence, unless it names one.
_MEANINGS = tuple(
    (re.compile(words, re.IGNORECASE), verdict, name)
    for words, verdict, name in (
        (
            r"频繁|过快|太快|过于密集|限流|限速|频率|并发|请求过多|次数过多|每秒|每分钟"
            r"|(?<![a-z])qps(?![a-z])|too fast|too many|too frequent|rate[ _-]?limit|throttl"
            r"|slow down|frequency|concurren|per (?:second|minute)",
            Verdict.RETRY,
            "too-fast",
        ),
        (
            r"次数.{0,8}(?:完|尽|足|限|达|超|没|无|0|零|扣)|(?:超|达到).{0,8}次数|剩余.{0,3}次|余次"
            r"|(?:调用|可用|免费|购买|无|没有)次数"
            r"|额度|余额|配额|欠费|充值|点数|积分|套餐|用量|流量包|上限|超限|quota|balance|credits?\b"
            r"|insufficient funds|exhaust|payment|recharge|top[ -]?up|billing|arrears"
            r"|limit (?:is |was |has been )?(?:reached|exceeded|hit)"
            r"|(?:reached|exceed\w*|over|hit)\b.{0,30}\b(?:limit|usage|allowance)|usage limit"
            r"|(?:\bno|\b0) (?:\w+ )?(?:requests|calls)|request limit",
            Verdict.LICENCE,
            "licence-used-up",
        ),
        (rf"(?:{_OF_LICENCE}).{{0,30}}(?:{_BAD})", Verdict.LICENCE, "licence-refused"),
        (rf"(?:{_BAD}).{{0,30}}(?:{_OF_LICENCE})", Verdict.LICENCE, "licence-refused"),
        (
            r"过期|到期|未登录|请.{0,2}登录|登录.{0,4}失效|未授权|未认证|鉴权|认证失败"
            r"|续费|试用.{0,4}(?:结束|完)|expired|unauthori[sz]ed|unauthenticated|login required"
            r"|not (?:authori[sz]ed|authenticated|logged|login)"
            r"|\btrial\b|subscri|upgrade your|renew",
            Verdict.LICENCE,
            "licence-refused",
        ),
        (
            r"sec_?(?:user_?|anchor_?)?u?id|anchor_?id|param|参数|主播|用户|直播间"
            r"|\buser\b|\banchor\b|\broom\b",
            Verdict.RETRY,
            "refused",
        ),
        (
            r"验证码|captcha|人机|checking your browser|attention required",
            Verdict.SOFT_BAN,
            "soft-ban",
        ),
        (
            r"失效|登录|无权|权限|白名单|黑名单|账号|账户|(?:未|请).{0,2}(?:开通|购买|订购|订阅)"
            r"|forbidden|access denied|\bip\b.*\bnot\b"
            r"|permission|authenticat|whitelist|allowlist|blacklist|account",
            Verdict.LICENCE,
            "licence-refused",
        ),
        (
            r"繁忙|稍后|维护|超时|busy|try again|later|unavailable|maintenance"
            r"|time[d -]?out|overload",
            Verdict.RETRY,
            "vendor-busy",
        ),
    )
)


_SIMPLIFIED = str.maketrans(
    "過無數額權賬帳號錯誤簽證許購買請餘頻參戶點錄續費試結開訂閱調達盡沒帶維護驗碼實並發個時鐘單憑據鑰應臺頁間異",
    "过无数额权账账号错误签证许购买请余频参户点录续费试结开订阅调达尽没带维护验码实并发个时钟单凭据钥应台页间异",
)
"""Of the words below, the characters that Taiwan and Hong Kong write in another way."""


def of_vendor_message(vendor_message: str) -> tuple[Verdict, str] | None:
    """Return what the vendor's own words mean; None if they are of no known kind."""
    message = vendor_message.translate(_SIMPLIFIED)
    return next(
        ((verdict, name) for words, verdict, name in _MEANINGS if words.search(message)),
        None,
    )


def _worth_more(code: int | None, vendor_message: str) -> tuple[Verdict, str] | None:
    """Return the meaning of ``vendor_message``, if it tells more than ``code``: 401, 402, 403 and
    429 speak of the licence by themselves, and of an anchor the words alone tell too little."""
    meant = of_vendor_message(vendor_message)
    if meant is None or meant[1] == "refused" or (code in _HTTP and meant[1] == "vendor-busy"):
        return None
    return meant


def of_http_status(
    status: int,
    retry_after: float | None = None,
    location: str | None = None,
    vendor_message: str = "",
) -> Failure:
    """Return the failure that an HTTP status other than 200 means, with its ``vendor_message``.

    ``location`` is where a redirect leads. It is never followed; only host and port are named,
    since the rest may repeat the licence.
    """
    if 300 <= status < 400:
        message = f"HTTP {status} to {_host(location)}, not followed"
        return Failure(Verdict.RETRY, "redirected", message, retry_after)
    if status == 407:
        vendor_message = f"the proxy of http_proxy or https_proxy wants a login: {vendor_message}"
    other = "server-error" if status >= 500 else "unexpected-status"
    verdict, name = _worth_more(status, vendor_message) or _HTTP.get(status, (Verdict.RETRY, other))
    message = f"HTTP {status}: {vendor_message}".rstrip(": ")
    return Failure(verdict, name, message, retry_after)


def _host(location: str | None) -> str:
    try:
        parts = urlsplit(location or "")
        _ = parts.port  # ValueError if that is no number, but something to keep to oneself
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}" if parts.hostname else "another path"
    except ValueError:
        return "no address"


def of_vendor_code(code: int | None, vendor_message: str) -> Failure:
    """Return the failure that an envelope's ``code`` means, with the ``vendor_message`` in it.

    None: it has none, but says otherwise that there is no list.
    """
    other = "vendor-busy" if code is not None and 500 <= code < 600 else "refused"
    verdict, name = _worth_more(code, vendor_message) or _HTTP.get(
        code or 0, (Verdict.RETRY, other)
    )
    return Failure(
        verdict,
        name,
        vendor_message if code is None else f"code {code}: {vendor_message}".rstrip(": "),
    )


def of_platform_status(status_code: int, message: str) -> Failure:
    """Return the failure that a ``status_code`` other than 0 means.

    One that is not in the table is tried again a bounded number of times: it may be either.
    """
    unknown = (Verdict.ANCHOR_NOT_NOW, "unknown-status")
    verdict, name = _PLATFORM.get(status_code) or _worth_more(None, message) or unknown
    return Failure(verdict, name, f"status_code {status_code}: {message}")


def explained(failed: Failure, vendor_message: str) -> Failure:
    """Return ``failed`` in the light of the answer's ``vendor_message``; what the platform's own
    ``status_code`` says is plain enough."""
    if not vendor_message or (failed.verdict, failed.name) in _PLATFORM.values():
        return failed
    meant = _worth_more(None, vendor_message)
    if meant and meant[1] == "vendor-busy" and (failed.verdict, failed.name) in _HTTP.values():
        meant = None
    verdict, name = meant or (failed.verdict, failed.name)
    message = "" if meant and failed.name == "malformed" else " ".join(failed.message.split())
    words = "; ".join(part for part in vendor_message.split("; ") if part not in message)
    return Failure(verdict, name, f"{message}: {words}".strip(": ")[:500], failed.retry_after)


def of_network(error: BaseException) -> Failure:
    """Return the failure that an exception of the downloader means."""
    cause = _cause(error)
    # aiohttp names an object beside the address.
    text = re.sub(r" ssl:<[^>]*>", "", str(cause))
    if text in ("", type(cause).__name__):
        # Such as Twisted's bare `_DataLoss`: the class says what it means.
        text = " ".join((type(error).__doc__ or type(cause).__name__).split())
    elif text != str(error):
        text = f"{type(cause).__name__}: {text}"
    # Before it is cut: half of a login would not be known for one.
    return Failure(Verdict.RETRY, "network", discreet(f"{type(error).__name__}: {text}")[:500])


def _cause(error: BaseException) -> BaseException:
    """Return what lies beneath: Twisted keeps it in ``reasons``, everyone else in ``__cause__``."""
    for _ in range(_DEEPEST_CAUSE):
        reasons = getattr(error, "reasons", None)
        beneath = reasons[-1].value if reasons else error.__cause__
        if beneath is None:
            break
        error = beneath
    return error


def overlong() -> Failure:
    """Return the failure of a body too large, as it came or once inflated."""
    return Failure(Verdict.RETRY, "overlong", "the body is larger than DOWNLOAD_MAXSIZE allows")


def soft_ban(message: str) -> Failure:
    return Failure(Verdict.SOFT_BAN, "soft-ban", message)


def malformed(message: str) -> Failure:
    """Return the failure of bytes that are no answer of this endpoint, such as a cut body."""
    return Failure(Verdict.RETRY, "malformed", message)
