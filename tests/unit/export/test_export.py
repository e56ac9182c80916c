"""Options of `scrapy export`, and what it needs."""

import argparse
import re
import sys

import pytest
from scrapy.exceptions import UsageError
from scrapy.settings import Settings

from rankspider.commands.export import Command
from rankspider.errors import ConfigurationError
from rankspider.export.formats import Format


def test_parquet_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigurationError, match=r"\.\[export\]' .*, or choose") as raised:
        Format("parquet").require_library()
    assert "\n" not in str(raised.value)
    Format("csv").require_library()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ranks", "--out must name a folder"),
        ("rank --out x", "no such collection: rank; there are ranks, rank_history, users"),
        ("--out x --bom", "--bom belongs to --format csv"),
        ("ranks users --out - --format csv", "writes one collection"),
        ("ranks --out -", "writes one collection, named, with --format jsonl or csv"),
        ("ranks --out - --format csv --json", "belong to a folder"),
    ],
)
def test_options_that_make_no_sense(line: str, complaint: str) -> None:
    command, parser = Command(), argparse.ArgumentParser()
    command.settings = Settings()
    command.add_options(parser)
    options, names = parser.parse_known_args(line.split())
    with pytest.raises(UsageError, match=re.escape(complaint)):
        command.execute(names, options)
