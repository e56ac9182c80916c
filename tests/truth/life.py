"""One life: a market, an endpoint, a queue and a fleet, from the first anchor to an empty queue."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from redis import Redis

from tests.truth import board, faults
from tests.truth.calls import Calls, check_demands
from tests.truth.compare import compare
from tests.truth.differences import Differences
from tests.truth.endpoint import Endpoint, Manners
from tests.truth.expected import Expected
from tests.truth.facts import Line, write_log
from tests.truth.fleet import Fleet
from tests.truth.lake import COLLECTIONS, Lake, read_lake
from tests.truth.market import HOUR, Market
from tests.truth.producer import Producer
from tests.truth.questions import compare_questions
from tests.truth.telling import Telling
from tests.truth.trouble import Trouble

_START = 1_772_359_200  # 2026-03-01 10:00 UTC
_POLL_SECONDS = 0.02
_OWN_SETTINGS = ("RANK_", "REDIS_", "MONGO_", "CONCURRENT_REQUESTS", "LOG_LEVEL")


@dataclass(frozen=True)
class Plan:
    """What kind of life it is. Two of one ``seed`` have the same market; ``order`` settles who is
    asked when, which answers are held back, and what goes wrong."""

    answers: int = 300
    workers: int = 2
    seed: int = 1
    order: int = 1
    hours: float = 2.2
    sellers: int = 80
    rows: int = 15
    style: str = "compact"
    displaced: float = 0.5
    failing: float = 0.0
    has_refused_licence: bool = False
    kills: int = 0
    stops: int = 0
    losses: int = 0
    shares_milliseconds: bool = False
    moments: int = 0
    """How many boards are asked for; 0: all."""
    commands: int = 2
    """How many of them by the command."""
    collections: tuple[str, ...] = COLLECTIONS
    seconds: float = 600
    """The longest it may take."""

    @property
    def is_undisturbed(self) -> bool:
        """Whether every answer is settled in the end."""
        return not (self.kills or self.stops)


@dataclass
class Outcome:
    differences: Differences
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """Where a life takes place: the servers, and a folder for its logs."""

    redis_url: str
    mongo_uri: str
    folder: Path


def live(plan: Plan, stage: Stage) -> Outcome:
    """Run it and compare. Raises `TimeoutError` if the queue is never drained."""
    step = plan.hours * HOUR / plan.answers
    market = Market(plan.seed, plan.sellers, plan.rows, _START, pace=step / 2)
    telling = Telling(market, plan.order, step, shares_milliseconds=plan.shares_milliseconds)
    manners = Manners(plan.style, plan.order, plan.displaced, failing=plan.failing)
    name = f"truth_{uuid.uuid4().hex}"
    with (
        Redis.from_url(stage.redis_url) as redis,
        MongoClient[dict[str, Any]](stage.mongo_uri, tz_aware=True) as mongo,
    ):
        environment = _environment(stage, name)
        anchors = [seller.sec_uid for seller in market.sellers]
        producer = Producer(redis, environment["RANK_QUEUE_KEY"], anchors, plan.answers, plan.order)
        with Endpoint(telling, manners) as endpoint:
            run = _Run(plan, stage, {**environment, "RANK_API_URL": endpoint.url}, producer)
            run.go_on(endpoint.log)
        write_log(stage.folder / f"{name}.jsonl", endpoint.log)
        outcome = _judged(plan, run, endpoint.log, mongo[name])
        outcome.figures["displaced"] = endpoint.displaced
        return outcome


class _Run:
    """The part with processes in it."""

    def __init__(
        self, plan: Plan, stage: Stage, environment: Mapping[str, str], producer: Producer
    ) -> None:
        self.plan = plan
        self.environment = environment
        self.producer = producer
        self.began = round(time.time() * 1000)
        self.seconds = 0.0
        log = stage.folder / f"{environment['MONGO_DATABASE']}.log"
        self.fleet = Fleet(
            environment, plan.workers, log, has_refused_licence=plan.has_refused_licence
        )
        counts = (plan.kills, plan.stops, plan.losses)
        self.trouble = Trouble(plan.order, plan.answers, counts, producer.forget, stage.mongo_uri)

    def go_on(self, lines: list[Line]) -> None:
        started = time.monotonic()
        self.producer.push(lines)
        try:
            while not self._is_over():
                if time.monotonic() > started + self.plan.seconds:
                    raise TimeoutError(f"{self.producer.left()} anchors are left")
                self.producer.push(lines)
                if self.producer.left():
                    self.fleet.fill_up(lines)
                self.trouble.befall(self.fleet, lines)
                time.sleep(_POLL_SECONDS)
        finally:
            self.fleet.end()
        self.seconds = time.monotonic() - started

    def _is_over(self) -> bool:
        return self.fleet.are_done() and not self.producer.left()


def _judged(plan: Plan, run: _Run, lines: list[Line], database: Any) -> Outcome:
    found = Differences()
    lake = read_lake(database)
    settled = _settled(plan, run, lines, lake, found)
    expected = Expected(lines, settled)
    compare(expected, lake, found, plan.collections)
    boards = board.Boards(expected)
    moments = board.some_of(boards.moments, plan.moments, plan.order)
    asked = board.compare_boards(database, boards, moments, found)
    some = board.some_of(moments, plan.commands, plan.order) if plan.commands else []
    board.compare_commands(run.environment, boards, some, found)
    questions = 0
    if plan.is_undisturbed and not plan.shares_milliseconds:
        questions = compare_questions(database, expected, plan.order, found)
    for code in run.fleet.failed:
        found.add("workers", "ended badly", f"exit code {code}")
    hopeless = {line.anchor for line in lines if line.outcome in faults.HOPELESS_NAMES}
    for anchor in run.producer.dead() - hopeless:
        found.add("workers", "a dead letter", anchor)
    answered = [line.said for line in lines if line.said is not None]
    figures = {
        "asked": len(lines),
        "answers": len(answered),
        "settled": len(settled),
        "late": _late(lines),
        "states": len({(said.begin, said.rows) for said in answered}),
        "hours": len({said.begin for said in answered}),
        "workers": run.fleet.started,
        "kills": run.fleet.killed,
        "stops": run.fleet.stopped,
        "forgotten": run.trouble.forgotten,
        "seconds": round(run.seconds, 1),
        "boards": asked + len(some),
        "questions": questions,
        **{name: len(lake[name]) for name in plan.collections},
        "differences": len(found),
    }
    return Outcome(found, figures)


def _settled(plan: Plan, run: _Run, lines: list[Line], lake: Lake, found: Differences) -> set[int]:
    """Which calls are, by the calls on record; all of them if nothing was disturbed."""
    everything = {line.order for line in lines}
    if "calls" not in plan.collections:
        return everything if plan.is_undisturbed else set()
    calls = Calls(lines, lake, found)
    calls.check(run.fleet.pids, (run.began, round(time.time() * 1000)))
    done = [line for line in lines if line.order in calls.settled]
    check_demands(run.producer.demands, done, faults.HOPELESS_NAMES, found)
    if not plan.is_undisturbed:
        return calls.settled
    calls.all_must_be_there()
    return everything


def _late(lines: list[Line]) -> int:
    """How many answers are of a time before that of an answer made earlier."""
    newest = count = 0
    for line in lines:
        if line.said is not None:
            count += line.said.observed < newest
            newest = max(newest, line.said.observed)
    return count


def _environment(stage: Stage, name: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_SETTINGS)}
    return {
        **inherited,
        "REDIS_URL": stage.redis_url,
        "MONGO_URI": stage.mongo_uri,
        "MONGO_DATABASE": name,
        "RANK_QUEUE_KEY": f"truth:{name}",
        "RANK_LEASE_SECONDS": "3",
        "RANK_BACKOFF_SECONDS": "0.1",
        "RANK_SHUTDOWN_SECONDS": "2",
        "LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
    }
