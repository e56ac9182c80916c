"""A proxy in front of a MongoDB-wire server that fails as MongoDB does, when a test says so.

::

    async with MongoProxy(mongo_uri) as proxy:
        fault = proxy.add(Fault(whole_command(8000), collection="ranks", times=3))
        ...                                 # connect(proxy.uri)
        assert fault.struck == 3

It reads OP_MSG; whatever else passes as it is. The rules of mongod that SecantusDB does not have,
`DEPTH_RULE`, `INDEX_RULE` and `COUNT_RULE`, are faults as well.
"""

import asyncio
import re
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any, Self

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

Document = dict[str, Any]
_OP_MSG = 2013
_CHECKSUM_PRESENT, _MORE_TO_COME = 1, 2
_STATEMENTS = {"insert": "documents", "update": "updates", "delete": "deletes"}
_READS = ("find", "aggregate", "count", "distinct")
# Dates as they are, those that Python has no word for too.
_OPTIONS: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_LEVELS_STORED, _LEVELS_PARSED = 180, 200
_EMPTY = {"n": 0, "nModified": 0, "ok": 1.0}
_SAID = "said by the proxy"


@dataclass(frozen=True)
class Command:
    """One that a client sent."""

    body: Document
    """Without its statements."""
    statements: list[Document]
    """Documents of an insert, updates, deletes."""

    @property
    def name(self) -> str:
        return next(iter(self.body))

    @property
    def collection(self) -> str:
        return str(self.body[self.name])

    @property
    def ids(self) -> list[Any]:
        """The ``_id`` that each statement is about; None where it names none."""
        return [each.get("q", each).get("_id") for each in self.statements]

    def only(self, indexes: Iterable[int]) -> "Command":
        return replace(self, statements=[self.statements[index] for index in indexes])


@dataclass(frozen=True)
class Mangled:
    """A reply of which ``mangle`` makes what is sent, before the connection closes."""

    reply: Document
    mangle: Callable[[bytes], bytes]


Forward = Callable[[Command], Awaitable[Document]]
Act = Callable[[Command, list[int], Forward], Awaitable[Document | Mangled | None]]
"""What happens to a command, given by index the statements that the fault is about. Returns the
reply; None closes the connection."""


@dataclass
class Fault:
    """When ``act`` happens: to ``commands`` on ``collection`` with one of ``ids`` (None: any), the
    first ``times``, or for ``seconds`` from the first on and ``times`` at least (None: until it is
    removed)."""

    act: Act
    commands: tuple[str, ...] = ("insert", "update")
    collection: str | None = None
    ids: frozenset[Any] | None = None
    times: int | None = None
    seconds: float | None = None
    struck: int = 0
    """How often it happened."""
    _first: float = field(default=0.0, init=False)

    def indexes_of(self, command: Command) -> list[int] | None:
        """Which statements it is about; None: it does not concern ``command``."""
        if command.name not in self.commands or self._is_over():
            return None
        if self.collection not in (None, command.collection):
            return None
        indexes = [
            index
            for index, id_ in enumerate(command.ids)
            if self.ids is None or (not isinstance(id_, dict) and id_ in self.ids)
        ]
        return indexes if indexes or self.ids is None else None

    def strike(self) -> None:
        self._first = self._first or time.monotonic()
        self.struck += 1

    def _is_over(self) -> bool:
        if self.seconds is not None and time.monotonic() - self._first <= self.seconds:
            return False
        bound = self.times if self.times is not None or self.seconds is None else 1
        return bound is not None and self.struck >= bound


