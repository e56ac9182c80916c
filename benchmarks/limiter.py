"""The pace of the fleet as the endpoint sees it: real workers, calls counted by the second.

    .venv/bin/python -m benchmarks.limiter --rate 50 --workers 4 --anchors 1500
    .venv/bin/python -m benchmarks.limiter --per-token 20 --tokens 3

The first and the last second are left out: neither is a whole one.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from rankspider.embedded import embedded_servers
from rankspider.simulator.world import synthetic_sec_uid

ROOT = Path(__file__).parent.parent
SCRAPY = (sys.executable, "-m", "scrapy")
QUEUE = "limiter:anchors"


def main() -> None:
    options = _options()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_servers(Path(folder), redis=True, mongo=True) as servers,
        _endpoint(options) as url,
    ):
        assert servers.redis_url is not None
        assert servers.mongo_uri is not None
        with Redis.from_url(servers.redis_url) as client:
            client.rpush(QUEUE, *(synthetic_sec_uid(1, n) for n in range(options.anchors)))
        environment = {
            **os.environ,
            "REDIS_URL": servers.redis_url,
            "MONGO_URI": servers.mongo_uri,
            "RANK_QUEUE_KEY": QUEUE,
            "RANK_API_URL": url,
            "RANK_API_TOKENS": ",".join(f"licence-{n}" for n in range(options.tokens)),
            "RANK_REQUESTS_PER_SECOND": str(options.rate),
            "RANK_REQUESTS_PER_SECOND_PER_TOKEN": str(options.per_token),
            "RANK_STOP_WHEN_DRAINED": "1",
            "LOG_LEVEL": "WARNING",
        }
        command = [*SCRAPY, "crawl", "goods_rank"]
        workers = [
            subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(options.workers)
        ]
        codes = [worker.wait() for worker in workers]
        with urllib.request.urlopen(f"{url}/_simulator/stats") as answer:
            stats = json.load(answer)
    _report(options, codes, stats)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rate", type=float, default=0, help="calls a second in all (0: no limit)")
    parser.add_argument("--per-token", type=float, default=0, help="calls a second of each licence")
    parser.add_argument("--tokens", type=int, default=1, help="how many licences")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--anchors", type=int, default=1500)
    parser.add_argument("--latency", type=float, default=50, help="of the endpoint, ms")
    return parser.parse_args()


@contextlib.contextmanager
def _endpoint(options: argparse.Namespace) -> Iterator[str]:
    command = [*SCRAPY, "simulate", "--port", "0", "--rows", "3", "--latency", str(options.latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def _report(options: argparse.Namespace, codes: list[int], stats: dict[str, Any]) -> None:
    seen = dict(map(tuple, stats["per_second"]))
    counts = [seen.get(second, 0) for second in range(min(seen), max(seen) + 1)]
    steady = counts[1:-1]
    limits = [options.rate or float("inf"), options.per_token * options.tokens or float("inf")]
    sys.stdout.write(
        f"by the second: {' '.join(map(str, counts))}\n"
        f"limit {min(limits):g}/s: mean {sum(steady) / len(steady):.2f}, least {min(steady)}, "
        f"most {max(steady)} over {len(steady)} s; {stats['answers']} answers, "
        f"by licence {stats['tokens']}; exit codes {codes}\n"
    )


if __name__ == "__main__":
    main()
