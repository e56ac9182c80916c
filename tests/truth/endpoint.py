"""The endpoint: one path over HTTP on a free port of this machine, in a thread of its own."""

import asyncio
import random
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.truth import dress, faults
from tests.truth.disorder import Disorder
from tests.truth.facts import Line
from tests.truth.faults import Fault
from tests.truth.telling import Telling

PATH = "/douyin/webcast/rank_goods"
REFUSED_TOKEN = "refused"


@dataclass(frozen=True)
class Manners:
    """How it answers, whatever it says."""

    style: str = "compact"
    seed: int = 0
    displaced: float = 0.5
    """The share of answers that are held back."""
    most_displaced: int = 8
    failing: float = 0.0
    """The share of calls that bring no list."""


def _client(token: str) -> int:
    """The number that the token of a worker ends with."""
    number = token.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


class Endpoint:
    """``log`` has a line for each call, made when it is asked; entries are only ever added."""

    def __init__(self, telling: Telling, manners: Manners) -> None:
        self.log: list[Line] = []
        self._telling = telling
        self._manners = manners
        self._choose = random.Random(f"endpoint {manners.seed}")
        self._disorder = Disorder(manners.seed, manners.displaced, manners.most_displaced)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint")
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""

    @property
    def displaced(self) -> int:
        return self._disorder.displaced

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def _close(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._served(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the worker went, or was killed
        except asyncio.CancelledError:
            pass  # the life is over; asyncio.streams would complain of it
        finally:
            self._connections.discard(task)
            writer.close()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one call; whether the connection is kept."""
        head = await reader.readuntil(b"\r\n\r\n")
        target = urlsplit(head.split(b" ", 2)[1].decode())
        query = parse_qs(target.query)
        assert target.path == PATH, target.path
        anchor = query.get("sec_anchor_id", [None])[0]
        order, status, body, fault = self._answered(anchor, query["token"][0])
        await self._disorder.hold(order)
        is_cut = fault is not None and fault.is_cut
        length = len(body) + (1000 if is_cut else 0)
        writer.write(
            b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, length)
        )
        writer.write(body)
        await writer.drain()
        self._disorder.gone(order)
        return not is_cut

    def _answered(self, anchor: str | None, token: str) -> tuple[int, int, bytes, Fault | None]:
        """What is said is settled here, at the time of asking."""
        order = len(self.log)
        fault = self._fault(token)
        if fault is not None:
            status, length = (None, None) if fault.is_cut else (fault.status, len(fault.body))
            self.log.append(Line(order, anchor, token, fault.outcome, status, length))
            return order, fault.status, fault.body, fault
        said = self._telling.answer(anchor, _client(token))
        body = dress.body(said, self._manners.style, self._choose)
        self.log.append(Line(order, anchor, token, "ok", 200, len(body), said))
        return order, 200, body, None

    def _fault(self, token: str) -> Fault | None:
        if token == REFUSED_TOKEN:
            return faults.REFUSED
        if self._choose.random() < self._manners.failing:
            return self._choose.choice(faults.ALL)
        return None
