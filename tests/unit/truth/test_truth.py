"""The project beside an independent truth (`tests.truth`), and that truth's own checks."""

import ast
import copy
import hashlib
import random
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest

from tests.support.project import ROOT
from tests.truth import documents, dress
from tests.truth.calls import Calls, check_demands
from tests.truth.compare import compare
from tests.truth.differences import Differences
from tests.truth.expected import Expected
from tests.truth.facts import Line, ListName, Profile, Row, Said
from tests.truth.lake import COLLECTIONS, Document, Lake, frozen
from tests.truth.market import HOUR, Market
from tests.truth.telling import Telling

TRUTH = ROOT / "tests" / "truth"
NAME = ListName("热度", "全站", "小时榜", "", "")
BEGIN = 1_772_359_200
KEY = f"{BEGIN}/热度/全站/小时榜/"


def test_it_shares_no_code() -> None:
    """But for the servers it runs against, and the questions that it asks."""
    imported = {
        (path.name, node.module)
        for path in TRUTH.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rankspider")
    }
    assert {name for name, _ in imported} == {"__main__.py", "board.py", "questions.py"}
    assert ("__main__.py", "rankspider.embedded") in imported
    asked = {module for name, module in imported if name != "__main__.py"}
    assert {module.split(".")[1] for module in asked if module} == {"questions", "moments"}


def test_the_market_comes_back_to_what_was() -> None:
    market = Market(seed=3, sellers=60, rows=10, start=BEGIN, pace=5)
    assert all(
        re.fullmatch("MS4wLjABAAAA(?:[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{64})", seller.sec_uid)
        for seller in market.sellers
    )
    telling = Telling(market, seed=3, step=4)
    asked = [market.sellers[n % 60].sec_uid for n in range(2000)]
    answers = [telling.answer(sec_uid) for sec_uid in asked]
    assert len({said.observed for said in answers}) == 2000
    assert any(said.observed >= (said.begin + HOUR) * 1000 for said in answers)
    assert any(other.observed < one.observed for one, other in pairwise(answers))
    in_order = sorted(answers, key=lambda said: said.observed)
    for place in (
        lambda said: said.begin == BEGIN and said.rows,
        lambda said: (
            said.own and said.own.profile.user_id == market.sellers[5].user_id and said.own
        ),
        lambda said: next((row.profile for row in said.rows if row.rank == 1), None),
    ):
        seen = [place(said) for said in in_order if place(said)]
        kept = [one for one, other in pairwise([*seen, None]) if one != other]
        assert len(kept) > len(set(kept)) > 1
    assert any(not said.rows for said in answers)


# Five answers, of which the one of 607 s comes late.


def profile(number: int, nickname: str = "") -> Profile:
    return Profile(str(number), f"sec-{number}", 7, "shop", nickname, 1, "", "100x100/a", 3)


def state(score: int) -> tuple[Row, ...]:
    return (
        Row(profile(1001), 1, 300, 0, "300", ("综合",), "77"),
        Row(profile(1002), 2, score, 300 - score, str(score)),
    )


A, B = state(100), state(200)
OWN = Row(profile(1003, "掌柜"), 0, 40, 9, "距上榜还差61热度")


def line(order: int, seconds: int, rows: tuple[Row, ...], anchor: int, own: Row) -> Line:
    said = Said((BEGIN + seconds) * 1000, BEGIN, NAME, rows, own)
    return Line(order, f"sec-{anchor}", "token", "ok", 200, 5000, said)


LOG = [
    line(0, 600, A, 1001, A[0]),
    line(1, 614, A, 1002, A[1]),
    line(2, 607, B, 1001, B[0]),
    line(3, 628, A, 1003, OWN),
    line(4, 633, A, 1001, A[0]),
]


def at(seconds: int) -> int:
    return (BEGIN + seconds) * 1000


def named(_id: str, first: int, last: int, tie: str, **more: Any) -> Document:
    """A document of history."""
    times = {"first_observed_at": at(first), "last_observed_at": at(last)}
    return {"_id": _id, **times, "revision": f"00{at(last)}-{tie}", **more}


