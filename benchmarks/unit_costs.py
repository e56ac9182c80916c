"""What one anchor costs, and what a fleet costs by it: ``python -m benchmarks.unit_costs``.

Prints the tables of ``docs/scale.md`` as Markdown, from counters of the servers themselves.
"""

import argparse
import gzip
import re
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.contestants import OURS
from benchmarks.endpoint import World, serving
from benchmarks.figures import figures_of
from benchmarks.race import crawl
from benchmarks.stage import TOKEN, Stage, set_up
from rankspider.simulator.world import synthetic_sec_uid

_PLACE = "costs"
_GAP_MINUTES = 10
_FLEETS = (10_000, 1_000_000, 10_000_000)
_CALLS_PER_HOUR = 6
_GIGABYTE = 1e9
_STORED = re.compile(r"'rank/(rows|users|lists)/stored': (\d+)")


@dataclass(frozen=True)
class Server:
    """Counters of both servers; the difference of two is what lay between."""

    redis_commands: int
    redis_in: int
    redis_out: int
    redis_cpu: float
    mongo_commands: int
    """Bulks: some servers count those, some count what is in them."""
    mongo_documents: int
    mongo_bytes: float
    """Documents and indexes, as the server states them."""

    def less(self, other: "Server") -> "Server":
        pairs = zip(self.__dict__.items(), other.__dict__.values(), strict=True)
        return Server(**{name: value - before for (name, value), before in pairs})


@dataclass(frozen=True)
class Costs:
    """Per answer, of one crawl."""

    cpu_ms: float
    redis_commands: float
    redis_bytes: float
    redis_cpu_ms: float
    writes: float
    """With the call's own document."""
    mongo_commands: float
    mongo_cpu_ms: float
    new_documents: float
    new_bytes: float


def main() -> int:
    arguments = _parser().parse_args()
    with set_up() as stage:
        first, again = _measured(stage, arguments.answers, arguments.rows)
        plain, packed = _sizes(arguments.rows)
        waiting = _bytes_waiting(stage, arguments.answers)
    sys.stdout.write("\n".join(_unit_table(first, again, plain, packed, waiting)) + "\n\n")
    sys.stdout.write("\n".join(_fleet_table(first, again, packed, waiting)) + "\n")
    return 0


def _measured(stage: Stage, answers: int, rows: int) -> tuple[Costs, Costs]:
    """Of anchors never seen, and of the same asked again ten minutes later."""
    anchors = [synthetic_sec_uid(1, index) for index in range(answers)]
    world = World(anchors=max(1000, answers), rows=rows)
    costs = []
    for turn in (0, 1):
        before = _counters(stage)
        later = world.later(turn * _GAP_MINUTES)
        run = crawl(stage, OURS, later, _PLACE, anchors, moved_on=turn * answers)
        spent = _counters(stage).less(before)
        figures = figures_of(run, answers)
        mongo_cpu = figures.cores["mongo"] * figures.seconds / figures.answers
        costs.append(
            Costs(
                cpu_ms=figures.cpu_ms_per_answer,
                redis_commands=spent.redis_commands / answers,
                redis_bytes=(spent.redis_in + spent.redis_out) / answers,
                redis_cpu_ms=1000 * spent.redis_cpu / answers,
                writes=1 + _upserts(stage) / answers,
                mongo_commands=spent.mongo_commands / answers,
                mongo_cpu_ms=1000 * mongo_cpu,
                new_documents=spent.mongo_documents / answers,
                new_bytes=spent.mongo_bytes / answers,
            )
        )
    return costs[0], costs[1]


def _upserts(stage: Stage) -> int:
    """By the worker's own stats: present and history of standings and profiles, and the lists."""
    log = (stage.folder / f"{_PLACE}.log").read_text(errors="replace")
    stored = {kind: int(count) for kind, count in _STORED.findall(log)}
    return 2 * (stored.get("rows", 0) + stored.get("users", 0)) + stored.get("lists", 0)


def _counters(stage: Stage) -> Server:
    with stage.redis() as redis, stage.mongo() as mongo:
        stats, cpu = redis.info("stats"), redis.info("cpu")
        operations = mongo.admin.command("serverStatus")["opcounters"]
        sizes = [mongo[_PLACE].command("collStats", name) for name in _collections(stage)]
        return Server(
            redis_commands=int(stats["total_commands_processed"]),
            redis_in=int(stats["total_net_input_bytes"]),
            redis_out=int(stats["total_net_output_bytes"]),
            redis_cpu=float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]),
            mongo_commands=int(operations["insert"]) + int(operations["update"]),
            mongo_documents=sum(int(each["count"]) for each in sizes),
            mongo_bytes=sum(float(each["size"] + each["totalIndexSize"]) for each in sizes),
        )


