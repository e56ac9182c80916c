"""No login, licence or password in what is said, wherever it stands and however it is written."""

import base64
import json
from urllib.parse import quote

import pytest

from rankspider.secrecy import discreet, hide, secrets_of

MARK = "S3cr3t"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"407 url=URL('http://user:{MARK}@proxy:3128')", "http://***@proxy:3128"),
        (f"socks5://{MARK}@h:1 and redis://:{MARK}@h2/0", "redis://***@h2/0"),
        (f"http://us@er:{MARK}/a:b@c@proxy:3128/", "http://***@proxy:3128/"),
        (f"mongodb://u:{MARK}@a:1,b:2/?w=1", "mongodb://***@a:1,b:2/?w=1"),
        (f"redis://h/0?password={MARK}&db=1", "redis://h/0?password=***&db=1"),
        (f"redis+sentinel://h/s?sentinel_password={MARK}", "sentinel_password=***"),
        (f"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:{MARK}&w=1", "***&w=1"),
        (f"mongodb://h/?tlsCertificateKeyFilePassword={MARK}", "***"),
        (f"/rank?token={MARK}&x=1", "/rank?token=***&x=1"),
        (f"{{'username': 'u', 'password': '{MARK}'}}", "'password': '***'"),
        (f"{{b'Proxy-Authorization': [b'Basic {MARK}zzz=']}}", "Basic ***"),
        (f"Proxy-Authorization: Basic {MARK}zzz=", "Proxy-Authorization: Basic ***"),
        (f"authorization=Bearer {MARK}zzz", "***"),
        (f"NOPERM User {MARK} has no permissions to run the 'eval' command", "User *** has no"),
        (f'Could not find user "{MARK}" for db "admin"', 'user *** for db "admin"'),
    ],
)
def test_what_looks_like_a_login_is_hidden(said: str, kept: str) -> None:
    assert kept in discreet(said)
    assert MARK not in discreet(said)


@pytest.mark.parametrize(
    "text",
    [
        "https://www.douyin.com/user/MS4wLjABAAAA: no list",
        "RANK_API_TOKENS is not set: set it to your licence",
        "mend the user, the password or the authSource in MONGO_URI",
        "NOPERM this user has no permissions to run the 'eval' command",
        "code 10001: token已过期",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert discreet(text) == text


@pytest.mark.parametrize("password", ["Zq8+/@:%#?w", "Zq8 \"'<&>\\w", "密码Zq8@w", "Zq8%40w"])
def test_a_known_secret_is_hidden_in_every_spelling(password: str) -> None:
    hide(*secrets_of(f"http://user:{quote(password, safe='')}@proxy:1"), password)
    for written in (
        password,
        quote(password),
        quote(password, safe=""),
        quote(password, safe="").lower(),
        json.dumps(password),
        repr({"x": password}),
        base64.b64encode(f"user:{password}".encode()).decode(),
    ):
        assert "***" in discreet(f"it said {written} and more"), written


def test_a_piece_of_a_password_that_was_taken_for_a_host_is_hidden() -> None:
    hide("hunter77/@rest:x")
    assert discreet("port 'hunter77' is no number") == "port '***' is no number"


def test_a_short_secret_is_no_part_of_words() -> None:
    hide("board1")
    assert discreet("the scoreboard1 of board1") == "the scoreboard1 of ***"
    hide("or")
    assert discreet("or") == "or"
