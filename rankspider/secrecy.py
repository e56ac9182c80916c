"""Keeps licences and passwords out of all that is said: to a log, a terminal, Redis or MongoDB.

Whoever writes for a person or keeps what somebody said asks `discreet`, once, at the door. It finds
what looks like a login by where it stands, and what was given to `hide` wherever it stands.
"""

import base64
import html
import json
import re
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
# Options of addresses whose values are no secrets; any other one is hidden.
OPEN_OPTIONS = frozenset(
    ("authmechanism", "authsource", "compressors", "connecttimeoutms", "db", "directconnection")
    + ("journal", "loadbalanced", "protocol", "readconcernlevel", "readpreference", "replicaset")
    + ("retryreads", "retrywrites", "serverselectiontimeoutms", "socket_connect_timeout")
    + ("socket_timeout", "sockettimeoutms", "ssl", "ssl_cert_reqs", "tls", "w", "wtimeoutms")
)
_TELLTALES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Up to the last "@", as people forget to escape those of a password.
    (re.compile(r"(?<=://)[^\s\"'<>]*@"), f"{HIDDEN}@"),
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret|tokens?|api_?key|authMechanismProperties)=)"
            r"[^&\s\"'<>]+"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(r"(?i)(['\"]\w*(?:password|passwd|secret|token)['\"]: b?)(['\"]).*?\2"),
        rf"\1\2{HIDDEN}\2",
    ),
    (
        re.compile(r"(?i)(authorization['\"]?\s*[:=,]\s*\[?b?['\"]?(?:[a-z]+ +)?)[^\s'\",\]]{6,}"),
        rf"\1{HIDDEN}",
    ),
    # As Redis and MongoDB name the user of a command.
    (
        re.compile(r"(?i)(\buser )\S+(?= (?:has no permissions|for db|on db|not found))"),
        rf"\1{HIDDEN}",
    ),
)
# A shorter one may be a word of anybody's, and so may a short one amid letters.
_LEAST_CHARACTERS, _SURE_CHARACTERS = 6, 8
_spellings: set[str] = set()
_known: re.Pattern[str] | None = None


def discreet(text: str) -> str:
    """Return ``text`` without logins, licences and passwords; nearly always ``text`` itself."""
    for telltale, instead in _TELLTALES:
        text = telltale.sub(instead, text)
    return _known.sub(HIDDEN, text) if _known is not None else text


def hide(*secrets: str) -> None:
    """Hide ``secrets`` for as long as this process lives, in whatever spelling: no text says one,
    nor a piece of one, which is what is left of a password that was taken for a host."""
    global _known  # the door is one for the process
    pieces = {piece for secret in secrets for piece in (secret, *re.split(r"[^\w.~-]+", secret))}
    pieces = {piece for piece in pieces if len(piece) >= _LEAST_CHARACTERS}
    found = {each for piece in pieces for each in spellings(piece)} - _spellings
    if not found:
        return
    _spellings.update(found)
    # The longest first: one may be the beginning of another.
    longest_first = sorted(_spellings, key=len, reverse=True)
    _known = re.compile("|".join(map(_pattern, longest_first)))


def secrets_of(url: str) -> set[str]:
    """Return an address's password, its login as HTTP sends it, and the values of its options but
    for those that hold no secret."""
    credentials, _, place = (url.partition("://")[2] or url).rpartition("@")
    user, _, password = credentials.partition(":")
    login = f"{unquote(user)}:{unquote(password)}".encode()
    found = {
        *(value for name, value in _options(place) if name.lower() not in OPEN_OPTIONS),
        *((password, base64.b64encode(login).decode()) if password else ()),
    }
    return found - {""}


def _options(place: str) -> list[tuple[str, str]]:
    return parse_qsl(place.partition("?")[2])


def spellings(text: str) -> set[str]:
    """Return ``text`` as it is, and as addresses, JSON, Python and HTML write it."""
    plain = {text, unquote(text), unquote_plus(text)}
    forms = {quote(each, safe="") for each in plain} | {quote(each) for each in plain}
    forms |= {quote_plus(each) for each in plain} | {form.lower() for form in forms if "%" in form}
    forms |= {json.dumps(each)[1:-1] for each in plain} | {repr(each)[1:-1] for each in plain}
    return plain | forms | {html.escape(each) for each in plain}


def _pattern(text: str) -> str:
    pattern = re.escape(text)
    return pattern if len(text) >= _SURE_CHARACTERS else rf"(?<!\w){pattern}(?!\w)"
