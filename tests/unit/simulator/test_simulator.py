"""The simulated endpoint: its world, its answers over a real socket, and its failures."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware

from rankspider.simulator.clock import Clock
from rankspider.simulator.options import Options
from rankspider.simulator.server import PATH, make_app
from rankspider.simulator.world import World, failing_sec_uid, synthetic_sec_uid
from tests.support.simulated_market import listing

STRICT_SEC_UID = re.compile(r"MS4wLjABAAAA(?:[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{64})")
EIGHT = 1_893_484_800  # 2030-01-01T08:00:00Z, an hour's first second
USER_KEYS = """
id short_id nickname gender signature level birthday telephone avatar_thumb verified experience
city status create_time modify_time secret share_qrcode_uri income_share_percent
badge_image_list follow_info pay_grade fans_club special_id real_time_icons new_real_time_icons
top_vip_no own_room pay_score ticket_count link_mic_stats display_id with_commerce_permission
with_fusion_shop_entry total_recharge_diamond_count verified_content top_fans sec_uid user_role
authorization_info adversary_authorization_info media_badge_image_list adversary_user_status
commerce_webcast_config_ids badge_image_list_v2 allow_be_located allow_find_by_contacts
allow_others_download_video allow_others_download_when_sharing_video allow_share_show_profile
allow_show_in_gossip allow_show_my_action allow_strange_comment allow_unfollower_comment
allow_use_linkmic bg_img_url birthday_description birthday_valid block_status comment_restrict
constellation disable_ichat enable_ichat_img exp fan_ticket_count fold_stranger_chat
follow_status hotsoon_verified hotsoon_verified_reason ichat_restrict_type id_str is_follower
is_following need_profile_guide pay_scores push_comment_status push_digg push_follow
push_friend_action push_ichat push_status push_video_post push_video_recommend verified_mobile
verified_reason with_car_management_permission
"""
ROW_KEYS = """
user score rank gap_description delta rich_description city_code gap_rich_description shop_tags
fixed_footer_description
"""
LIST_KEYS = """
ranks anchor_info seats charts_description subtitle title begin_time direction region_name
is_hide_entrance top_img_url delta_time last_hour_description rules_url highlight_content
city_code currency rules_url_v2
"""


class Simulated:
    """A client of a simulator whose clock stands still until it is moved."""

    def __init__(self, options: Options) -> None:
        self.seconds = 0.0
        clock = Clock(EIGHT * 1000, timer=lambda: self.seconds)
        self.client = TestClient(TestServer(make_app(options, clock)))
        self.world = World(options.seed, options.anchors, options.rows)

    async def get(
        self, asked: str | None = None, token: str = "demo", **headers: str
    ) -> aiohttp.ClientResponse:
        query = {"token": token} | ({"sec_anchor_id": asked} if asked else {})
        return await self.client.get(PATH, params=query, headers=headers)

    async def document(self, asked: str | None = None, token: str = "demo") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(await (await self.get(asked, token)).read())
        return document

    async def inner(self, path: str) -> Any:
        return await (await self.client.get(f"/_simulator/{path}")).json()


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Simulated]:
    simulator = Simulated(Options(**{"rows": 10, "anchors": 100} | options))
    async with simulator.client:
        yield simulator


def decode_body(body: bytes, encoding: str, most: int) -> bytes:
    """As the crawl does it; ValueError beyond ``most`` bytes."""
    return HttpCompressionMiddleware._decode(body, encoding.encode(), most)


def ids_of(document: dict[str, Any]) -> list[str]:
    return [row["user"]["id_str"] for row in document["data"]["ranks"]]


def test_the_same_seed_makes_the_same_world() -> None:
    first, again, other = World(seed=7), World(seed=7), World(seed=8)
    assert listing(first, EIGHT * 1000) == listing(again, EIGHT * 1000)
    assert listing(first, EIGHT * 1000) != listing(other, EIGHT * 1000)
    assert first.sec_uid(3) == synthetic_sec_uid(7, 3) != other.sec_uid(3)


def test_ids_are_valid_and_no_two_are_alike() -> None:
    world = World(anchors=2000)
    anchors = [world.anchor(index) for index in range(2000)]
    assert all(STRICT_SEC_UID.fullmatch(anchor.sec_uid) for anchor in anchors)
    assert {len(anchor.sec_uid) for anchor in anchors} == {55, 76}
    assert {len(str(anchor.user_id)) for anchor in anchors} == set(range(11, 20))
    assert len({anchor.user_id for anchor in anchors}) == 2000
    assert max(anchor.user_id for anchor in anchors) < 2**63
    assert [world.find(anchor.sec_uid) for anchor in anchors] == anchors


def test_a_failing_sec_uid_is_valid_and_its_numbers_do_not_collide() -> None:
    made = {failing_sec_uid("once-params-enveloped", n) for n in range(120)}
    assert len(made) == 120
    assert all(STRICT_SEC_UID.fullmatch(sec_uid) for sec_uid in made)
    with pytest.raises(ValueError, match="43 characters"):
        failing_sec_uid("x" * 60)


@pytest.mark.parametrize("churn", ["some", "all"])
def test_within_the_hour_scores_only_grow_and_places_swap(churn: Any) -> None:
    world = World(anchors=30, rows=30, churn=churn)  # all are listed, so all can be followed
    states = [listing(world, (EIGHT + seconds) * 1000) for seconds in range(0, 3600, 10)]
    swaps = 0
    for before, after in pairwise(states):
        old = {standing.user_id: standing.score for standing in before}
        changed = [standing.score - old[standing.user_id] for standing in after]
        assert min(changed) >= 0
        assert churn == "some" or min(changed) > 0
        swaps += [row.user_id for row in before] != [row.user_id for row in after]
    assert swaps > 100


def test_some_of_the_rows_change_from_a_state_to_the_next() -> None:
    world = World()
    before, after = (set(listing(world, (EIGHT + second) * 1000)) for second in (1800, 1810))
    scores = [{(row.user_id, row.score) for row in state} for state in (before, after)]
    assert 10 < len(scores[1] - scores[0]) < 60


def test_the_next_hour_starts_anew() -> None:
    world = World()
    last, first = (listing(world, (EIGHT + second) * 1000) for second in (3599, 3600))
    assert first[0].score < last[-1].score
    assert {row.user_id for row in first} != {row.user_id for row in last}


# --- Its answers ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_answer_has_the_shape_of_the_endpoints() -> None:
    async with simulated() as simulator:
        documents = [await simulator.document(simulator.world.sec_uid(i)) for i in range(100)]
    document, user_keys = documents[0], USER_KEYS.split()
    assert list(document) == ["data", "extra", "status_code"]
    assert list(document["data"]) == LIST_KEYS.split()
    for row in document["data"]["ranks"]:
        assert list(row) == ROW_KEYS.split()
        assert list(row["user"]) == user_keys
        assert str(row["user"]["id"]) == row["user"]["id_str"]
        [room] = row["user"]["own_room"]["room_ids"]
        assert [str(room)] == row["user"]["own_room"]["room_ids_str"]
        assert room >> 32 <= document["data"]["begin_time"]
        assert room >> 8 & 0xF == 11
    off_air = tuple(key for key in user_keys if key != "own_room")
    own = {tuple(each["data"]["anchor_info"]["user"]) for each in documents}
    assert own == {tuple(user_keys), off_air}


@pytest.mark.asyncio
async def test_rows_and_list_follow_their_rules() -> None:
    async with simulated(rows=100, anchors=300) as simulator:
        simulator.seconds = 1801.25
        document = await simulator.document()
        truth = listing(simulator.world, (EIGHT + 1801) * 1000)
    data, rows = document["data"], document["data"]["ranks"]
    assert "anchor_info" not in data
    assert (data["begin_time"], data["delta_time"]) == (EIGHT, 1799)
    assert document["extra"]["now"] == EIGHT * 1000 + 1_801_250
    assert [row["rank"] for row in rows] == list(range(1, 101))
    assert rows[0]["delta"] == 0
    for better, row in pairwise(rows):
        assert row["delta"] == better["score"] - row["score"] >= 0
    for row in rows:
        text, score = row["gap_description"], row["score"]
        if score < 10_000:
            assert text == str(score)
        else:
            assert abs(float(text.removesuffix("万")) * 10_000 - score) <= 1000
        assert f"{text}</font>" in row["gap_rich_description"]
    shown = [(r["user"]["id_str"], r["rank"], r["score"], r["delta"]) for r in rows]
    assert shown == [tuple(standing) for standing in truth]


@pytest.mark.asyncio
async def test_the_asked_anchor_has_its_own_standing_on_the_list_and_off_it() -> None:
    async with simulated() as simulator:
        simulator.seconds = 600
        document = await simulator.document()
        listed = document["data"]["ranks"][3]
        own = (await simulator.document(listed["user"]["sec_uid"]))["data"]["anchor_info"]
        assert own | {"user": 0} == listed | {"user": 0}
        unlisted = [simulator.world.sec_uid(i) for i in range(100)]
        unlisted.remove(listed["user"]["sec_uid"])
        stranger = synthetic_sec_uid(99, 1)
        for sec_uid in [*unlisted, stranger]:
            row = (await simulator.document(sec_uid))["data"]["anchor_info"]
            assert row["user"]["sec_uid"] == sec_uid
            if row["rank"] == 0:
                assert re.fullmatch(r"距上榜还差[\d.]+万?热度", row["gap_description"])
                assert row["score"] <= document["data"]["ranks"][-1]["score"]
        assert row["rank"] == 0
        assert (await simulator.document(stranger))["data"]["anchor_info"]["user"]["id"] == (
            row["user"]["id"]
        )


@pytest.mark.asyncio
async def test_the_hour_turns() -> None:
    async with simulated() as simulator:
        simulator.seconds = 3599.999
        last = (await simulator.document())["data"]
        simulator.seconds = 3600
        first = (await simulator.document())["data"]
    assert (last["begin_time"], last["delta_time"]) == (EIGHT, 1)
    assert (first["begin_time"], first["delta_time"]) == (EIGHT + 3600, 3600)
    assert first["ranks"][0]["score"] < last["ranks"][0]["score"]


@pytest.mark.asyncio
async def test_mirrors_change_with_every_call_and_nothing_else_does() -> None:
    async with simulated() as simulator:
        sec_uid = simulator.world.sec_uid(0)
        answers = [await (await simulator.get(sec_uid)).text() for _ in range(3)]
    assert len(set(answers)) == 3
    assert len({re.sub(r"//p\d+", "//p", answer) for answer in answers}) == 1
    avatars = [
        json.loads(answer)["data"]["anchor_info"]["user"]["avatar_thumb"]["url_list"]
        for answer in answers
    ]
    assert avatars[0] != avatars[1] != avatars[2]


@pytest.mark.asyncio
async def test_answers_may_change_the_list_instead_of_the_clock() -> None:
    async with simulated(change_every=3, churn="all") as simulator:
        scores = [
            [row["score"] for row in (await simulator.document())["data"]["ranks"]]
            for _ in range(7)
        ]
    assert scores[0] == scores[1] == scores[2] != scores[3] == scores[5] != scores[6]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("envelope", "wrapped"), [("bare", [False, False]), ("code", [True, True]), ("mixed", None)]
)
async def test_envelopes(envelope: str, wrapped: list[bool] | None) -> None:
    async with simulated(envelope=envelope) as simulator:
        documents = [await simulator.document() for _ in range(2)]
    assert [document.get("code") == 200 for document in documents] == (wrapped or [False, True])
    for document in documents:
        bare = document["data"] if "code" in document else document
        assert bare["status_code"] == 0
        assert len(bare["data"]["ranks"]) == 10


STYLES: dict[str, dict[str, Any]] = {
    "compact": {"separators": (",", ":")},
    "spaced": {},
    "pretty": {"indent": 2},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("envelope", ["bare", "code"])
@pytest.mark.parametrize("style", STYLES)
async def test_one_answer_in_any_style(style: str, envelope: str) -> None:
    """As another writer writes it, whoever asks and however it is sent."""
    async with simulated(envelope=envelope, encoding="gzip", change_every=1000) as simulator:
        compact = [await simulator.document(asked) for asked in (None, simulator.world.sec_uid(1))]
        await simulator.client.post("/_simulator/config", json={"style": style})
        for encoding in ("gzip", "identity"):
            for asked, before in zip((None, simulator.world.sec_uid(1)), compact, strict=True):
                answer = await simulator.get(asked, **{"Accept-Encoding": encoding})
                text, same = await answer.text(), re.compile(r"//p\d+")
                expected = json.dumps(before, ensure_ascii=False, **STYLES[style])
                assert same.sub("", text) == same.sub("", expected)
        for token in ("fail-empty-list", "fail-slim"):
            text = await (await simulator.get(token=token)).text()
            expected = json.dumps(json.loads(text), ensure_ascii=False, **STYLES[style])
            assert text == expected


@pytest.mark.asyncio
async def test_gzip_is_one_plain_stream_of_the_same_bytes() -> None:
    async with simulated(encoding="gzip", envelope="code") as simulator:
        url = simulator.client.make_url(PATH)
        query = {"token": "demo", "sec_anchor_id": simulator.world.sec_uid(1)}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(url, params=query) as answer,
        ):
            body, encoding = await answer.read(), answer.headers["Content-Encoding"]
        plain = await simulator.get(query["sec_anchor_id"], **{"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        expected = await plain.text()
        decoded = await (await simulator.get(query["sec_anchor_id"])).json()
    assert encoding == "gzip"
    assert len(body) < len(expected) / 2
    same = re.compile(r"//p\d+")
    assert same.sub("", gzip.decompress(body).decode()) == same.sub("", expected)
    assert decoded["data"]["status_code"] == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_other_encodings(encoding: Any) -> None:
    async with simulated(encoding=encoding) as simulator:
        url = simulator.client.make_url(PATH)
        headers = {"Accept-Encoding": f"gzip;q=0.5, {encoding}"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(url, params={"token": "demo"}, headers=headers) as answer,
        ):
            body = await answer.read()
            assert answer.headers["Content-Encoding"] == encoding
        document = json.loads(decode_body(body, encoding, 10**9))
        assert len(document["data"]["ranks"]) == 10
        plain = await simulator.get(**{"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers


@pytest.mark.asyncio
async def test_it_says_what_it_is() -> None:
    async with simulated() as simulator:
        answer = await simulator.get()
        assert answer.headers["Server"] == "rankspider-simulator"
        assert "模拟主播" in await answer.text()
        assert (await simulator.client.get("/")).headers["Server"] == "rankspider-simulator"


# --- What it keeps and what can be changed ---------------------------------------------------


@pytest.mark.asyncio
async def test_the_record_has_each_answer_and_each_state_once(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    async with simulated(record=path) as simulator:
        sec_uid = simulator.world.sec_uid(0)
        document = await simulator.document(sec_uid)
        await simulator.get(token="fail-http500")
        simulator.seconds = 10
        await simulator.get()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    own = document["data"]["anchor_info"]
    assert [line["asked"] for line in lines] == [sec_uid, None, None]
    assert [(line["status"], line["failure"]) for line in lines] == [
        (200, None),
        (500, "http500"),
        (200, None),
    ]
    assert [row[0] for row in lines[0]["rows"]] == ids_of(document)
    assert lines[0]["anchor_info"] == [
        own["user"]["id_str"],
        own["rank"],
        own["score"],
        own["delta"],
    ]
    assert lines[0]["now"] == EIGHT * 1000
    assert [("rows" in line, line["state"] - lines[0]["state"]) for line in lines] == [
        (True, 0),
        (False, 0),
        (True, 1),
    ]


@pytest.mark.asyncio
async def test_stats_and_calls() -> None:
    async with simulated() as simulator:
        sec_uid = simulator.world.sec_uid(0)
        for token in ("one", "one", "fail-empty"):
            await simulator.get(sec_uid, token)
        stats, calls = await simulator.inner("stats"), await simulator.inner("calls")
    assert stats["answers"] == 3
    assert stats["failures"] == {"empty": 1}
    assert stats["tokens"] == {"one": 2, "fail-empty": 1}
    assert sum(count for _, count in stats["per_second"]) == 3
    assert calls == {sec_uid: 3}


@pytest.mark.asyncio
async def test_a_sample_file_is_the_only_answer(tmp_path: Path) -> None:
    path = tmp_path / "sample.json"
    path.write_bytes(b'{"not": "checked"')
    async with simulated() as simulator:
        changed = await simulator.client.post("/_simulator/config", json={"sample": str(path)})
        assert (await changed.json())["sample"] == str(path)
        for token in ("demo", "fail-http500"):
            assert await (await simulator.get(token=token)).read() == path.read_bytes()
        await simulator.client.post("/_simulator/config", json={"sample": None})
        assert (await simulator.document())["status_code"] == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong",
    [
        {"fail_rate": 2},
        {"fail_rate": "1"},
        {"style": "loud"},
        {"seed": 2},
        {"sample": "no/such/file"},
        {"sample": 5},
        {"start_ms": "now"},
        {"start_ms": -1},
        [1],
    ],
)
async def test_a_wrong_change_is_refused_and_changes_nothing(wrong: Any) -> None:
    async with simulated() as simulator:
        refused = await simulator.client.post("/_simulator/config", json=wrong)
        assert refused.status == 400
        assert await refused.text()
        assert (await simulator.document())["status_code"] == 0


@pytest.mark.asyncio
async def test_its_clock_can_be_set() -> None:
    async with simulated() as simulator:
        for start_ms in (1_893_456_000_000, 1_893_459_600_000):
            await simulator.client.post("/_simulator/config", json={"start_ms": start_ms})
            await simulator.client.post("/_simulator/config", json={"fail_rate": 0})
            now = (await simulator.document())["extra"]["now"]
            assert start_ms <= now < start_ms + 60_000


@pytest.mark.asyncio
async def test_chance_failures_are_the_same_in_every_run() -> None:
    runs = []
    for _ in range(2):
        async with simulated(seed=5) as simulator:
            await simulator.client.post("/_simulator/config", json={"fail_rate": 0.5})
            for index in range(60):
                try:
                    await (await simulator.get(simulator.world.sec_uid(index))).read()
                except aiohttp.ClientError:
                    continue
            runs.append((await simulator.inner("stats"))["failures"])
    assert runs[0] == runs[1]
    assert 15 < sum(runs[0].values()) < 45
    assert len(runs[0]) > 5


# --- Failures ------------------------------------------------------------------------------

STATUSES = {f"http{status}": status for status in (500, 502, 503, 429, 444, 401, 402, 403, 404)}
STATUS_CODES = {
    "params": 10011,
    "no-user": 2065,
    "private": 2096,
    "not-logged-in": 20003,
    "not-logged-in-2483": 2483,
    "logged-out": 8,
    "ended": 30003,
    "no-message": 4001038,
    "empty-prompts": 4003182,
    "unknown-status": 777,
}
VENDOR_CODES = {
    "busy": 500,
    "token-invalid": 401,
    "token-expired": 402,
    "quota": 403,
    "too-fast": 429,
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "status"), STATUSES.items())
async def test_http_failures(name: str, status: int) -> None:
    async with simulated() as simulator:
        answer = await simulator.get(token=f"fail-{name}")
    assert answer.status == status
    assert answer.headers.get("Retry-After") == ("2" if status == 429 else None)


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "code"), STATUS_CODES.items())
async def test_refusals_of_the_platform(name: str, code: int) -> None:
    async with simulated() as simulator:
        document = await simulator.document(failing_sec_uid(name))
    assert document["status_code"] == code
    assert "ranks" not in document.get("data", {})
    assert ("extra" in document) == (name not in ("not-logged-in", "logged-out"))
    assert ("message" in document.get("data", {})) == (name not in ("logged-out", "no-message"))
    if name in ("empty-prompts", "unknown-status"):
        assert document["data"]["prompts"] == ""


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "code"), VENDOR_CODES.items())
async def test_refusals_of_the_vendor(name: str, code: int) -> None:
    async with simulated() as simulator:
        document = await simulator.document(token=f"fail-{name}")
    assert document["code"] == code
    assert document["msg"].startswith("当前服务繁忙" if name == "busy" else "token")


@pytest.mark.asyncio
async def test_a_refusal_inside_a_successful_envelope() -> None:
    async with simulated() as simulator:
        document = await simulator.document(failing_sec_uid("params-enveloped"))
    assert (document["code"], document["data"]["status_code"]) == (200, 10011)


@pytest.mark.asyncio
async def test_bodies_that_are_no_list() -> None:
    async with simulated() as simulator:
        answers = {
            name: await simulator.get(token=f"fail-{name}")
            for name in ("empty", "captcha", "verify", "not-json", "bad-utf8")
        }
        bodies = {name: await answer.read() for name, answer in answers.items()}
    assert {answer.status for answer in answers.values()} == {200}
    assert bodies["empty"] == b""
    assert b"__ac_nonce" in bodies["captcha"]
    assert "验证码中间页" in bodies["captcha"].decode()
    assert bodies["verify"] == b"{}"
    assert "bdturing-verify" in answers["verify"].headers
    with pytest.raises(json.JSONDecodeError):
        json.loads(bodies["not-json"])
    with pytest.raises(UnicodeDecodeError):
        bodies["bad-utf8"].decode()


@pytest.mark.asyncio
async def test_connections_that_end_early() -> None:
    async with simulated() as simulator:
        with pytest.raises(aiohttp.ClientConnectionError):
            await simulator.get(token="fail-reset")
        cut = await simulator.get(token="fail-cut")
        assert cut.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await cut.read()


@pytest.mark.asyncio
async def test_a_redirect_leads_away_with_all_that_was_asked() -> None:
    async with simulated(redirect_to="http://other.invalid:1") as simulator:
        query = {"token": "fail-redirect"}
        answer = await simulator.client.get(PATH, params=query, allow_redirects=False)
    assert answer.status == 302
    assert answer.headers["Location"] == f"http://other.invalid:1{PATH}?token=fail-redirect"


@pytest.mark.asyncio
async def test_later_is_said_in_seconds_or_as_a_moment() -> None:
    async with simulated() as simulator:
        later = await simulator.get(token="fail-http503-later")
        until = await simulator.get(token="fail-http429-date")
    assert (later.status, later.headers["Retry-After"]) == (503, "2")
    assert until.status == 429
    date, moment = (parsedate_to_datetime(until.headers[n]) for n in ("Date", "Retry-After"))
    assert 2 <= (moment - date).total_seconds() <= 4


@pytest.mark.asyncio
async def test_a_refusal_may_repeat_the_token() -> None:
    async with simulated() as simulator:
        document = await simulator.document(token="fail-token-echo~+/")
    assert document["code"] == 401
    assert "fail-token-echo~+/" in document["msg"]


@pytest.mark.asyncio
async def test_bombs_are_small_and_inflate_without_end() -> None:
    async with simulated() as simulator, aiohttp.ClientSession(auto_decompress=False) as session:
        url = simulator.client.make_url(PATH)
        for encoding in ("gzip", "br", "zstd"):
            async with session.get(url, params={"token": f"fail-bomb-{encoding}"}) as answer:
                assert answer.headers["Content-Encoding"] == encoding
                body = await answer.read()
            assert 100 < len(body) < 2 * 1024 * 1024
            with pytest.raises(ValueError, match="exceeded"):
                decode_body(body, encoding, 10 * 1024 * 1024)
        async with session.get(url, params={"token": "fail-bad-gzip"}) as answer:
            body = await answer.read()
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(body)


@pytest.mark.asyncio
async def test_a_slow_answer_comes_in_the_end() -> None:
    async with simulated(slow_seconds=0.01) as simulator:
        assert (await simulator.document(token="fail-slow"))["status_code"] == 0
        assert (await simulator.inner("stats"))["failures"] == {"slow": 1}


async def spoiled(name: str, envelope: str = "bare") -> tuple[dict[str, Any], dict[str, Any]]:
    """``data`` of an honest answer and of the one that ``name`` spoils."""
    async with simulated(envelope=envelope, anchors=200, rows=30) as simulator:
        simulator.seconds = 600
        asked = failing_sec_uid(name)
        bad, good = await simulator.document(asked), await simulator.document()
    return (good["data"], bad["data"]) if envelope == "bare" else (good, bad["data"]["data"])


@pytest.mark.asyncio
async def test_spoiled_lists() -> None:
    _, empty = await spoiled("empty-list")
    assert empty["ranks"] == []
    _, newer = await spoiled("no-rank", envelope="code")
    assert all({"rank", "score", "shop_tags"}.isdisjoint(row) for row in newer["ranks"])
    assert [row["index"] for row in newer["ranks"]] == list(range(1, 31))
    _, twice = await spoiled("dup-user")
    assert len({row["user"]["id_str"] for row in twice["ranks"]}) == 29
    _, gap = await spoiled("rank-gap")
    assert [row["rank"] for row in gap["ranks"]] == [1, *range(3, 32)]
    _, negative = await spoiled("negative-score")
    assert [row["score"] < 0 for row in negative["ranks"]] == [False] * 29 + [True]


@pytest.mark.asyncio
async def test_spoiled_times() -> None:
    good, bad = await spoiled("bad-begin-time")
    assert bad["begin_time"] == good["begin_time"] + 1
    good, bad = await spoiled("stale")
    assert bad["begin_time"] == good["begin_time"] - 3600


@pytest.mark.asyncio
async def test_spoiled_profiles() -> None:
    good, bad = await spoiled("twins")
    users = [row["user"] for row in bad["ranks"]]
    assert [user["id_str"] for user in users] == [row["user"]["id_str"] for row in good["ranks"]]
    rounded = [user for user in users if str(user["id"]) != user["id_str"]]
    assert rounded
    assert all(float(user["id"]) == float(user["id_str"]) for user in rounded)
    assert any(str(u["own_room"]["room_ids"][0]) != u["own_room"]["room_ids_str"][0] for u in users)
    _, bad = await spoiled("slim")
    assert {len(row["user"]) for row in bad["ranks"]} == {27}
    _, bad = await spoiled("list-maps")
    club = bad["anchor_info"]["user"]["fans_club"]
    assert isinstance(club["data"]["badge"]["icons"], list)
    assert club["prefer_data"] == []
    _, bad = await spoiled("odd-keys")
    user = bad["anchor_info"]["user"]
    assert (user["$where"], user["a.b"], user["nested"]["$set"]["c.d"]) == (1, 2, 4)
    _, bad = await spoiled("huge")
    assert len(bad["anchor_info"]["user"]["signature"]) > 17_000_000
    _, bad = await spoiled("deep")
    assert str(bad["anchor_info"]["user"]["nested"]).count("{") == 200


@pytest.mark.asyncio
async def test_every_failure_is_listed_and_tested() -> None:
    async with simulated() as simulator:
        listed = await simulator.inner("failures")
    others = """
        params-enveloped empty captcha verify not-json bad-utf8 reset cut slow empty-list no-rank
        dup-user rank-gap negative-score bad-begin-time stale twins slim list-maps odd-keys huge
        deep bad-gzip bomb-gzip bomb-br bomb-zstd redirect http429-date http503-later token-echo
    """
    assert set(listed) == {*STATUSES, *STATUS_CODES, *VENDOR_CODES, *others.split()}


@pytest.mark.asyncio
async def test_once_fails_the_first_call_of_each_anchor() -> None:
    async with simulated() as simulator:
        sec_uid = failing_sec_uid("once-http500", 3)
        assert [(await simulator.get(sec_uid)).status for _ in range(3)] == [500, 200, 200]
        anchors = [simulator.world.sec_uid(index) for index in (0, 0, 1, 1)]
        statuses = [(await simulator.get(anchor, "fail-once-http502")).status for anchor in anchors]
        assert statuses == [502, 200, 502, 200]


@pytest.mark.asyncio
async def test_what_the_caller_gets_wrong() -> None:
    async with simulated() as simulator:
        unknown = await simulator.get(token="fail-nonsense")
        assert unknown.status == 400
        assert "/_simulator/failures" in await unknown.text()
        assert (await simulator.document(token=""))["msg"].startswith("token")
        assert (await simulator.document("MS4wLjABAAAA!"))["status_code"] == 10011
