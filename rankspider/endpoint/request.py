"""What the endpoint is asked: one address, and the anchor's public key in it."""

import re
from urllib.parse import urlencode

PATH = "/douyin/webcast/rank_goods"

# Base64url of `1.0.0\x01\x00\x00\x00` and 32 or 48 more bytes; 277 of 277 seen.
STRICT_SEC_UID = re.compile(r"MS4wLjABAAAA(?:[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{64})")
# What is accepted, since nobody has promised those two lengths.
SEC_UID = re.compile(r"MS4wLjABAAAA[A-Za-z0-9_-]{16,128}")


def rank_url(api_url: str, sec_uid: str | None) -> str:
    """The address that asks for the list and, unless ``sec_uid`` is None, for that anchor.

    It carries no licence: `rankspider.crawl.download` adds it while the request is sent.
    """
    if sec_uid is None:
        return api_url + PATH
    return f"{api_url}{PATH}?{urlencode({'sec_anchor_id': sec_uid})}"
