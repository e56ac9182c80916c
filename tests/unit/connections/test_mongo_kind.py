"""Servers that speak MongoDB's protocol and are none, or are too old."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import bson
import pytest

from rankspider.connections import mongo
from rankspider.connections.mongo_kind import refuse_unsuitable
from rankspider.errors import ServiceUnavailable


@pytest.mark.parametrize(
    ("built", "host", "said"),
    [
        ({"version": "4.4.29", "versionArray": [4, 4, 29, 0]}, "a.example", "of version 4.4.29"),
        ({"_t": "BuildInfoResponse"}, "localhost", "Azure Cosmos DB"),
        ({}, "d.cluster-1.eu-west-1.docdb.amazonaws.com", "Amazon DocumentDB"),
        ({}, "d.docdb.AmazonAWS.com.", "Amazon DocumentDB"),
        ({"ferretdb": {"version": "v2.1"}}, "localhost", "FerretDB"),
        ({"ferretdbVersion": "1.2"}, "localhost", "FerretDB"),
    ],
)
def test_servers_that_cannot_be_used(built: dict[str, Any], host: str, said: str) -> None:
    with pytest.raises(ServiceUnavailable, match=f"5.0 or newer.*{said}|{said}.*5.0 or newer"):
        refuse_unsuitable([host], {"version": "7.0.0", **built})


@pytest.mark.parametrize("version", [[5, 0, 0, 0], [8, 2, 11, 0]])
def test_servers_that_can(version: list[int]) -> None:
    refuse_unsuitable(["a.mongodb.net", "docdb.amazonaws.com.example"], {"versionArray": version})


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb://u:p%40@x.mongo.cosmos.azure.com:10255/?ssl=true", "Azure Cosmos DB"),
        ("mongodb+srv://u:hunter2@c.mongocluster.cosmos.azure.com/?tls=true", "Azure Cosmos DB"),
        ("mongodb://a.example,d.docdb.amazonaws.com:27017", "Amazon DocumentDB"),
        ("mongodb://u:hunt@/er2@d.docdb-elastic.amazonaws.com/x", "Amazon DocumentDB"),
    ],
)
def test_those_that_are_known_by_name_are_not_even_asked(uri: str, said: str) -> None:
    with pytest.raises(ServiceUnavailable, match=f"leads to {said}, which is no MongoDB") as raised:
        mongo.check(uri)
    assert "hunt" not in str(raised.value)


class _Old(socketserver.StreamRequestHandler):
    """A stand-in for MongoDB 3.6, as far as it tells what it speaks."""

    def handle(self) -> None:
        while head := self.rfile.read(16):
            length, request, _, _ = struct.unpack("<4i", head)
            self.rfile.read(length - 16)
            hello = {"ismaster": True, "maxWireVersion": 6, "minWireVersion": 0, "ok": 1.0}
            body = struct.pack("<iB", 0, 0) + bson.encode(hello)
            self.wfile.write(struct.pack("<4i", 16 + len(body), 0, request, 2013) + body)


@pytest.fixture
def old_server() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Old) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_one_too_old_to_talk_to(old_server: str) -> None:
    with pytest.raises(ServiceUnavailable, match=r"5\.0 or newer is needed.* wire version 6"):
        mongo.check(old_server)
