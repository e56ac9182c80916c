"""What a worker does when MongoDB fails as MongoDB does, by a proxy in front of the server."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from rankspider.connections import mongo_errors
from rankspider.connections.mongo import connect
from rankspider.errors import ServiceUnavailable
from rankspider.lake.documents import storable, writes_of
from rankspider.lake.opening import open_lake
from rankspider.lake.pending import WriteRefused
from rankspider.lake.store import Store
from rankspider.lake.write import Write
from rankspider.lake.writer import Writer
from tests.support.lake_records import standing, state, user
from tests.support.mongo_proxy import (
    DEPTH_RULE,
    INDEX_RULE,
    Act,
    Fault,
    MongoProxy,
    altered,
    closed_after,
    closed_before,
    lacking,
    lagging_secondary,
    mangled,
    one_counted_twice,
    reads,
    slow,
    stepdown_in_mid_batch,
    whole_command,
    write_concern_error,
    write_errors,
)
from tests.support.project import ROOT

Database = AsyncDatabase[dict[str, Any]]
CODES = ROOT / "tests" / "data" / "mongodb-error-codes.txt"
TABLE = ROOT / "docs" / "mongodb.md"
ON_ID = {"keyPattern": {"_id": 1}, "keyValue": {"_id": "x"}}


@pytest.fixture
async def proxy(mongo_uri: str) -> AsyncIterator[MongoProxy]:
    async with MongoProxy(mongo_uri) as proxy:
        yield proxy


@pytest.fixture
async def lake(proxy: MongoProxy, database_name: str) -> AsyncIterator[Database]:
    client = connect(proxy.uri)
    yield client[database_name]
    await client.close()


@pytest.fixture
async def writer(lake: Database) -> AsyncIterator[Writer]:
    writer = Writer(lake, gather_seconds=0.001)
    yield writer
    await writer.close()


def document(number: int, revision: int = 1, **more: Any) -> Write:
    content = {"user_id": str(number), "revision": f"{revision:015d}", **more}
    return Write("things", f"{number}", content, {"first": revision}, {"last": revision})


async def outcomes_of(writer: Writer, *writes: Write) -> list[Any]:
    return await asyncio.gather(*map(writer.write, writes), return_exceptions=True)


async def ids(lake: Database) -> set[str]:
    return {each["_id"] async for each in lake.things.find({}, [])}


async def until_away(writer: Writer) -> None:
    while not writer.is_away:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


# What waits.

TROUBLES = {
    "quota": whole_command(8000, "AtlasError"),
    "quota, of each document": write_errors(8000),
    "killed by an operator": whole_command(11601, "Interrupted"),
    "password changed": whole_command(18, "AuthenticationFailed"),
    "no rights": write_errors(13),
    "overloaded": whole_command(433, "AdmissionQueueOverflow", ["SystemOverloadedError"]),
    "what no list has": whole_command(87654321),
    "resharding": write_errors(82),
    "cache full": write_errors(365),
    "stale shard": write_errors(13388),
    "another try is asked for": whole_command(2, "BadValue", ["RetryableWriteError"]),
    "no majority": write_concern_error(64),
    "stepdown in mid-batch": stepdown_in_mid_batch,
    "closed before": closed_before,
    "closed after": closed_after,
    "an error without a code": lacking("code", whole_command(8000)),
    "an error without a word": lacking("errmsg", whole_command(8000)),
    "a write error without a code": lacking("code", write_errors(82)),
    "a write error without a word": lacking("errmsg", write_errors(82)),
    "a write error of nobody knows what": lacking("index", write_errors(82)),
    "another protocol": mangled(lambda _: b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
    "cut short": mangled(lambda reply: reply[: len(reply) // 2]),
    "the reply to another": mangled(lambda reply: reply[:8] + bytes(4) + reply[12:]),
    "no BSON": mangled(lambda reply: reply[:25] + b"\xff" * (len(reply) - 25)),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_that_is_not_able_now_is_waited_for(
    proxy: MongoProxy, lake: Database, writer: Writer, trouble: str
) -> None:
    # Twice more than pymongo tries by itself.
    fault = proxy.add(Fault(TROUBLES[trouble], collection="things", times=3))
    sending = asyncio.create_task(outcomes_of(writer, *map(document, range(20))))
    await asyncio.wait_for(until_away(writer), 30)
    assert await sending == [None] * 20
    assert fault.struck == 3
    assert not writer.is_away
    assert await ids(lake) == {str(number) for number in range(20)}


READS_THAT_FAIL = {
    "refused": whole_command(2, "BadValue"),
    "no such index": whole_command(27, "IndexNotFound"),
    "a reply with nothing in it": lacking("cursor", altered()),
    "no BSON": mangled(lambda reply: reply[:25] + b"\xff" * (len(reply) - 25)),
}


@pytest.mark.parametrize("trouble", READS_THAT_FAIL)
async def test_a_read_that_fails_waits_whatever_the_server_says(
    proxy: MongoProxy, database_name: str, trouble: str
) -> None:
    store = Store(proxy.uri, database_name, {})
    await store.open()
    commands = ("find", "listCollections")
    fault = proxy.add(Fault(READS_THAT_FAIL[trouble], commands, times=2))
    await store.look()
    await store.repair_lake()
    assert fault.struck == 2
    await store.close()


async def test_what_has_no_place_in_the_quarantine_waits_for_the_operator(
    lake: Database, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """A unique index on the calls' worker would else have each call made again and again."""
    await lake.calls.create_index("worker", unique=True, name="theirs")
    calls = [Write("calls", f"{number}", {"worker": "w"}, {}) for number in range(3)]
    sending = asyncio.create_task(outcomes_of(writer, *calls))
    await until_away(writer)
    await lake.calls.drop_index("theirs")
    assert await sending == [None] * 3
    assert await lake.calls.count_documents({}) == 3
    (once,) = [each for each in caplog.messages if "MongoDB is away" in each]
    assert "a unique index on worker has its value already" in once
    assert "to mend it, drop the validator or the unique index of your own from calls" in once


