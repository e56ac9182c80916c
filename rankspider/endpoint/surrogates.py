"""Halves of characters: an emoji that was cut in two where a name was shortened.

Java and JavaScript count in UTF-16, and write such a half as an escape (``\\ud83d``) that no JSON
reader of UTF-8 can make text of: one in one nickname would make the whole answer unreadable.
"""

import re

# An escape of two halves that belong together, or of one, or any other; a backslash that was
# escaped itself begins none.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][\da-fA-F]{2})|.)",
    re.DOTALL,
)


def without_halves(json: bytes) -> bytes:
    """Return ``json`` with U+FFFD, the replacement character, for each half that stands alone."""
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], json)
