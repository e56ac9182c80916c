"""An endpoint that answers every call with the raw bytes it is told to."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.project import SAMPLE_FILE

Script = Callable[[str, int], bytes]
"""From the anchor that is asked for, and which call for it this is (from 1), to all that is sent;
b"" closes the connection without a word."""


asking = threading.local()
"""While a script runs, its ``token`` is the licence of the call."""


class ScriptedEndpoint(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.script = script
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseRequestHandler):
    server: ScriptedEndpoint

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.request.recv(65536)
            if not part:
                return
            head += part
        query = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
        anchor = query.get("sec_anchor_id", [""])[0]
        asking.token = query.get("token", [""])[0]
        with self.server.lock:
            self.server.asked[anchor] += 1
            nth = self.server.asked[anchor]
        self.request.sendall(self.server.script(anchor, nth))


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(script) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    """An answer in bytes; the connection ends with it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"Content-Length": str(len(body)), "Connection": "close"} | named
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def json_body(answer: object) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode()


def sample_for(anchor: str) -> bytes:
    """A list of two rows, with the standing of ``anchor`` beside it."""
    answer = json.loads(SAMPLE_FILE.read_bytes())
    answer["data"]["anchor_info"]["user"]["sec_uid"] = anchor
    return json_body(answer)
