"""Hours of a watch list on a simulated market: ``faketime -f '+0 x10' python -m benchmarks.day``.

The real programs: both servers, a simulated endpoint whose clock is ahead, and workers that are
killed, one of them five seconds before each hour ends. libfaketime lets the clocks of all of them
run fast together; without it the hours take as long as they do. Where a machine is too slow for
that, ``--ends 24`` leaves out what lies between hours' ends: the endpoint's clock is set to just
before each of them. The figures are of the ledger `calls`, and of what the watch list tells of
itself.
"""

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from benchmarks.stage import ROOT, Stage, queue_of, set_up
from rankspider.connections.redis_keys import Keys
from rankspider.moments import HOUR, hour_of, unix_ms
from rankspider.simulator.world import synthetic_sec_uid
from rankspider.watch.savings import saved, saved_text
from rankspider.watch.turns import Turns

_PLACE = "day"
_AHEAD = dt.timedelta(seconds=3.7)
# An hour's end, and what comes before and after it.
_BEFORE, _AFTER = dt.timedelta(seconds=20), dt.timedelta(seconds=12)
_SCRAPY = (sys.executable, "-m", "scrapy")


def main() -> int:
    arguments = _parser().parse_args()
    with set_up() as stage, _simulator(arguments) as endpoint:
        environment = stage.environment(endpoint.url, _PLACE)
        _watch(stage, environment, arguments)
        began = _now()
        with _Fleet(environment, arguments.workers, stage.folder) as fleet:
            while len(endpoint.ends) < arguments.ends or _now() < began + arguments.hours * HOUR:
                if arguments.ends and fleet.is_at_work(stage):
                    endpoint.go_to_next_end()
                fleet.trouble(endpoint, arguments.kill_every)
                time.sleep(0.5)
            time.sleep(_AFTER.total_seconds())
        _say(f"{fleet.kills} kills")
        _tell(stage, began, endpoint.ends)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    add = parser.add_argument
    add("--hours", type=float, default=2.1, help="at least (%(default)s)")
    add(
        "--ends", type=int, default=0, help="of hours, at least, and little but those (%(default)s)"
    )
    add("--watched", type=int, default=2000, help="(%(default)s)")
    add("--every", default="10m", help="how often each is asked (%(default)s)")
    add("--workers", type=int, default=3, help="(%(default)s)")
    add("--rows", type=int, default=100, help="of the list (%(default)s)")
    add("--fail-rate", type=float, default=0.05, help="of calls (%(default)s)")
    add("--kill-every", type=float, default=1200, help="seconds between kills (%(default)s)")
    return parser


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class _Endpoint:
    """A simulated one, whose clock is ahead, or anywhere."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ends: list[dt.datetime] = []
        """Of hours, by its clock, that have come to within seconds."""
        self._ahead = dt.timedelta()
        self._set(_AHEAD)

    @property
    def now(self) -> dt.datetime:
        return _now() + self._ahead

    @property
    def next_end(self) -> dt.datetime:
        return hour_of(self.now) + HOUR

    def go_to_next_end(self) -> None:
        if _AFTER < self.now - hour_of(self.now) < HOUR - _BEFORE:
            self._set(self._ahead + self.next_end - _BEFORE - self.now)

    def _set(self, ahead: dt.timedelta) -> None:
        self._ahead = ahead
        body = json.dumps({"start_ms": unix_ms(self.now)}).encode()
        urllib.request.urlopen(f"{self.url}/_simulator/config", body).close()


@contextmanager
def _simulator(arguments: argparse.Namespace) -> Iterator[_Endpoint]:
    options = {
        "--port": 0,
        "--anchors": 5000,
        "--rows": arguments.rows,
        "--latency": 100,
        "--jitter": 100,
        "--fail-rate": arguments.fail_rate,
    }
    words = [str(part) for option in options.items() for part in option]
    command = [*_SCRAPY, "simulate", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            yield _Endpoint(url)
        finally:
            process.terminate()


def _watch(stage: Stage, environment: dict[str, str], arguments: argparse.Namespace) -> None:
    file = stage.folder / "watched.txt"
    file.write_text("\n".join(synthetic_sec_uid(1, n) for n in range(arguments.watched)))
    command = [*_SCRAPY, "watch", "add", "--file", str(file), "--every", arguments.every]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


class _Fleet:
    def __init__(self, environment: dict[str, str], count: int, folder: Path) -> None:
        self._environment = {**environment, "LOG_LEVEL": "WARNING"}
        self._log = (folder / "workers.log").open("wb")
        self._workers = [self._start() for _ in range(count)]
        self._random = random.Random(3)
        self._killed_at = _now()
        self.kills = 0

    def __enter__(self) -> "_Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait(60)
        self._log.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [*_SCRAPY, "crawl", "goods_rank"]
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stderr=self._log)

    def is_at_work(self, stage: Stage) -> bool:
        with stage.mongo() as client:
            return client[_PLACE]["calls"].find_one() is not None

    def trouble(self, endpoint: _Endpoint, every: float) -> None:
        """Kill one now and then, and one before each hour of the endpoint ends. Its successor
        comes after that end: while clocks run fast, its start takes the time of all others."""
        end = endpoint.next_end
        is_close = end - endpoint.now < dt.timedelta(seconds=15)
        if is_close:
            endpoint.ends.append(end)
            time.sleep(max(0.0, (end - endpoint.now).total_seconds() - 5))
        if is_close or (_now() - self._killed_at).total_seconds() > every:
            place = self._random.randrange(len(self._workers))
            self._workers[place].kill()
            self._workers[place].wait()
            if is_close:
                time.sleep(max(0.0, (end + _AFTER - endpoint.now).total_seconds()))
            self._workers[place] = self._start()
            self._killed_at = _now()
            self.kills += 1


def _tell(stage: Stage, began: dt.datetime, ends: list[dt.datetime]) -> None:
    with stage.mongo() as client, stage.redis() as redis:
        _say(saved_text(saved(client[_PLACE], client[_PLACE]["watched"].find())))
        calls = client[_PLACE]["calls"]
        hours = (_now() - began) / HOUR
        _say(f"{hours:.1f} hours")
        for row in _counted(calls):
            _say(row)
        for end in ends:
            last = calls.find_one({"observed_at": {"$lt": end}}, sort=[("observed_at", -1)])
            short = (end - last["observed_at"]).total_seconds() if last else None
            looks = calls.count_documents({"purpose": "close", "begin_time": end - HOUR})
            _say(f"hour to {end:%H:%M}: last seen {short} s before its end, {looks} looks")
        turns = Turns(redis, Keys.of(queue_of(_PLACE)))
        states: Counter[str] = Counter()
        gaps = []
        for turn in turns.of(list(turns)):
            if turn is not None:
                states[turn.state] += 1
                gaps += [turn.worst_gap] if turn.worst_gap is not None else []
        _say(f"states: {dict(states)}; worst gap {max(gaps, default=0):.2f} intervals")
        over = sum(gap > 1.5 for gap in gaps)
        _say(f"gaps beyond 1.5 intervals: {over} of {len(gaps)} anchors")


def _counted(calls: Any) -> Iterator[str]:
    keys = {"hour": {"$dateTrunc": {"date": "$asked_at", "unit": "hour"}}, "purpose": "$purpose"}
    with suppress(PyMongoError):
        found = calls.aggregate([{"$group": {"_id": keys, "calls": {"$sum": 1}}}])
        for each in sorted(found, key=lambda one: (one["_id"]["hour"], one["_id"]["purpose"])):
            yield f"{each['_id']['hour']:%H:%M} {each['_id']['purpose']}: {each['calls']}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
