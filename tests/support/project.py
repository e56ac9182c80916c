"""Where the project lies, and how its commands are run."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SAMPLE_FILE = DATA / "rank_goods_sample.json"
"""The answer that the vendor prints."""


def scrapy(*arguments: str) -> list[str]:
    """The command line of ``scrapy …`` with this interpreter."""
    return [sys.executable, "-m", "scrapy", *arguments]