OF_HOUR = {
    "list": {
        "currency": "热度",
        "title": "全站",
        "subtitle": "小时榜",
        "city_code": "",
        "region_name": "",
    },
    "begin_time": at(0),
}
PLAIN = {
    **OF_HOUR,
    "gap_rich_description": "",
    "rich_description": "",
    "city_code": "",
    "fixed_footer_description": "",
    "flags": [],
    "other_fields": {},
}
FIRST = {
    **PLAIN,
    "user_id": "1001",
    "sec_uid": "sec-1001",
    "rank": 1,
    "score": 300,
    "delta": 0,
    "gap_description": "300",
    "shop_tags": ["综合"],
    "room_id": "77",
    "room_ids": ["77"],
    "listed": True,
}
SECOND = {
    **FIRST,
    "user_id": "1002",
    "sec_uid": "sec-1002",
    "rank": 2,
    "score": 100,
    "delta": 200,
    "gap_description": "100",
    "shop_tags": [],
    "room_id": None,
    "room_ids": [],
}
SECOND_IN_B = {**SECOND, "score": 200, "delta": 100, "gap_description": "200"}
UNLISTED = {
    **SECOND,
    "user_id": "1003",
    "sec_uid": "sec-1003",
    "rank": 0,
    "score": 40,
    "delta": 9,
    "gap_description": "距上榜还差61热度",
    "listed": False,
}


def user(number: int, nickname: str = "") -> Document:
    return {
        "user_id": str(number),
        "sec_uid": f"sec-{number}",
        "short_id": 7,
        "display_id": "shop",
        "nickname": nickname,
        "gender": 1,
        "signature": "",
        "avatar_uri": "100x100/a",
        "profile": {
            "level": 0,
            "avatar_thumb": {"url_list": ["https://p9/a"], "uri": "100x100/a", "height": 0},
            "verified": False,
            "city": "",
            "badge_image_list": [],
            "follow_info": {"following_count": 0, "follower_count": 0},
            "pay_grade": {
                "level": 3,
                "grade_icon_list": [],
                "new_live_icon": {"url_list": [], "uri": "grade_3.png"},
            },
            "fans_club": {"data": {"badge": {"icons": {"0": {"uri": ""}}}}, "prefer_data": {}},
        },
    }


def now(history: Document, _id: str, **more: Any) -> Document:
    """The document of the newest, which says the same as ``history``."""
    document = {**history, "_id": _id, "observed_at": history["last_observed_at"], **more}
    del document["last_observed_at"]
    return document


def snapshot(state: str, first: int, last: int, scores: list[int]) -> Document:
    return named(
        f"{KEY}/{state}",
        first,
        last,
        state,
        **OF_HOUR,
        user_ids=["1001", "1002"],
        scores=scores,
        delta_time=3600 - last,
        flags=[],
        other_fields=dress.LIST_TEXTS,
    )


def sighting(bucket: int, state: str, first: int, last: int) -> Document:
    return {
        "_id": f"{KEY}/{BEGIN + bucket}-{state}",
        **OF_HOUR,
        "state": f"{KEY}/{state}",
        "observed_at": at(first),
        "last_observed_at": at(last),
        "revision": f"00{at(last)}-{state}",
    }


def call(seconds: int, anchor: int, state: str, standing: str) -> Document:
    return {
        "_id": f"call of {seconds}",
        "anchor": f"sec-{anchor}",
        "user_id": str(anchor),
        "asked_at": 5,
        "milliseconds": 12,
        "observed_at": at(seconds),
        "purpose": "queue",
        "outcome": "ok",
        "status": 200,
        "bytes": 5000,
        "licence": "0123456789ab",
        "worker": "host:42",
        "begin_time": at(0),
        "list_state": f"{KEY}/{state}",
        "standing": f"{KEY}/{anchor}/{standing}",
        "profile": f"{anchor}/p",
    }


