"""What an answer that is not the list means, in one table."""

import enum
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from rankspider.errors import RankspiderError
from rankspider.secrecy import discreet

_DEEPEST_CAUSE = 10


class Verdict(enum.Enum):
    """What a failure calls for."""

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
# What the vendor may say beside such a code, which then tells more than the code (a guess too).
_SAID: tuple[tuple[str, Verdict, str], ...] = (
    ("频繁|过快|too fast|too many|rate limit", Verdict.RETRY, "too-fast"),
    ("次数|额度|余额|配额|quota|balance", Verdict.LICENCE, "licence-used-up"),
    ("过期|无效|失效|expired|invalid", Verdict.LICENCE, "licence-refused"),
)


def of_http_status(
    status: int, retry_after: float | None = None, location: str | None = None
) -> Failure:
    """The failure that an HTTP status other than 200 means.

    ``location`` is where a redirect leads. It is never followed; only host and port are named,
    since the rest may repeat the licence.
    """
    if 300 <= status < 400:
        message = f"HTTP {status} to {_host(location)}, not followed"
        return Failure(Verdict.RETRY, "redirected", message, retry_after)
    other = "server-error" if status >= 500 else "unexpected-status"
    verdict, name = _HTTP.get(status, (Verdict.RETRY, other))
    return Failure(verdict, name, f"HTTP {status}", retry_after)


def _host(location: str | None) -> str:
    try:
        parts = urlsplit(location or "")
        _ = parts.port  # ValueError if that is no number, but something to keep to oneself
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}" if parts.hostname else "another path"
    except ValueError:
        return "no address"


def of_vendor_code(code: int, message: str) -> Failure:
    """The failure that the envelope's ``code`` other than 200 means."""
    verdict, name = _HTTP.get(code, (Verdict.RETRY, "vendor-busy"))
    if code in _HTTP:
        said = [(v, n) for words, v, n in _SAID if re.search(words, message, re.IGNORECASE)]
        verdict, name = said[0] if said else (verdict, name)
    return Failure(verdict, name, f"code {code}: {message}")


def of_platform_status(status_code: int, message: str) -> Failure:
    """The failure that a ``status_code`` other than 0 means.

    One that is not in the table is tried again a bounded number of times: it may be either.
    """
    verdict, name = _PLATFORM.get(status_code, (Verdict.ANCHOR_NOT_NOW, "unknown-status"))
    return Failure(verdict, name, f"status_code {status_code}: {message}")


def of_network(error: BaseException) -> Failure:
    """The failure that an exception of the downloader means."""
    cause = _cause(error)
    # aiohttp names an object beside the address.
    said = re.sub(r" ssl:<[^>]*>", "", str(cause))
    if said in ("", type(cause).__name__):
        # Such as Twisted's bare `_DataLoss`: the class says what it means.
        said = " ".join((type(error).__doc__ or type(cause).__name__).split())
    elif said != str(error):
        said = f"{type(cause).__name__}: {said}"
    # Before it is cut: half of a login would not be known for one.
    return Failure(Verdict.RETRY, "network", discreet(f"{type(error).__name__}: {said}")[:500])


def _cause(error: BaseException) -> BaseException:
    """What lies beneath: Twisted keeps it in ``reasons``, everyone else in ``__cause__``."""
    for _ in range(_DEEPEST_CAUSE):
        reasons = getattr(error, "reasons", None)
        beneath = reasons[-1].value if reasons else error.__cause__
        if beneath is None:
            break
        error = beneath
    return error


def overlong() -> Failure:
    """A body too large, as it came or once inflated."""
    return Failure(Verdict.RETRY, "overlong", "the body is larger than DOWNLOAD_MAXSIZE allows")


def soft_ban(message: str) -> Failure:
    return Failure(Verdict.SOFT_BAN, "soft-ban", message)


def malformed(message: str) -> Failure:
    """Bytes that are no answer of this endpoint, such as a cut body."""
    return Failure(Verdict.RETRY, "malformed", message)
