"""Keeps licences and passwords out of what is said."""

import re
from collections.abc import Iterable

from rankspider.secrecy import HIDDEN, OPEN_OPTIONS, discreet, hide, secrets_of, spellings
from rankspider.terminal import shortened

_MOST_COLUMNS = 200


def masked_url(url: str) -> str:
    """Return ``url`` without its login and without the values of options that may hold one.

    Passwords that should have been percent-encoded and were not go as well: all between the scheme
    and the last ``@``. A text that is no address is not shown at all.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme, re.IGNORECASE):
        return HIDDEN
    _, at, place = rest.rpartition("@")
    address, question, query = place.partition("?")
    options = "&".join(_option(pair) for pair in query.split("&") if pair)
    return f"{scheme}://{f'{HIDDEN}@' if at else ''}{address}{question}{options}"


def masked_api_url(url: str) -> str:
    """Return the endpoint's address masked; a licence may have been pasted along."""
    masked = masked_url(url)
    scheme, separator, rest = masked.partition("://")
    host, more, _ = rest.partition("?")
    host, slash, path = host.partition("/")
    return f"{scheme}{separator}{host}" + ("/..." if more or (slash and path) else "")


def _option(pair: str) -> str:
    name, _, _ = pair.partition("=")
    return pair if name.lower() in OPEN_OPTIONS else f"{name}={HIDDEN}"


class Secrets:
    """All that must not be said: ``cleaned`` takes it out of text that others wrote."""

    def __init__(self, tokens: Iterable[str], urls: Iterable[str], others: Iterable[str]) -> None:
        secrets = {*tokens, *others}.union(*map(secrets_of, urls))
        hide(*secrets)
        # The longest first: one may be the beginning of another.
        forms = {form for secret in secrets for form in spellings(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def cleaned(self, text: str) -> str:
        """Return ``text`` on one line, harmless to a terminal, and not too long. A short licence or
        password is taken out as well, since others have no cause to say it."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return shortened(discreet(text), _MOST_COLUMNS)
