"""The tutorial, from its first command to its plot."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.documentation import examples, read
from tests.support.typed_commands import Terminal

TUTORIAL = read("tutorial.md")
# An evening in less time: the clock is faster, and fewer anchors are asked.
QUICKER = {
    "--speed 300": "--speed 900",
    "RANK_REQUESTS_PER_SECOND=5": "RANK_REQUESTS_PER_SECOND=15",
    "--sec-ids 200": "--sec-ids 120",
}
ANCHORS = 120


def quicker(text: str, own: Mapping[str, str] = {}) -> str:
    """``text`` as this test runs it, with the ``own`` addresses in place of the tutorial's."""
    for slow, quick in {**QUICKER, **own}.items():
        text = text.replace(slow, quick)
    return text


@pytest.mark.long
def test_the_tutorial(
    environment: dict[str, str], simulate: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "rankspider.settings")
    [endpoint] = [each for each in examples(TUTORIAL, "sh") if each.rest == "terminal=endpoint"]
    url = simulate(*shlex.split(quicker(endpoint.text))[2:]).url
    own = {"http://127.0.0.1:8321": url, "=made_up": f"={environment['MONGO_DATABASE']}"}
    terminal = Terminal(environment, tmp_path, capsys)
    said = {
        line: terminal.type(quicker(line, own))
        for each in examples(TUTORIAL, "sh")
        if each != endpoint
        for line in each.text.splitlines()
    }
    first_crawl, second_crawl = (said[line] for line in said if line.startswith("scrapy crawl"))
    assert f"'rank/anchors/acked': {ANCHORS}," in first_crawl
    assert "'rank/anchors/buried': 1," in second_crawl
    assert f"{ANCHORS} queued" in said["scrapy enqueue --file anchors.txt"]
    assert "live-ended" in said["scrapy dead-letters"]
    assert "live-ended" in said["scrapy calls --by outcome"]
    [plot] = examples(TUTORIAL, "python")
    capsys.readouterr()
    exec(compile(plot.text, "the plot", "exec"), {})
    assert "█" in capsys.readouterr().out
