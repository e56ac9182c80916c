"""Keeps licences and passwords out of what is said."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from rankspider.terminal import harmless, shortened

_HIDDEN = "***"
_MOST_COLUMNS = 200
# Options of addresses whose values are no secrets; of any other one only the name is shown.
_OPEN_OPTIONS = frozenset(
    ("authmechanism", "authsource", "compressors", "connecttimeoutms", "db", "directconnection")
    + ("journal", "loadbalanced", "protocol", "readconcernlevel", "readpreference", "replicaset")
    + ("retryreads", "retrywrites", "serverselectiontimeoutms", "socket_connect_timeout")
    + ("socket_timeout", "sockettimeoutms", "ssl", "ssl_cert_reqs", "tls", "w", "wtimeoutms")
)


def masked_url(url: str) -> str:
    """``url`` without its password and without the values of options that may hold one.

    Passwords that should have been percent-encoded and were not go as well: all between the
    scheme and the last ``@``. A text that is no address is not shown at all.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme, re.IGNORECASE):
        return _HIDDEN
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:{_HIDDEN}" if colon and at else _HIDDEN
    address, question, query = place.partition("?")
    options = "&".join(_option(pair) for pair in query.split("&") if pair)
    return harmless(f"{scheme}://{f'{shown}@' if at else ''}{address}{question}{options}")


def masked_api_url(url: str) -> str:
    """The same for the endpoint's address, where a licence may have been pasted along."""
    masked = masked_url(url)
    scheme, separator, rest = masked.partition("://")
    host, more, _ = rest.partition("?")
    host, slash, path = host.partition("/")
    return f"{scheme}{separator}{host}" + ("/..." if more or (slash and path) else "")


def _option(pair: str) -> str:
    name, _, _ = pair.partition("=")
    return pair if name.lower() in _OPEN_OPTIONS else f"{name}={_HIDDEN}"


class Secrets:
    """All that must not be said: ``cleaned`` takes it out of text that others wrote."""

    def __init__(self, tokens: Iterable[str], urls: Iterable[str], others: Iterable[str]) -> None:
        plain = {*tokens, *others}.union(*(_passwords(url) for url in urls))
        forms = {form for text in plain for form in (text, unquote(text), quote(text, safe=""))}
        forms |= {quote_plus(text) for text in plain}
        # The longest first: one may be the beginning of another.
        self._forms = sorted(filter(None, forms), key=len, reverse=True)

    def cleaned(self, text: str) -> str:
        """On one line, harmless to a terminal, and not too long."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return shortened(harmless(text), _MOST_COLUMNS)


def _passwords(url: str) -> set[str]:
    credentials, _, place = url.partition("://")[2].rpartition("@")
    _, _, password = credentials.partition(":")
    hidden = {
        value
        for name, value in parse_qsl(place.partition("?")[2])
        if name.lower() not in _OPEN_OPTIONS
    }
    return {password, *hidden} - {""}
