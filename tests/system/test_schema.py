"""A worker that opens an older lake."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from redis import Redis

from rankspider.lake.version import VERSION
from rankspider.quarantine.retry import OF_THE_FIRST_RELEASE
from rankspider.questions.board import board
from tests.support.crawls import crawl
from tests.support.first_release import TEXT, later_answer, old_lake
from tests.support.project import ROOT, scrapy
from tests.support.simulators import Simulator


def test_a_worker_of_today_opens_an_older_lake(
    environment: dict[str, str],
    simulate: Callable[..., Simulator],
    redis_client: Redis,
    queue_key: str,
    database: Any,
    tmp_path: Any,
) -> None:
    lake = old_lake()
    for name, documents in lake.items():
        database[name].insert_many(documents)
    answer = later_answer(60)
    first, second, third = answer["data"]["ranks"]
    first["score"] += 500
    second["delta"] += 499  # one point off
    answer_file = tmp_path / "answer.json"
    answer_file.write_text(json.dumps(answer))
    redis_client.rpush(queue_key, json.loads(TEXT)["asked"])
    environment = {
        **environment,
        "RANK_API_URL": simulate("--sample", str(answer_file)).url,
        "RANK_API_TOKENS": "demo",
        "RANK_STOP_WHEN_DRAINED": "1",
        "RANK_RETENTION": "rank_history=90",
    }
    ended = crawl(environment)
    assert ended.returncode == 0, ended.log
    assert ended.stats["rank/flags/delta"] == 1
    counts = {name: database[name].count_documents({}) for name in lake}
    # The third standing did not change; that its room is part of its name did.
    grown = {"ranks": 0, "rank_history": 3, "users": 0, "user_history": 0, "snapshots": 1}
    assert counts == {name: len(lake[name]) + grown.get(name, 0) for name in lake}
    found = board(database)
    assert found is not None
    scores = [first["score"], second["score"], third["score"]]
    assert [(row.place, row.score) for row in found.rows] == [*enumerate(scores, start=1)]
    assert [row["flags"] for row in database.ranks.find({"rank": {"$gt": 0}}).sort("rank")] == [
        [],
        ["delta"],
        [],
    ]
    assert database.meta.find_one({"_id": "schema"}) == {"_id": "schema", "version": VERSION}
    index = database.rank_history.index_information()["expiry"]
    assert index["expireAfterSeconds"] == 90 * 86400
    ran = subprocess.run(
        scrapy("rejects", "retry"), cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "3  " + OF_THE_FIRST_RELEASE[:80] in ran.stdout
    assert ran.stdout.endswith("Rejected records: 0 stored, 3 still wrong\n")

    database.meta.update_one({"_id": "schema"}, {"$set": {"version": 99}})
    redis_client.rpush(queue_key, json.loads(TEXT)["asked"])
    refused = crawl(environment)
    assert refused.returncode == 1
    assert "is of version 99, and this release writes version" in refused.log
    assert "Traceback" not in refused.log
    assert redis_client.lrange(queue_key, 0, -1) == [json.loads(TEXT)["asked"].encode()]
