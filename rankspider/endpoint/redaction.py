"""Text without the licence that was asked with, in whatever form it stands there."""

import html
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache

# Letters and digits that stand as they are in addresses, JSON, HTML and Python.
_PLAIN = re.compile(r"[0-9A-Za-z._-]+")
_LEAST_CHARACTERS = 8


def redacted(text: str, token: str) -> str:
    """Return ``text`` without ``token``: as it is, and in any spelling that addresses, JSON, HTML
    and Python have for its characters, or those have within each other; of one that is no short
    word, as hex digits and in base64 as well."""
    return _forms_in_text(token).sub("***", text)


def masked(body: bytes, token: str) -> bytes:
    """An answer's ``body`` without ``token``, for whoever keeps it; nearly always ``body`` itself.

    A licence of less than eight characters is left in it: what looks like one may be a word or a
    number of the answer's own. So may one of digits alone amid other digits.
    """
    if len(token) < _LEAST_CHARACTERS:
        return body
    signs, hints = _signs(token)
    if any(sign in body for sign in signs) or any(hint.search(body) for hint in hints):
        return _forms_in_bytes(token).sub(b"***", body)
    return body


@lru_cache(maxsize=256)
def _signs(token: str) -> tuple[tuple[bytes, ...], tuple[re.Pattern[bytes], ...]]:
    """Return what is looked for first: one of them stands wherever a form of ``token`` does.

    Most forms leave its longest plain part as it is; the hints tell a code for one of that part's
    characters. Each begins with one byte, by which all that hold none of it are passed over.
    """
    plain = max(_PLAIN.findall(token), key=len, default="")
    codes = "|".join(_either_case(f"{ord(char):02x}") for char in {*plain})
    numbers = "|".join(str(ord(char)) for char in {*plain})
    # Codes for what codes begin with, in front of the rest of another.
    further = rf"25(?:25)*(?:{codes})|26(?:amp;)*#|5[cC][uUx\\%&]"
    hints = (
        rf"%(?:25)*(?:{codes}|{further})",
        rf"\\(?:[uU](?:0000)?00|[uU]\{{0*|x)(?:{codes}|{further})",
        rf"&(?:amp;)*#(?:0*(?:{numbers}|37|92)|[xX]0*(?:{codes}|25|5[cC]))",
    )
    signs = (plain, *_encoded_as_a_whole(token))
    return tuple(s.encode() for s in signs), tuple(re.compile(h.encode()) for h in hints)


def _either_case(code: str) -> str:
    return "".join(f"[{char}{char.upper()}]" if char.isalpha() else char for char in code)


def _encoded_as_a_whole(token: str) -> Iterator[str]:
    """Yield the hex digits, and what base64 makes of ``token`` within any text: of its three places
    there the characters that hold nothing else."""
    raw = token.encode("utf-8", "surrogateescape")
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):
        bits = 8 * (before + len(raw))
        text = b64encode(bytes(before) + raw).decode()[-(-8 * before // 6) : bits // 6]
        yield text
        if (in_addresses := text.translate({43: 45, 47: 95})) != text:
            yield in_addresses


@lru_cache(maxsize=256)
def _forms_in_bytes(token: str) -> re.Pattern[bytes]:
    return re.compile(_forms(token, is_alone=token.isdecimal()).encode("utf-8", "surrogateescape"))


@lru_cache(maxsize=256)
def _forms_in_text(token: str) -> re.Pattern[str]:
    return re.compile(_forms(token))


def _forms(token: str, *, is_alone: bool = False) -> str:
    """Return a pattern: each character encoded or, if it is not, as it is, since "%" and "\\" begin
    their own codes; if it ``is_alone``, not amid other digits."""
    each = "".join(f"(?:{'|'.join(_ways_to_write(char))})" for char in token)
    ways = [f"(?<![0-9]){each}(?![0-9])" if is_alone else each]
    if len(token) >= _LEAST_CHARACTERS:
        ways += map(re.escape, _encoded_as_a_whole(token))
    return "|".join(ways)


# The characters that codes begin with, which may be encoded themselves.
_BACKSLASH = r"(?:\\|%(?:25)*5c|&#(?:92|x5c);){1,8}"
_PERCENT = rf"(?:%|{_BACKSLASH}(?:u00|x)25|&#(?:37|x25);)(?:25)*"
_AMPERSAND = rf"(?:&|{_BACKSLASH}(?:u00|x)26|%(?:25)*26)(?:amp;)*"


def _ways_to_write(char: str) -> Iterator[str]:
    """As patterns, the longest first."""
    raw = char.encode("utf-8", "surrogateescape")
    yield f"(?i:{''.join(f'{_PERCENT}{byte:02x}' for byte in raw)})"
    yield f"(?i:{''.join(_escaped(f'x{byte:02x}') for byte in raw)})"
    units = char.encode("utf-16-be", "surrogatepass").hex()
    yield f"(?i:{''.join(_escaped('u' + units[at : at + 4]) for at in range(0, len(units), 4))})"
    yield rf"(?i:{_BACKSLASH}u(?:\{{0*{ord(char):x}\}}|{ord(char):08x}))"
    yield rf"(?i:{_AMPERSAND}#(?:0*{ord(char)}|x0*{ord(char):x});?)"
    if not char.isascii():
        yield _escaped(ascii(char)[2:-1])
    if char in "\"'/\\":
        yield _escaped(re.escape(char))
    if html.escape(char) != char:
        yield _AMPERSAND + re.escape(html.escape(char)[1:])
    yield re.escape(char)


def _escaped(code: str) -> str:
    r"""A pattern: behind a backslash, of which JSON within JSON has several."""
    return _BACKSLASH + code
