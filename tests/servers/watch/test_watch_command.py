"""``scrapy watch`` as people type it."""

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rankspider.connections.redis_keys import Keys
from rankspider.simulator.world import synthetic_sec_uid
from tests.support.commands_in_process import asked

SEC_UIDS = [synthetic_sec_uid(4, n) for n in range(3)]
Watch = Callable[..., tuple[int, str, str]]


@pytest.fixture
def watch(
    capsys: Any,
    mongo_uri: str,
    database_name: str,
    redis_url: str,
    redis_client: Redis,
    queue_key: str,
) -> Iterator[Watch]:
    own = ("-s", f"REDIS_URL={redis_url}", "-s", f"RANK_QUEUE_KEY={queue_key}")
    yield lambda *words: asked(capsys, mongo_uri, database_name, "watch", *words, *own)
    redis_client.delete(*Keys.of(queue_key).of_script())


def rows(watch: Watch, *words: str) -> list[dict[str, Any]]:
    code, said, _ = watch("list", "--json", *words)
    assert code == 0
    return [json.loads(line) for line in said.splitlines()]


def test_anchors_come_and_go(watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "anchors.csv"
    table.write_text(f"name,sec_uid\nA,{SEC_UIDS[1]}\nB,junk\n")
    link = f"https://www.douyin.com/user/{SEC_UIDS[0]}?x=1"
    code, said, complaint = watch("add", link, "--file", str(table), "--every", "5m", "--json")
    counts = json.loads(said)
    del counts["queue"]
    assert (code, counts) == (2, {"added": 2, "changed": 0, "unchanged": 0, "refused": 1})
    assert "anchors.csv:3" in complaint
    piped = io.TextIOWrapper(io.BytesIO(f"{SEC_UIDS[2]}\n".encode()))
    monkeypatch.setattr("sys.stdin", piped)
    code, said, _ = watch("add", "-", "--label", "shoes", "--steady")
    assert code == 0
    assert said.startswith("1 added, 0 changed")
    watched = rows(watch)
    assert [each["sec_uid"] for each in watched] == SEC_UIDS
    assert [each["every_seconds"] for each in watched] == [300, 300, 600]
    assert {each["state"] for each in watched} == {"new"}
    assert watch("pause", "--label", "shoes")[1].startswith("1 paused, 0 unchanged")
    assert [each["sec_uid"] for each in rows(watch, "--state", "paused")] == SEC_UIDS[2:]
    assert watch("remove", SEC_UIDS[0])[1].startswith("1 removed")
    assert [each["sec_uid"] for each in rows(watch)] == SEC_UIDS[1:]


def test_names_find_anchors(watch: Watch, database: Any) -> None:
    names = {"user_id": "77", "short_id": 0, "display_id": "mi_mi", "nickname": "咪咪"}
    database["users"].insert_one({"_id": "77", "sec_uid": SEC_UIDS[0], **names})
    for name in ("77", "mi_mi", "咪"):
        code, said, _ = watch("add", name)
        assert code == 0
        assert "added" in said
    (row,) = rows(watch)
    assert (row["sec_uid"], row["nickname"]) == (SEC_UIDS[0], "咪咪")
    code, _, complaint = watch("add", "nobody")
    assert code == 1
    assert "no anchor in the lake is called nobody" in complaint


def test_the_plan_says_what_it_costs_and_what_it_would(watch: Watch) -> None:
    watch("add", *SEC_UIDS, "--every", "10m")
    words = ("plan", "--add", "5000", "--every", "5m", "-s", "RANK_PRICE_PER_CALL=0.001", "--json")
    code, said, _ = watch(*words)
    parts = {part["part"]: part for part in map(json.loads, said.splitlines())}
    assert code == 0
    assert parts["new"]["anchors"] == 3
    assert parts["new"]["most_per_hour"] == pytest.approx(18)
    assert parts["to be added"]["calls_per_day"] == 24 * 60_000
    assert parts["hours' ends"]["calls_per_hour"] == 6
    assert parts["looks at the list"]["calls_per_hour"] == 0  # somebody's turn comes often enough
    total = parts["in all"]
    assert total["anchors"] == 5003
    assert total["calls_per_hour"] == pytest.approx(60_018 + 6)
    assert total["least_per_hour"] == pytest.approx(5003 / 2 + 6)
    assert total["price_per_day"] == pytest.approx(24 * 60.024)
    assert len(rows(watch)) == 3


def test_the_plan_counts_looks_at_the_list_that_nobodys_turn_spares(watch: Watch) -> None:
    def looks() -> float | None:
        said = watch("plan", "--json")[1].splitlines()
        parts = {part["part"]: part for part in map(json.loads, said)}
        return parts.get("looks at the list", {}).get("calls_per_hour")

    assert looks() is None  # nobody is watched
    watch("add", SEC_UIDS[0], "--every", "10m")
    assert looks() == pytest.approx(120)
    watch("add", *SEC_UIDS, "--every", "40s")  # every 13 s
    assert looks() == 0


def test_the_plan_tells_what_was_saved(watch: Watch, database: Any) -> None:
    watch("add", *SEC_UIDS, "--every", "10m")
    now = dt.datetime.now(dt.UTC)
    old = {"added_at": now - dt.timedelta(days=3)}
    database["watched"].update_many({}, {"$set": old})
    ago = [dt.timedelta(hours=1), dt.timedelta(hours=2), dt.timedelta(days=2)]
    calls = [{"purpose": "own", "asked_at": now - each} for each in ago]
    calls.append({"purpose": "close", "asked_at": now - ago[0]})
    calls.append({"purpose": "queue", "asked_at": now - ago[0]})
    database.command({"collMod": "calls", "validator": {}})
    database["calls"].insert_many(calls)
    said = watch("plan")[1]
    assert "3 calls were made for it (2 own, 0 list, 1 close)" in said
    assert "it would have been 432." in said


def test_what_is_exported_can_be_imported(watch: Watch, tmp_path: Path) -> None:
    watch("add", SEC_UIDS[0], "--every", "5m", "--label", "shoes")
    watch("add", SEC_UIDS[1], "--steady")
    watch("pause", SEC_UIDS[1])
    _, exported, _ = watch("export")
    before = rows(watch)
    watch("remove", *SEC_UIDS)
    assert rows(watch) == []
    file = tmp_path / "watch.jsonl"
    file.write_text(exported)
    assert watch("import", "--file", str(file))[0] == 0
    told = ("sec_uid", "every_seconds", "at_most_seconds", "steady", "label", "state")
    assert [[each[name] for name in told] for each in rows(watch)] == [
        [each[name] for name in told] for each in before
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "choose one of add, remove"),
        (("shout",), "choose one of add, remove"),
        (("list", "x"), "names no anchors"),
        (("list", "--every", "5m"), "--every is an option of"),
        (("plan", "--every", "5m"), "of the anchors of --add"),
        (("add", "x.csv"), "no such file, and no anchor"),
        (("add", SEC_UIDS[0], "--every", "soon"), "--every must be like"),
        (("add", SEC_UIDS[0], "--every", "2h", "--at-most", "1h"), "must not be less than every"),
        (("list", "--limit", "0"), "--limit must be 1 or more"),
        (("import", SEC_UIDS[0]), "import reads files"),
        (("pause", SEC_UIDS[0], "--label", "x"), "not both"),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    watch: Watch, words: tuple[str, ...], complaint: str
) -> None:
    code, said, told = watch(*words)
    assert code == 2
    assert said == ""
    assert complaint in " ".join(told.split())