async def test_a_slow_server_is_no_trouble(proxy: MongoProxy, writer: Writer) -> None:
    fault = proxy.add(Fault(slow(0.2), collection="things", times=2))
    assert await outcomes_of(writer, document(1)) == [None]
    assert fault.struck == 1
    assert not writer.is_away


async def test_it_is_away_as_long_as_one_collection_waits(
    proxy: MongoProxy, writer: Writer
) -> None:
    """Reads, and writes of another collection, go well meanwhile."""
    fault = proxy.add(Fault(whole_command(8000), collection="things"))
    waiting = asyncio.create_task(outcomes_of(writer, document(1)))
    await until_away(writer)
    for number in range(3):
        await writer.write(Write("others", number, {"revision": "1"}, {}))
        assert writer.is_away
    proxy.remove(fault)
    assert await waiting == [None]
    assert not writer.is_away


async def test_the_log_says_what_is_waited_for_and_what_mends_it(
    proxy: MongoProxy,
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = proxy.add(Fault(whole_command(8000, "AtlasError"), collection="things", times=4))
    assert await outcomes_of(writer, document(1)) == [None]
    (once,) = [each for each in caplog.messages if "MongoDB is away" in each]
    assert "8000 AtlasError: said by the proxy; to mend it, on Atlas, raise the quota" in once
    assert any("MongoDB is back after 4 tries" in each for each in caplog.messages)
    caplog.clear()
    monkeypatch.setattr("rankspider.connections.outage._REMIND_SECONDS", 0)
    fault.times = 7
    assert await outcomes_of(writer, document(2)) == [None]
    assert sum("MongoDB is away" in each for each in caplog.messages) == 3


def test_no_password_is_logged() -> None:
    details = {"code": 1, "errmsg": "cannot reach mongodb://u:hunter2@host/\n?x"}
    message = mongo_errors.server_message(mongo_errors.NotAbleNow(details))
    assert message == "1: cannot reach mongodb://***@host/ ?x"


@pytest.mark.parametrize("code", [13, 18, 59, 8000, 40324])
@pytest.mark.parametrize("command", ["find", "listCollections", "createIndexes", "update"])
async def test_a_worker_that_starts_in_vain_says_so_and_does_not_wait(
    proxy: MongoProxy, database_name: str, code: int, command: str
) -> None:
    proxy.add(Fault(whole_command(code), commands=(command,)))
    store = Store(proxy.uri, database_name, {})
    with pytest.raises(ServiceUnavailable, match=f"{code}.*: said by the proxy; to mend it, "):
        await store.open()
    await store.close()


# What is refused.


async def test_one_refused_document_harms_no_other(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    proxy.add(Fault(write_errors(121), collection="things", ids=frozenset("7")))
    outcomes = await outcomes_of(writer, *map(document, range(20)))
    assert [type(each) for each in outcomes] == [
        WriteRefused if number == 7 else type(None) for number in range(20)
    ]
    assert "MongoDB refused things 7: said by the proxy" in str(outcomes[7])
    assert await ids(lake) == {str(number) for number in range(20)} - {"7"}
    assert not writer.is_away


async def test_a_command_that_fails_for_one_document_is_told_apart(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    fault = proxy.add(Fault(whole_command(15), collection="things", ids=frozenset("7")))
    outcomes = await outcomes_of(writer, *map(document, range(20)))
    assert [each is not None for each in outcomes] == [number == 7 for number in range(20)]
    assert isinstance(outcomes[7], WriteRefused)
    assert await ids(lake) == {str(number) for number in range(20)} - {"7"}
    assert fault.struck <= 12  # inserted and upserted, each by halves


@pytest.mark.parametrize("act", [whole_command(9, "FailedToParse"), write_errors(2)])
async def test_a_server_that_refuses_everything_blames_no_document(
    proxy: MongoProxy, lake: Database, writer: Writer, act: Act
) -> None:
    """As one does that has no updates by pipelines."""
    fault = proxy.add(Fault(act, commands=("update",), collection="things"))
    proxy.add(Fault(write_errors(11000, **ON_ID), commands=("insert",), collection="things"))
    sending = asyncio.create_task(outcomes_of(writer, *map(document, range(4))))
    await until_away(writer)
    proxy.remove(fault)
    assert await sending == [None] * 4
    assert len(await ids(lake)) == 4


async def test_a_unique_index_of_the_operators_refuses_and_holds_nobody_up(
    lake: Database, writer: Writer
) -> None:
    await lake.things.create_index("user_id", unique=True)
    await writer.write(document(1))
    twin, other = Write("things", "twin", document(1).content, {}), document(2)
    outcomes = await outcomes_of(writer, twin, other)
    assert isinstance(outcomes[0], WriteRefused)
    assert "a unique index on user_id has its value already" in str(outcomes[0])
    assert outcomes[1] is None
    assert await ids(lake) == {"1", "2"}


async def test_a_race_is_tried_again_a_few_times_and_then_waits(
    proxy: MongoProxy, lake: Database, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    await writer.write(document(1))
    fault = proxy.add(Fault(write_errors(11000, **ON_ID), collection="things", times=4))
    assert await outcomes_of(writer, document(1, 2)) == [None]
    assert not any("away" in each for each in caplog.messages)
    fault.times = 10
    assert await outcomes_of(writer, document(1, 3)) == [None]
    assert sum("MongoDB is away (11000" in each for each in caplog.messages) == 1
    assert await lake.things.find_one({"_id": "1"}, ["last"]) == {"_id": "1", "last": 3}


async def test_nothing_is_concluded_from_a_count(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    known = range(99)
    await outcomes_of(writer, *map(document, known))
    for revision in (2, 3):  # so often that they are not taken for new
        await outcomes_of(writer, *(document(number, revision) for number in known))
    fault = proxy.add(Fault(one_counted_twice, collection="things"))
    assert (
        await outcomes_of(writer, *(document(number, 4) for number in range(100))) == [None] * 100
    )
    assert fault.struck
    assert "99" in await ids(lake)
    stored = [each["last"] async for each in lake.things.find()]
    assert stored == [4] * 100


async def test_every_write_names_its_document_and_may_be_repeated(
    proxy: MongoProxy, writer: Writer
) -> None:
    for revision in (1, 2, 3):
        await outcomes_of(writer, *(document(number, revision) for number in range(100)))
    for command in proxy.sent("update", "things"):
        assert "txnNumber" in command.body  # pymongo sends it again by itself
        for statement in command.statements:
            assert [*statement["q"]] == ["_id"]
            assert isinstance(statement["q"]["_id"], str)
            assert not statement.get("multi")


async def test_what_is_new_after_long_is_inserted_again(proxy: MongoProxy, writer: Writer) -> None:
    for revision in (1, 2, 3):
        await outcomes_of(writer, *(document(number, revision) for number in range(100)))
    proxy.commands.clear()
    await outcomes_of(writer, *(document(number, 4) for number in range(100)))
    assert not proxy.sent("insert", "things")
    await outcomes_of(writer, *(document(number) for number in range(100, 200)))
    proxy.commands.clear()
    await outcomes_of(writer, *(document(number) for number in range(200, 300)))
    assert proxy.sent("insert", "things")
    assert not proxy.sent("update", "things")


async def test_a_document_without_a_revision_is_stored_whole_by_an_upsert_too(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    """As those of `calls` are."""
    proxy.add(Fault(write_errors(2), commands=("insert",), collection="things"))
    assert await outcomes_of(writer, Write("things", "call", {"outcome": "ok"}, {})) == [None]
    assert await lake.things.find_one() == {"_id": "call", "outcome": "ok"}


# What is nested too deep.


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [185, 250])
async def test_one_document_that_is_too_deep_harms_no_other(
    proxy: MongoProxy, lake: Database, writer: Writer, levels: int
) -> None:
    proxy.add(DEPTH_RULE())
    deep = document(20, profile=nested(levels))
    outcomes = await outcomes_of(writer, *map(document, range(20)), deep)
    assert outcomes[:20] == [None] * 20
    assert isinstance(outcomes[20], WriteRefused)
    assert len(await ids(lake)) == 20


@pytest.mark.parametrize("levels", [150, 250, 400])
async def test_a_profile_that_is_too_deep_is_stored_with_its_depths_as_text(
    proxy: MongoProxy, lake: Database, writer: Writer, levels: int
) -> None:
    proxy.add(DEPTH_RULE())
    item = user(1, "n", 1)
    item.profile = nested(levels)
    await writer.write(*writes_of(item))
    stored = (await lake.users.find_one() or {})["profile"]
    for _ in range(90):
        stored = stored["a"]
    assert stored == '{"a": ' * (levels - 90) + "1" + "}" * (levels - 90)


def test_what_is_deep_enough_stays_as_it_is() -> None:
    assert storable(nested(90)) == nested(90)
    assert storable([[1]] * 3) == [[1]] * 3


# What goes with each command.


async def test_writes_end_before_the_connection_is_given_up(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    await writer.write(document(1))
    (insert,) = proxy.sent("insert", "things")
    concern = insert.body["writeConcern"]
    assert (concern["w"], concern["j"]) == ("majority", True)
    timeout = lake.client.options.pool_options.socket_timeout
    assert timeout is not None
    assert 0 < concern["wtimeout"] < timeout * 1000


async def test_a_worker_reads_from_the_primary_whatever_the_uri_says(
    proxy: MongoProxy, database_name: str, async_database: Database
) -> None:
    proxy.add(reads(lagging_secondary))
    store = Store(f"{proxy.uri}&readPreference=secondaryPreferred", database_name, {})
    await store.open()
    history = [*writes_of(standing(1, 1, 100, 1))][1]
    direct = Writer(async_database)
    await direct.write(history)
    assert await store.repair_lake() == 1
    assert await async_database.ranks.count_documents({}) == 1
    read = [each for each in proxy.sent("find", "rank_history") if each.body.get("filter")]
    assert read
    assert all(each.body["readConcern"]["level"] == "majority" for each in read)
    await direct.close()
    await store.close()


async def test_one_that_cannot_be_brought_up_to_its_history_holds_up_no_other(
    mongo_uri: str, database_name: str, async_database: Database
) -> None:
    store = Store(mongo_uri, database_name, {})
    await store.open()
    await async_database.ranks.create_index("rank", unique=True)
    direct = Writer(async_database)
    for number, rank in ((1, 1), (2, 1), (3, 2)):
        await direct.write([*writes_of(standing(number, rank, 100, 1))][1])
    await store.repair_lake()
    assert await async_database.ranks.count_documents({}) == 2
    await direct.close()
    await store.close()


async def test_the_index_rule_of_mongod(proxy: MongoProxy, lake: Database) -> None:
    proxy.add(INDEX_RULE())
    await open_lake(lake, {"ranks": 30})  # whose expiry has a key of its own
    from pymongo.errors import OperationFailure

    for options, code in (
        ({"name": "other"}, 85),
        ({"name": "sec_uid", "expireAfterSeconds": 9}, 85),
    ):
        with pytest.raises(OperationFailure) as raised:
            await lake.users.create_index("sec_uid", **options)
        assert raised.value.code == code
    with pytest.raises(OperationFailure) as raised:
        await lake.users.create_index("other", name="sec_uid")
    assert raised.value.code == 86


async def test_no_sighting_is_durable_before_the_state_it_is_of(
    proxy: MongoProxy, lake: Database, database_name: str
) -> None:
    store = Store(proxy.uri, database_name, {})
    await store.open()
    fault = proxy.add(Fault(whole_command(8000), collection="snapshots", times=3))
    putting = asyncio.create_task(store.put(state([1, 2], 5)))
    while fault.struck < 3:
        assert await lake.sightings.find_one() is None
        await asyncio.sleep(0.005)
    await putting
    (snapshot,) = await lake.snapshots.find().to_list()
    (sighting,) = await lake.sightings.find().to_list()
    assert sighting["state"] == snapshot["_id"]
    await store.close()


# Every code there is, as docs/mongodb.md has it.


def codes() -> dict[int, str]:
    lines = [line.split() for line in CODES.read_text().splitlines() if line[0] != "#"]
    return {int(code): name for code, name in lines}


def table(heading: str) -> dict[int, list[str]]:
    """The cells of each line of the table under ``heading`` by each code in its first cell."""
    section = TABLE.read_text().split(f"\n### {heading}\n")[1].split("\n#")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return {int(code): cells for cells in lines for code in re.findall(r"\d+", cells[0])}


def test_the_table_says_what_the_code_does() -> None:
    assert table("Refused").keys() == mongo_errors.OF_ONE_DOCUMENT.keys()
    told = {code: cells[1] for code, cells in table("Waits until somebody mends it").items()}
    assert told == mongo_errors.REMEDIES
    known = codes()
    assert known.keys() >= {*mongo_errors.OF_ONE_DOCUMENT, *mongo_errors.REMEDIES}


@pytest.mark.parametrize(
    ("way", "act"),
    [
        ("write error", lambda code: write_errors(code, **ON_ID)),
        ("whole command", whole_command),
        ("write concern error", write_concern_error),
    ],
)
async def test_every_code_ends_as_the_table_says(
    proxy: MongoProxy, lake: Database, caplog: pytest.LogCaptureFixture, way: str, act: Any
) -> None:
    """Refused, or waited for and stored; told are the code and what mends it."""
    caplog.set_level(logging.ERROR)
    refused_codes = set() if way == "write concern error" else {*table("Refused")}
    remedies = {code: cells[1] for code, cells in table("Waits until somebody mends it").items()}

    async def end_of(code: int) -> BaseException | None:
        # The insert, and the upsert if that is left to decide; a refusal is one each time.
        times = None if code in refused_codes else 2
        proxy.add(Fault(act(code), ids=frozenset([str(code)]), times=times))
        writer = Writer(lake, gather_seconds=0.001)
        (end,) = await outcomes_of(writer, document(code))
        await writer.close()
        return end

    ends = {}
    every = [*codes()]
    for start in range(0, len(every), 80):
        some = every[start : start + 80]
        ends |= dict(zip(some, await asyncio.gather(*map(end_of, some)), strict=True))
    assert {code for code, end in ends.items() if end is not None} == refused_codes
    assert all(isinstance(ends[code], WriteRefused) for code in refused_codes)
    assert await ids(lake) == {str(code) for code in every if code not in refused_codes}
    for code in {*every} - refused_codes:
        said = [each for each in caplog.messages if re.search(rf"away \({code}\b", each)]
        # pymongo names some kinds of its own; two races of one write are not worth a word.
        assert said or (way, code) == ("write error", 11000), code
        assert all(remedies.get(code, "") in each for each in said)


# What SecantusDB does, and no mongod.


async def test_what_secantusdb_acknowledges_while_its_storage_stops_is_written_again(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    """It says yes, has lost it, and fails whatever is asked of it next."""
    await writer.write(document(1))

    async def nothing_done(command: Any, *_: Any) -> Any:
        proxy.add(reads(whole_command(1, "InternalError"), times=2))
        return {"n": len(command.statements), "ok": 1.0}

    lie = proxy.add(Fault(nothing_done, collection="things", times=1))
    await writer.write(document(2))
    assert lie.struck == 1
    assert await ids(lake) == {"1", "2"}


async def test_what_secantusdb_acknowledged_before_it_was_started_again_is_written_again(
    proxy: MongoProxy, lake: Database, writer: Writer
) -> None:
    await writer.write(document(1))

    async def another_process(command: Any, _: Any, forward: Any) -> Any:
        reply = await forward(command)
        reply["topologyVersion"]["processId"] = ObjectId(b"another one.")
        return reply

    async def nothing_done(command: Any, *_: Any) -> Any:
        proxy.add(Fault(another_process, ("hello",)))
        return {"n": len(command.statements), "ok": 1.0}

    lie = proxy.add(Fault(nothing_done, collection="things", times=1))
    await writer.write(document(2))
    assert lie.struck == 1
    assert await ids(lake) == {"1", "2"}


async def test_mongodb_is_believed_at_once(proxy: MongoProxy, writer: Writer) -> None:
    async def built(command: Any, _: Any, forward: Any) -> Any:
        reply = await forward(command)
        return {name: value for name, value in reply.items() if name != "secantusVersion"}

    proxy.add(Fault(built, ("buildInfo",)))
    await writer.write(document(1))
    await writer.write(document(2))
    assert proxy.sent("find", "meta") == []