class MongoProxy:
    """Listens at ``uri`` while it is entered, in the running loop."""

    def __init__(self, upstream_uri: str) -> None:
        found = re.search(r"://([^@/]*@)?([^:/,]+):(\d+)", upstream_uri)
        assert found is not None, upstream_uri
        self._login, self._upstream = found[1] or "", (found[2], int(found[3]))
        self._faults: list[Fault] = []
        self._connections: set[asyncio.Task[None]] = set()
        self.commands: list[Command] = []
        """All that were sent, oldest first."""

    @property
    def uri(self) -> str:
        """For a client that neither goes past the proxy, to the address that the server says is its
        own, nor waits until the server says of itself that it is not what it was."""
        port = self._server.sockets[0].getsockname()[1]
        options = "directConnection=true&serverMonitoringMode=poll"
        return f"mongodb://{self._login}127.0.0.1:{port}/?{options}"

    def add(self, *faults: Fault) -> Fault:
        """The first that concerns a command happens to it, the later ones to what it lets pass;
        return the last."""
        self._faults += faults
        return self._faults[-1]

    def remove(self, fault: Fault) -> None:
        self._faults.remove(fault)

    def sent(self, name: str, collection: str) -> list[Command]:
        return [
            each for each in self.commands if each.name == name and each.collection == collection
        ]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream = await asyncio.open_connection(*self._upstream)
        try:
            while True:
                await self._exchange(await _message(reader), writer, *upstream)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the one side ends with the other
        finally:
            writer.close()
            upstream[1].close()
            self._connections.discard(task)

    async def _exchange(
        self,
        message: bytes,
        client: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        command = _command(message)
        if command is not None:
            self.commands.append(command)
            if any(fault.indexes_of(command) is not None for fault in self._faults):
                forward = partial(_forward, reader, writer)
                reply = await self._answered(list(self._faults), forward, command)
                if isinstance(reply, Mangled):
                    client.write(reply.mangle(_packed(reply.reply, answers=message)))
                    await client.drain()
                    raise ConnectionResetError
                client.write(_packed(reply, answers=message))
                return await client.drain()
        writer.write(message)
        more = True
        while more:
            answer = await _message(reader)
            client.write(answer)
            await client.drain()
            more = _opcode(answer) == _OP_MSG and bool(answer[16] & _MORE_TO_COME)
        return None

    async def _answered(
        self, faults: list[Fault], forward: Forward, command: Command
    ) -> Document | Mangled:
        """What the first of ``faults`` that concerns ``command`` makes of it; to what that sends
        on, the later ones happen."""
        for place, fault in enumerate(faults):
            indexes = fault.indexes_of(command)
            if indexes is None:
                continue
            fault.strike()
            later = partial(self._answered, faults[place + 1 :], forward)
            reply = await fault.act(command, indexes, later)
            if reply is None:
                raise ConnectionResetError
            return reply
        return await forward(command)


def whole_command(code: int, name: str = "", labels: Iterable[str] = ()) -> Act:
    """Nothing is done, and the command fails."""

    async def act(*_: object) -> Document:
        return _failed(code, name, labels)

    return act


def write_errors(code: int, **said: Any) -> Act:
    """The statements fail that the fault is about; the others are done."""

    async def act(command: Command, indexes: list[int], forward: Forward) -> Document:
        return await _fail_some(command, indexes, forward, {"code": code, **said})

    return act


def write_concern_error(code: int, name: str = "") -> Act:
    """All is done, but not known to be durable."""

    async def act(command: Command, _: list[int], forward: Forward) -> Document:
        concern = {"code": code, "errmsg": _SAID} | ({"codeName": name} if name else {})
        return {**await forward(command), "writeConcernError": concern}

    return act


async def stepdown_in_mid_batch(command: Command, _: list[int], forward: Forward) -> Document:
    """Half of the statements are done, and the command fails."""
    await forward(command.only(range((len(command.statements) + 1) // 2)))
    return _failed(11602, "InterruptedDueToReplStateChange", ["RetryableWriteError"])


async def closed_before(*_: object) -> None:
    """Nothing is done, and the connection closes."""


async def closed_after(command: Command, _: list[int], forward: Forward) -> None:
    """All is done, and the connection closes before the reply."""
    await forward(command)


def altered(**changed: Any) -> Act:
    """All is done, and the reply has this in it."""

    async def act(command: Command, _: list[int], forward: Forward) -> Document:
        return {**await forward(command), **changed}

    return act


def mangled(mangle: Callable[[bytes], bytes]) -> Act:
    """All is done, and ``mangle`` makes something else of the reply's bytes."""

    async def act(command: Command, _: list[int], forward: Forward) -> Mangled:
        return Mangled(await forward(command), mangle)

    return act


def lacking(field: str, act: Act) -> Act:
    """As ``act``, but the reply has no ``field``, nor has one of its write errors."""

    async def acted(command: Command, indexes: list[int], forward: Forward) -> Document | None:
        reply = await act(command, indexes, forward)
        assert isinstance(reply, dict)
        for each in (reply, *reply.get("writeErrors", [])):
            each.pop(field, None)
        return reply

    return acted


def slow(seconds: float) -> Act:
    async def act(command: Command, _: list[int], forward: Forward) -> Document:
        await asyncio.sleep(seconds)
        return await forward(command)

    return act


async def one_counted_twice(command: Command, _: list[int], forward: Forward) -> Document:
    """As on a cluster, where a chunk that migrates may be seen on both of its shards."""
    reply = await forward(command)
    return {**reply, "n": reply["n"] + bool(reply["n"])}


async def lagging_secondary(command: Command, _: list[int], forward: Forward) -> Document:
    """A read that may go to a secondary finds nothing yet."""
    if command.body.get("$readPreference", {}).get("mode") not in (
        "secondary",
        "secondaryPreferred",
    ):
        return await forward(command)
    namespace = f"{command.body['$db']}.{command.collection}"
    return {"cursor": {"firstBatch": [], "id": bson.Int64(0), "ns": namespace}, "ok": 1.0}


async def _refuse_depth(command: Command, _: list[int], forward: Forward) -> Document:
    """https://github.com/mongodb/mongo/blob/master/src/mongo/bson/bson_depth.h"""
    depths = [_depth(statement) for statement in command.statements]
    too_deep = [index for index, depth in enumerate(depths) if depth > _LEVELS_STORED]
    if any(depth > _LEVELS_PARSED for depth in depths):
        return _failed(15, "Overflow")
    if too_deep:
        return await _fail_some(command, too_deep, forward, {"code": 15})
    return await forward(command)


async def _refuse_index(command: Command, _: list[int], forward: Forward) -> Document:
    """https://github.com/mongodb/mongo/blob/master/jstests/core/index_signature.js"""
    listing = {"listIndexes": command.collection, "$db": command.body["$db"]}
    listed = await forward(Command(listing, []))
    known = listed["cursor"]["firstBatch"] if listed["ok"] else []
    for wanted in command.body["indexes"]:
        for index in known:
            same_key = [*wanted["key"].items()] == [*index["key"].items()]
            same_name = wanted["name"] == index["name"]
            options = [each.get("expireAfterSeconds") for each in (wanted, index)]
            if same_name and not same_key:
                return _failed(86, "IndexKeySpecsConflict")
            if same_key and (not same_name or options[0] != options[1]):
                return _failed(85, "IndexOptionsConflict")
    return await forward(command)


async def _count_nothing(command: Command, _: list[int], forward: Forward) -> Document:
    """Of no document, $count makes none: SecantusDB makes one that says 0."""
    reply = await forward(command)
    stages = command.body["pipeline"]
    if reply["ok"] and stages and "$count" in stages[-1]:
        cursor = reply["cursor"]
        cursor["firstBatch"] = [each for each in cursor["firstBatch"] if any(each.values())]
    return reply


def _failed(code: int, name: str = "", labels: Iterable[str] = ()) -> Document:
    failed: Document = {"ok": 0.0, "code": code, "errmsg": _SAID}
    failed |= {"codeName": name} if name else {}
    return failed | ({"errorLabels": [*labels]} if labels else {})


async def _fail_some(
    command: Command, indexes: list[int], forward: Forward, said: Document
) -> Document:
    others = [index for index in range(len(command.statements)) if index not in indexes]
    reply = await forward(command.only(others)) if others else dict(_EMPTY)
    for entry in (*reply.get("writeErrors", []), *reply.get("upserted", [])):
        entry["index"] = others[entry["index"]]
    failed = [{"index": index, "errmsg": _SAID, **said} for index in indexes]
    reply["writeErrors"] = [*reply.get("writeErrors", []), *failed]
    return reply


DEPTH_RULE = partial(Fault, _refuse_depth)
INDEX_RULE = partial(Fault, _refuse_index, commands=("createIndexes",))
COUNT_RULE = partial(Fault, _count_nothing, commands=("aggregate",))


def reads(act: Act, **about: Any) -> Fault:
    """A fault of what only reads."""
    return Fault(act, commands=_READS, **about)


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
    return deepest


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    (length,) = struct.unpack("<i", head)
    return head + await reader.readexactly(length - 4)


def _opcode(message: bytes) -> int:
    (opcode,) = struct.unpack_from("<i", message, 12)
    return int(opcode)


def _command(message: bytes) -> Command | None:
    """What ``message`` asks for; None if it is no OP_MSG."""
    if _opcode(message) != _OP_MSG:
        return None
    body: Document = {}
    statements: list[Document] = []
    end = len(message) - 4 * (message[16] & _CHECKSUM_PRESENT)
    place = 20
    while place < end:
        kind, (size,) = message[place], struct.unpack_from("<i", message, place + 1)
        section = message[place + 1 : place + 1 + size]
        if kind == 0:
            body = bson.decode(section, _OPTIONS)
        else:
            statements += bson.decode_all(section[section.index(0, 4) + 1 :], _OPTIONS)
        place += 1 + size
    key = _STATEMENTS.get(next(iter(body)), "")
    return Command(body, statements or body.pop(key, []))


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: Command
) -> Document:
    body = dict(command.body)
    if command.name in _STATEMENTS:
        body[_STATEMENTS[command.name]] = command.statements
    writer.write(_packed(body))
    answer = await _message(reader)
    return bson.decode(answer[21:], _OPTIONS)


_numbers = count(1)


def _packed(body: Document, answers: bytes = b"\0" * 8) -> bytes:
    content = bson.encode(body, codec_options=_OPTIONS)
    (number,) = struct.unpack_from("<i", answers, 4)
    head = struct.pack("<iiiiIB", 21 + len(content), next(_numbers), number, _OP_MSG, 0, 0)
    return head + content