def _collections(stage: Stage) -> list[str]:
    with stage.mongo() as mongo:
        return [name for name in mongo[_PLACE].list_collection_names() if "." not in name]


def _sizes(rows: int) -> tuple[int, int]:
    """Bytes of one answer, plain and as gzip makes it."""
    with serving(World(rows=rows)) as endpoint:
        anchor = synthetic_sec_uid(1, 1)
        url = f"{endpoint.url}/douyin/webcast/rank_goods?token={TOKEN}&sec_anchor_id={anchor}"
        with urllib.request.urlopen(url) as answer:
            body = answer.read()
    return len(body), len(gzip.compress(body))


def _bytes_waiting(stage: Stage, count: int) -> float:
    """Redis memory of one anchor on a list."""
    with stage.redis() as redis:
        before = int(redis.info("memory")["used_memory"])
        redis.rpush("costs:waiting", *(synthetic_sec_uid(2, index) for index in range(count)))
        after = int(redis.info("memory")["used_memory"])
        redis.delete("costs:waiting")
    return (after - before) / count


def _unit_table(
    first: Costs, again: Costs, plain: int, packed: int, waiting: float
) -> Iterator[str]:
    yield "| per answer | never seen | asked again |"
    yield "| --- | ---: | ---: |"
    yield f"| bytes from the endpoint, plain | {plain:,} | {plain:,} |"
    yield f"| bytes from the endpoint, gzip | {packed:,} | {packed:,} |"
    for name, value in (
        ("worker CPU, ms", "cpu_ms"),
        ("Redis commands", "redis_commands"),
        ("bytes to and from Redis", "redis_bytes"),
        ("Redis CPU, ms", "redis_cpu_ms"),
        ("MongoDB writes", "writes"),
        ("MongoDB commands that write", "mongo_commands"),
        ("MongoDB server CPU, ms", "mongo_cpu_ms"),
        ("new MongoDB documents", "new_documents"),
        ("bytes of them and their indexes, uncompressed", "new_bytes"),
    ):
        cells = (_short(getattr(costs, value)) for costs in (first, again))
        yield f"| {name} | {' | '.join(cells)} |"
    yield f"| Redis memory of an anchor that waits, bytes | {waiting:.0f} | {waiting:.0f} |"


def _fleet_table(first: Costs, again: Costs, packed: int, waiting: float) -> Iterator[str]:
    yield (
        f"| anchors, each asked {_CALLS_PER_HOUR} times an hour | "
        + " | ".join(f"{anchors:,}" for anchors in _FLEETS)
        + " |"
    )
    yield "| --- |" + " ---: |" * len(_FLEETS)
    for name, of in (
        ("calls an hour", lambda n: _CALLS_PER_HOUR * n),
        ("calls a second", lambda n: _CALLS_PER_HOUR * n / 3600),
        ("GB an hour from the endpoint, gzip", lambda n: _CALLS_PER_HOUR * n * packed / _GIGABYTE),
        ("Mbit/s", lambda n: _CALLS_PER_HOUR * n * packed * 8 / 3600 / 1e6),
        ("Redis commands a second", lambda n: _per_second(n, again.redis_commands)),
        ("Redis cores", lambda n: _per_second(n, again.redis_cpu_ms) / 1000),
        ("Redis memory, all waiting, GB", lambda n: n * waiting / _GIGABYTE),
        ("worker cores", lambda n: _per_second(n, again.cpu_ms) / 1000),
        ("MongoDB writes an hour", lambda n: _CALLS_PER_HOUR * n * again.writes),
        ("MongoDB server cores", lambda n: _per_second(n, again.mongo_cpu_ms) / 1000),
        (
            "new documents an hour, first hour",
            lambda n: _in_an_hour(n, first, again, "new_documents"),
        ),
        (
            "GB of them, uncompressed",
            lambda n: _in_an_hour(n, first, again, "new_bytes") / _GIGABYTE,
        ),
    ):
        yield f"| {name} | {' | '.join(_short(of(n)) for n in _FLEETS)} |"


def _per_second(anchors: int, each: float) -> float:
    return _CALLS_PER_HOUR * anchors * each / 3600


def _in_an_hour(anchors: int, first: Costs, again: Costs, name: str) -> float:
    rest = _CALLS_PER_HOUR - 1
    return anchors * float(getattr(first, name) + rest * getattr(again, name))


def _short(value: Any) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unit_costs", description=__doc__)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=100)
    return parser


if __name__ == "__main__":
    sys.exit(main())
