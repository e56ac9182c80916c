"""What the README shows, typed line by line."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.documentation import examples, section
from tests.support.project import ROOT
from tests.support.typed_commands import Terminal

README = (ROOT / "README.md").read_text()


@pytest.mark.long
def test_the_readme(
    environment: dict[str, str], simulate: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """By hand, then for real, where the simulator is somebody's endpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "rankspider.settings")
    url = simulate("--rows", "10").url
    terminal = Terminal(environment, tmp_path, capsys)
    starts_the_endpoint, by_hand = examples(section(README, "## Try it by hand"), "sh")
    assert starts_the_endpoint.text == "scrapy simulate\n"
    own = {
        "http://127.0.0.1:8321": url,
        "https://HOST": url,
        "=made_up": f"={environment['MONGO_DATABASE']}",
        "--sec-ids 500": "--sec-ids 20",
    }

    def typed(text: str) -> list[str]:
        for shown, real in own.items():
            text = text.replace(shown, real)
        return [terminal.type(line) for line in text.splitlines()]

    _, _, crawled, board = typed(by_hand.text)
    assert "'rank/anchors/acked': 20," in crawled
    assert "模拟主播" in board
    terminal.type("scrapy simulate --sec-ids 5 > anchors.txt")
    [for_real] = examples(section(README, "## Crawl for real"), "sh")
    _, doctor, queued, crawled, board = typed(for_real.text)
    assert "would keep a run from working; 0 warnings" in doctor
    assert "5 queued" in queued
    assert "'rank/anchors/acked': 5," in crawled
    assert "模拟主播" in board
