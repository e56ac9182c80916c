"""Every form of a licence is taken out of texts and bodies."""

import base64
import html
import json
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rankspider.endpoint.redaction import masked, redacted


def forms(token: str) -> list[str]:
    """How a server, or the text of an error, may write it."""
    return [
        token,
        quote(token),
        quote(token, safe=""),
        quote_plus(token),
        json.dumps(token)[1:-1],
        json.dumps(token, ensure_ascii=False)[1:-1],
        json.dumps(token)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(token))[3:-3],
        repr(token.encode())[2:-1],
        ascii(token)[1:-1],
        html.escape(token),
        "".join(f"&#{ord(char)};" for char in token),
        "".join(f"&#x{ord(char):X};" for char in token),
        "".join(f"%{byte:02X}" for byte in token.encode()),
        "".join(f"%{byte:02x}" for byte in token.encode()),
        "".join(json_escapes(char) for char in token),
        f"{json_escapes(token[0])}{token[1:]}",
    ]


def json_escapes(text: str) -> str:
    """As JSON may write it without need."""
    units = text.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# No white space: licences stand between it in their setting. So blanks around a form of one are
# never a part of it, as any other character may be.
tokens = partial(st.text, st.characters(exclude_categories=("Cc", "Cs", "Z")), max_size=20)


@given(token=tokens(min_size=1))
@example(token="%")
@example(token="licence-\u00e9\u4e2d\U0001f600")
@example(token="\\\\'\"/")
@example(token="<")
@example(token="*")
def test_every_form_of_a_licence_is_taken_out(token: str) -> None:
    for form in forms(token):
        assert redacted(f" {form} ", token) == " *** "
        assert redacted(f"a {form}", token).endswith("***")


@given(token=tokens(min_size=8))
@example(token="12345678")
@example(token="S3cr3t+/=%&#?t0ken")
@example(token="<<<<<<<<")
@example(token="8" * 8)
def test_every_form_of_a_licence_is_masked_in_a_body(token: str) -> None:
    for form in forms(token):
        assert masked(f" {form} , {form} ".encode(), token) == b" *** , *** "


@pytest.mark.parametrize(
    ("token", "body"),
    [
        ("demo", b"a demo"),  # as a word of any text may be
        ("1234567", b'{"a":1234567}'),
        ("12345678", b'{"id":9123456780,"other":912345678}'),
        ("licence-a", b"licence-b"),
    ],
)
def test_what_is_no_licence_stays_as_it_is(token: str, body: bytes) -> None:
    assert masked(body, token) == body


def every_character(form: str) -> Callable[[str], str]:
    return lambda token: "".join(form.format(ord(char)) for char in token)


LICENCE = "Tok-3n.of_a9Licence"
SPELLINGS = [
    *map(
        every_character,
        (
            *("\\u{:04x}", "\\u{:04X}", "\\\\u{:04x}", "\\x{:02x}", "\\u{{{:x}}}"),
            *("%{:02x}", "%{:02X}", "%25{:02x}", "%2525{:02X}", "\\u0025{:02x}", "%5cu{:04x}"),
            *("&#{};", "&#x{:x};", "&#X{:04X};", "&#0{};", "&amp;#{};", "\\u0026#{};"),
        ),
    ),
    lambda token: "".join(
        char if at % 3 else f"\\u{ord(char):04x}" if at % 2 else f"%{ord(char):02X}"
        for at, char in enumerate(token)
    ),
    lambda token: f"{token[:4]}\\u{ord(token[4]):04x}{token[5:]}",
]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_licence_is_masked_by_what_it_says(spelt: Callable[[str], str]) -> None:
    form = spelt(LICENCE)
    assert masked(f'{{"a":"x {form} y"}}'.encode(), LICENCE) == b'{"a":"x *** y"}'
    assert redacted(f"x {form} y", LICENCE) == "x *** y"


def test_what_begins_like_a_spelling_stays() -> None:
    body = b'{"a":"%54ok-3n \\u0054ok \\u003cb\\u003e \\u0026amp; &#84;ok %E4%BD%A0"}'
    assert masked(body, LICENCE) == body


@pytest.mark.parametrize("before", ["", "a", "ab", "token="])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, bytes.hex])
@pytest.mark.parametrize("licence", [LICENCE, "\u9a8c\u8bc1\u7801~~??>>", "12345678"])
def test_a_licence_that_is_encoded_as_a_whole_is_masked(
    before: str, encode: Callable[[bytes], bytes | str], licence: str
) -> None:
    encoded = encode(f"{before}{licence} and more".encode())
    text = encoded if isinstance(encoded, str) else encoded.decode()
    found = masked(f'{{"a":"{text}"}}'.encode(), licence)
    assert b"***" in found
    assert redacted(text, licence) != text