def lake_of_five() -> Lake:
    """Written by hand."""
    rank_history = [
        named(f"{KEY}/1001/1/300/0/77", 600, 600, "1-x", **FIRST),
        named(f"{KEY}/1002/2/100/200", 600, 614, "1-x", **SECOND),
        named(f"{KEY}/1002/2/200/100", 607, 607, "1-y", **SECOND_IN_B),
        named(f"{KEY}/1003/0/40/9", 628, 628, "0-z", **UNLISTED),
    ]
    user_history = [
        named("1001/p", 600, 600, "p", **user(1001)),
        named("1002/p", 600, 628, "p", **user(1002)),
        named("1003/p", 628, 628, "p", **user(1003, "掌柜")),
    ]
    first, second, _, unlisted = rank_history
    return {
        "ranks": [
            now(first, f"{KEY}/1001", best_rank=1, peak_score=300),
            now(second, f"{KEY}/1002", best_rank=2, peak_score=200),
            now(unlisted, f"{KEY}/1003", best_rank=0, peak_score=40),
        ],
        "rank_history": rank_history,
        "users": [now(each, each["user_id"]) for each in user_history],
        "user_history": user_history,
        "snapshots": [snapshot("a", 600, 614, [300, 100]), snapshot("b", 607, 607, [300, 200])],
        "sightings": [
            sighting(600, "a", 600, 600),
            sighting(600, "b", 607, 607),
            sighting(610, "a", 614, 614),
            sighting(620, "a", 628, 628),
            sighting(630, "a", 633, 633),
        ],
        "calls": [
            call(600, 1001, "a", "1/300/0/77"),
            call(614, 1002, "a", "2/100/200"),
            call(607, 1001, "b", "1/300/0/77"),
            call(628, 1003, "a", "0/40/9"),
            call(633, 1001, "a", "1/300/0/77"),
        ],
        "rejected": [],
    }


def kinds(lines: list[Line], lake: Lake, *, undisturbed: bool = True) -> set[tuple[str, str]]:
    """What the checker finds."""
    found = Differences()
    calls = Calls(lines, lake, found)
    calls.check({"token": {42}}, (0, 10))
    if undisturbed:
        calls.all_must_be_there()
    settled = {each.order for each in lines} if undisturbed else calls.settled
    compare(Expected(lines, settled), lake, found, COLLECTIONS)
    return set(found.kinds)


def test_the_lake_as_it_must_be() -> None:
    assert kinds(LOG, lake_of_five()) == set()


def changed(collection: str, place: int, **fields: Any) -> Callable[[Lake], None]:
    return lambda lake: lake[collection][place].update(fields)


def gone(collection: str, place: int) -> Callable[[Lake], None]:
    return lambda lake: lake[collection].__delitem__(place)


def again(collection: str, place: int, _id: str) -> Callable[[Lake], None]:
    return lambda lake: lake[collection].append({**lake[collection][place], "_id": _id})


