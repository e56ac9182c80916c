"""The examples of the documentation, run as they stand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands_in_process import asked
from tests.support.documentation import examples, read
from tests.support.exported_lake import exported, hours_of, with_indexes
from tests.support.simulated_market import Market

LAKE = read("lake.md")
# As mongosh takes it, in JSON: db.NAME.find({…}).sort({…}).limit(1), or aggregate([…]).
MONGOSH = re.compile(
    r"db\.(?P<collection>\w+)\.(?P<verb>find|aggregate)\((?P<what>.*?)\)"
    r"(?:\.sort\((?P<order>.*?)\))?(?:\.limit\((?P<limit>\d+)\))?"
)


def run(text: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(text, "an example", "exec"), names)
    return names


def test_python_on_the_lake(market: Market, capsys: Any) -> None:
    """All but the first block, which opens the lake, in one go."""
    _, *blocks = examples(LAKE, "python")
    names = run("\n".join(each.text for each in blocks), {"lake": market.database})
    said = capsys.readouterr().out.splitlines()
    assert said[0].split(" ")[:2] == ["1", market.last_of(market.hours[-1]).rows[0].user_id]
    assert names["then"]["user_id"] == names["user"]["user_id"] == names["profile"]["user_id"]
    assert names["state"]["begin_time"] == market.hours[-1]


@pytest.mark.embedded_mongo
def test_the_lake_is_opened_as_shown(
    mongo_uri: str, tmp_path: Path, tmp_path_factory: Any, monkeypatch: Any
) -> None:
    """On a server that is up already, since it is in the folder of the session's."""
    folder = tmp_path_factory.getbasetemp() / "servers0"
    assert (folder / "mongo").is_dir()
    (tmp_path / ".rankspider").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    names = run(examples(LAKE, "python")[0].text, {})
    with names["lake"].client as client:
        assert names["uri"] == mongo_uri
        assert client.admin.command("ping")["ok"] == 1
    names["servers"].__exit__(None, None, None)


def test_mongosh_on_the_lake(market: Market) -> None:
    blocks = examples(LAKE, "js")
    assert len(blocks) > 2
    for each in blocks:
        said = MONGOSH.fullmatch(each.text.strip())
        assert said, each.text
        collection = market.database[said["collection"]]
        found = getattr(collection, said["verb"])(json.loads(said["what"]))
        if said["order"]:
            found = found.sort(list(json.loads(said["order"]).items()))
        if said["limit"]:
            found = found.limit(int(said["limit"]))
        # Nobody called for the market, so there are no calls.
        assert list(found) or said["collection"] == "calls"


def test_duckdb_and_pandas_on_an_export(
    database: Any, mongo_uri: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    hours = hours_of(with_indexes(database, mongo_uri), 3)
    exported(database, tmp_path / "lake")
    words = ("export", "users", "--format", "csv", "--out", "-")
    code, csv, _ = asked(capsys, mongo_uri, database.name, *words)
    assert code == 0
    (tmp_path / "users.csv").write_text(csv)
    monkeypatch.chdir(tmp_path)
    text = read("export.md")
    names = run("\n".join(each.text for each in examples(text, "python")), {})
    assert "score" in capsys.readouterr().out
    assert len(names["users"]) == len(hours)
    [sql] = examples(text, "sql")
    counted = names["duckdb"].sql(sql.text).fetchall()
    assert counted == [(hour.hour, 2) for hour in hours if 3 <= hour.hour <= 12]
