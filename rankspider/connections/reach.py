"""Why a server cannot be reached: what the operating system and its like say, in words."""

import re

_HINTS = (
    (r"certificate|VerificationError", "its TLS certificate is not one to trust here, or not its"),
    (r"\bSSL\b|\bTLS|handshake|WRONG_VERSION", "TLS failed: does that port speak TLS?"),
    (r"reset by peer|closed by|closed$|Protocol Error", "it hung up: does that port want TLS?"),
    (
        r"not known|getaddrinfo|nodename|No address|name resolution|gaierror|NXDOMAIN",
        "no such host name",
    ),
    (r"refused|Connect call failed", "nobody listens there"),
    (r"[Tt]imed? ?out|TimeoutError", "no answer in time"),
)
# Of pymongo, and of redis-py, which shows a whole client.
_NOISE = re.compile(r" \(configured timeouts: [^)]*\)|[ :]*<redis\..*>( - network:\w+)?")


def why(error: BaseException) -> str:
    """Return what ``error`` says on one line, and what that means; it names the address."""
    server_message = (
        _NOISE.sub("", " ".join(str(error).split())).rstrip(".") or type(error).__name__
    )
    whole = "; ".join(
        f"{type(each).__name__}: {_NOISE.sub('', str(each))}" for each in _chain(error)
    )
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, whole)), None)
    return f"{server_message}: {hint}" if hint else server_message


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return ``error`` and what lies beneath it, a few layers deep."""
    found: list[BaseException] = []
    while error is not None and len(found) < 8:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