WRONG: list[tuple[Callable[[Lake], None], str, str]] = [
    (
        changed("ranks", 1, score=200, delta=100, gap_description="200"),
        "ranks",
        "says something else",
    ),
    (changed("ranks", 1, observed_at=at(600)), "ranks", "observed_at"),
    (changed("ranks", 1, observed_at=at(607)), "ranks", "observed_at"),
    (changed("ranks", 1, first_observed_at=at(607)), "ranks", "first_observed_at"),
    (changed("ranks", 1, peak_score=100), "ranks", "peak_score"),
    (changed("ranks", 2, best_rank=1), "ranks", "best_rank"),
    (changed("ranks", 2, gap_description="?"), "ranks", "a text that was not said with it"),
    (changed("ranks", 0, room_id="78"), "ranks", "says something else"),
    (changed("ranks", 0, revision="9"), "ranks", "revision is of a later time"),
    (gone("ranks", 2), "ranks", "missing"),
    (changed("rank_history", 1, last_observed_at=at(611)), "rank_history", "last_observed_at"),
    (
        again("rank_history", 0, f"{KEY}/1001/9/9/9"),
        "rank_history",
        "nothing that was answered says so",
    ),
    (changed("users", 2, nickname="伙计"), "users", "says something else"),
    (changed("user_history", 2, nickname="伙计"), "user_history", "missing"),
    (again("user_history", 0, "1001/q"), "user_history", "doubled"),
    (changed("user_history", 0, _id="1001"), "user_history", "a wrong _id"),
    (changed("snapshots", 0, last_observed_at=at(600)), "snapshots", "last_observed_at"),
    (changed("snapshots", 0, flags=["outside-hour"]), "snapshots", "says something else"),
    (changed("snapshots", 1, first_observed_at=at(600)), "snapshots", "first_observed_at"),
    (gone("snapshots", 1), "snapshots", "missing"),
    (gone("sightings", 2), "sightings", "missing"),
    (changed("sightings", 0, last_observed_at=at(607)), "sightings", "last_observed_at"),
    (changed("sightings", 0, state=f"{KEY}/b"), "sightings", "refers to another state"),
    (gone("calls", 3), "calls", "missing"),
    (again("calls", 3, "once more"), "calls", "nobody was asked so"),
    (changed("calls", 0, list_state=f"{KEY}/b"), "calls", "list_state"),
    (changed("calls", 0, standing=None), "calls", "standing"),
    (changed("calls", 3, profile="1001/p"), "calls", "profile"),
    (changed("calls", 3, worker="host:43"), "calls", "worker"),
    (changed("calls", 3, bytes=1), "calls", "bytes"),
    (changed("calls", 3, licence="token"), "calls", "licence"),
    (
        lambda lake: lake["rejected"].append({"reason": "?"}),
        "rejected",
        "nothing was to be rejected",
    ),
]


@pytest.mark.parametrize(("spoil", "collection", "kind"), WRONG)
def test_what_is_wrong_is_found(spoil: Callable[[Lake], None], collection: str, kind: str) -> None:
    lake = copy.deepcopy(lake_of_five())
    spoil(lake)
    assert (collection, kind) in kinds(LOG, lake)


def test_what_was_never_acknowledged_may_be_there_or_not() -> None:
    lake = lake_of_five()
    whole = copy.deepcopy(lake)
    del whole["calls"][3]
    assert kinds(LOG, whole, undisturbed=False) == set()
    part = copy.deepcopy(whole)
    del part["sightings"][3], part["ranks"][2], part["users"][2]
    assert kinds(LOG, part, undisturbed=False) == set()
    none = copy.deepcopy(part)
    del none["rank_history"][3], none["user_history"][2]
    none["user_history"][1]["last_observed_at"] = at(633)
    none["user_history"][1]["revision"] = f"00{at(633)}-p"
    none["users"][1]["observed_at"] = at(633)
    none["users"][1]["revision"] = f"00{at(633)}-p"
    assert kinds(LOG, none, undisturbed=False) == set()
    # What others said stays certain.
    del none["sightings"][2]
    assert kinds(LOG, none, undisturbed=False) == {("sightings", "missing")}


class HonestLake:
    """What a store would hold that is told every answer of a log, in order of their own time."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lake: dict[str, dict[str, Document]] = {name: {} for name in COLLECTIONS}
        self._last: dict[str, str] = {}
        for each in sorted(lines, key=lambda line: line.said.observed if line.said else 0):
            if each.said is not None:
                self._store(each, each.said)

    @property
    def documents(self) -> Lake:
        return {name: list(found.values()) for name, found in self.lake.items()}

    def _store(self, line: Line, said: Said) -> None:
        state = self._store_list(said)
        rows = [(row, True) for row in said.rows]
        if said.unlisted:
            rows.append((said.unlisted, False))
        for row, is_listed in rows:
            key = documents.key_of_standing(said, row.profile.user_id)
            content = documents.standing(said, row, is_listed=is_listed)
            content["gap_description"] = row.text
            history = documents.key_of_history(said, row)
            self._put("rank_history", key, history, said, content)
            bests = self.lake["ranks"].get(key, {"best_rank": 0, "peak_score": 0})
            places = [rank for rank in (row.rank, bests["best_rank"]) if rank]
            best, peak = min(places, default=0), max(row.score, bests["peak_score"])
            more = {"best_rank": best, "peak_score": peak}
            self._newest("ranks", key, self.lake["rank_history"][history], said, more)
            user_id, profile = row.profile.user_id, profile_id(row)
            self._put("user_history", user_id, profile, said, documents.user(row.profile))
            self._newest("users", user_id, self.lake["user_history"][profile], said, {})
        self._record(line, said, state)

    def _store_list(self, said: Said) -> str:
        told = documents.state(said)
        key, state = documents.key_of_list(said), digest(told)
        content = {**told, "flags": documents.flags(said), "delta_time": dress.delta_time(said)}
        self._put("snapshots", key, f"{key}/{state}", said, content)
        _id = f"{key}/{said.observed // 10_000 * 10}-{state}"
        first = {"_id": _id, "state": f"{key}/{state}", "observed_at": said.observed}
        sighting = self.lake["sightings"].setdefault(_id, {**documents.hour(said), **first})
        sighting["last_observed_at"] = said.observed
        return f"{key}/{state}"

    def _put(self, name: str, place: str, _id: str, said: Said, content: Document) -> None:
        """A document of history; its last time moves on only when it is news again."""
        known = self.lake[name].setdefault(_id, {"_id": _id, "first_observed_at": said.observed})
        news = documents.without_free_text({**content, "delta_time": 0})
        if self._last.get(f"{name} {place}") != frozen(news):
            self._last[f"{name} {place}"] = frozen(news)
            known.update(content)
            known["last_observed_at"] = said.observed
            known["revision"] = f"{said.observed:015d}-x"

    def _newest(self, name: str, key: str, history: Document, said: Said, more: Document) -> None:
        document = now(history, key, **more)
        first = self.lake[name].get(key, {}).get("first_observed_at", said.observed)
        self.lake[name][key] = {**document, "first_observed_at": first}

    def _record(self, line: Line, said: Said, state: str) -> None:
        row = said.standing_of(line.anchor)
        self.lake["calls"][str(line.order)] = {
            **call(0, 0, "", ""),
            "_id": line.order,
            "anchor": line.anchor,
            "observed_at": said.observed,
            "begin_time": said.begin * 1000,
            "list_state": state,
            "user_id": row.profile.user_id if row else None,
            "standing": documents.key_of_history(said, row) if row else None,
            "profile": profile_id(row) if row else None,
        }


def digest(content: Document) -> str:
    return hashlib.sha256(frozen(content).encode()).hexdigest()


def profile_id(row: Row) -> str:
    return f"{row.profile.user_id}/{digest(documents.user(row.profile))}"


def log_of(count: int, seed: int) -> list[Line]:
    market = Market(seed=seed, sellers=60, rows=10, start=BEGIN, pace=5)
    telling = Telling(market, seed=seed, step=15)
    choose = random.Random(seed)
    asked = [choose.choice(market.sellers).sec_uid for _ in range(count)]
    return [
        Line(order, sec_uid, "token", "ok", 200, 5000, telling.answer(sec_uid, order))
        for order, sec_uid in enumerate(asked)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_an_honest_lake_is_believed(seed: int) -> None:
    lines = log_of(300, seed)
    assert kinds(lines, HonestLake(lines).documents) == set()


@pytest.mark.parametrize("seed", range(2))
def test_so_is_one_that_lacks_what_was_never_acknowledged(seed: int) -> None:
    lines = log_of(300, seed)
    lost = set(random.Random(seed).sample(range(300), 30))
    settled = [line for line in lines if line.order not in lost]
    assert kinds(lines, HonestLake(settled).documents, undisturbed=False) == set()
    # Or holds it, and has no record of the calls.
    lake = HonestLake(lines).documents
    lake["calls"] = [each for each in lake["calls"] if each["_id"] not in lost]
    assert kinds(lines, lake, undisturbed=False) == set()


def test_an_anchor_that_was_pushed_is_asked_later() -> None:
    found = Differences()
    check_demands([("sec-1001", 0), ("sec-1001", 4), ("sec-1003", 2)], LOG, set(), found)
    assert not found
    check_demands([("sec-1003", 4)], LOG, set(), found)
    assert found.kinds == {("calls", "an anchor was lost"): 1}
